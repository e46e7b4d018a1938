// A session that ends elsewhere, and the log-in dialog.

import assert from 'node:assert/strict'
import { beat, editorOf, hasLink, linked, newPost, since, until } from './live.mjs'

// With a link the dialog opens at once, and not with the editor's next beat after up to 10 s: in
// 0.2 s on an idle machine, in up to 2 s on a busy one.
const TOLD = 5000

// loggedOut ends the session of a user who has an editor open, and logs in again in the dialog.
// The site must autosave every few seconds.
export async function loggedOut(t, { person, php, client, login, password }) {
	const [here, elsewhere] = await Promise.all([person(login, { client, editor: 'classic' }), person(login, { client })])
	const id = newPost(php, `Logged out with ${client}`, here.id)
	const page = await here.open(editorOf(id))
	const [profile] = await Promise.all([elsewhere.open('/wp-admin/profile.php'), linked(page, client)])
	await beat(page)
	await page.evaluate(() => { window.sameDocument = true })

	await profile.click('#destroy-sessions')
	await profile.locator('.notice-success:has(+ #destroy-sessions)').waitFor()
	const ended = since()
	const dialog = () => page.evaluate(() => !document.querySelector('#wp-auth-check-wrap').classList.contains('hidden'))
	await until('the dialog', async () => {
		if (!hasLink(client)) await beat(page)
		return dialog()
	})
	t.diagnostic(`the dialog after ${ended()} ms`)
	if (hasLink(client)) assert.ok(ended() < TOLD, `the dialog after ${ended()} ms`)

	const frame = page.frameLocator('#wp-auth-check-frame')
	await frame.locator('#user_login').fill(login)
	await frame.locator('#user_pass').fill(password)
	await frame.locator('#wp-submit').click()
	await until('the dialog to go', async () => !(await dialog()))
	const back = since()
	await linked(page, client)
	t.diagnostic(`linked after ${back()} ms`)
	// The page beats when the dialog closes; the editor's next beat follows 10 s later.
	if (hasLink(client)) assert.ok(back() < TOLD, `linked after ${back()} ms`)

	// The page recovers by itself: nonces, link, lock and autosaves. In Firefox only the page in
	// front has the focus, and others beat every two minutes.
	await page.bringToFront()
	const text = `Written after the log-in with ${client}.`
	await page.click('#content-html')
	await page.fill('#content', text)
	await until('the autosave', () => php(`$saved = wp_get_post_autosave(${id}, ${here.id}); return $saved && false !== strpos($saved->post_content, '${text}');`), 40)
	t.diagnostic(`saved after ${back()} ms`)
	const tick = await beat(page)
	assert.equal(tick['wp-auth-check'], true)
	assert.ok(tick['wp-refresh-post-lock'].new_lock)
	assert.equal(await page.evaluate(() => window.sameDocument), true)
	await Promise.all([here.close(), elsewhere.close()])
}
