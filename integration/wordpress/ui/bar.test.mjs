// The admin bar in the admin: it names the posts that users edit, to those who may edit them too.
// And the beat of a page that becomes visible. In browsers on a live WordPress.
// HEARTBEATD_SCREENSHOTS=folder stores screenshots.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { beat, editorOf, linked, setVisibility, until, withLive } from '../live/live.mjs'
import { picture } from './picture.mjs'

const title = 'Draft <b>of</b> "the" plan'

test('the admin bar and visible pages', { timeout: 400_000 }, async (t) => {
	await withLive(t, async ({ site, php, open, person }) => {
		const admin = await person('admin', { client: 'websocket' })
		const author = await person('author', { client: 'websocket' })
		const editor = await person('editor', { client: 'websocket', editor: 'classic' })
		const post = php(`$id = wp_insert_post(array('post_title' => 'x', 'post_content' => 'x', 'post_status' => 'draft', 'post_author' => ${editor.id})); global $wpdb; $wpdb->update($wpdb->posts, array('post_title' => '${title}'), array('ID' => $id)); clean_post_cache($id); return $id;`)
		const line = (page) => page.evaluate((id) => {
			const item = document.querySelector(`#wp-admin-bar-heartbeatd-online-${id} .ab-item`)
			return item && [item.querySelector('.heartbeatd-screen')?.textContent, item.getAttribute('href')]
		}, editor.id)
		const becomes = (what, page, expected) => until(what, async () => JSON.stringify(await line(page)) === JSON.stringify(expected), 15)
			.catch(async (error) => assert.fail(`${error.message}: ${JSON.stringify(await line(page))}`))

		await t.test('it names the post that a user edits to users who may edit that post', async () => {
			const [seen, unseen] = [await admin.open('/wp-admin/tools.php'), await author.open('/wp-admin/profile.php')]
			for (const page of [seen, unseen]) await linked(page, 'websocket')
			const theirs = await editor.open(editorOf(post))
			await becomes('the title', seen, ['Editing: Draft of "the" plan', `${site.url}${editorOf(post)}`])
			await becomes('the label', unseen, ['Edit Post', null])
			await pictures(seen)
			await unseen.hover('#wp-admin-bar-heartbeatd-online')
			await beat(unseen)
			assert.deepEqual(await line(unseen), ['Edit Post', null])
			assert.doesNotMatch(await unseen.content(), /Draft of/)

			await theirs.goto(`${site.url}/wp-admin/upload.php?mode=list`)
			await becomes('the next screen', seen, ['Media', null])
			for (const page of [seen, unseen, theirs]) await page.close()
		})

		await t.test('without a link, ticks name it', async () => {
			const theirs = await editor.open(editorOf(post))
			await linked(theirs, 'websocket')
			await admin.uses({ client: 'post' })
			const page = await admin.open('/wp-admin/tools.php')
			await beat(page)
			await becomes('the title', page, ['Editing: Draft of "the" plan', `${site.url}${editorOf(post)}`])
			for (const other of [page, theirs]) await other.close()
		})

		await t.test('a page that becomes visible beats at once if heartbeatd answers', async () => {
			const page = await open('admin', '/wp-admin/')
			await linked(page, 'websocket')
			await beat(page)
			await beat(page)
			const sent = () => page.frames.sent.filter(({ type }) => type === 'beat').length
			const [frames, beats] = [sent(), page.beats.length]
			await setVisibility(page, 'hidden')
			await setVisibility(page, 'visible')
			await until('a beat', () => sent() > frames)
			assert.equal(page.beats.length, beats, 'no beat goes to PHP')
			await page.close()
		})

		await t.test('a page whose beats PHP answers beats no more often', async () => {
			const page = await open('admin', '/wp-admin/', { before: (page) => page.route('**/heartbeat/**', (route) => route.abort()) })
			await page.evaluate(() => wp.heartbeat.transport.use([]))
			await beat(page)
			const beats = page.beats.length
			for (let i = 0; i < 4; i++) for (const state of ['hidden', 'visible']) await setVisibility(page, state)
			await beat(page)
			assert.ok(page.beats.length <= beats + 2, `${page.beats.length - beats} beats`)
			await page.close()
		})
	})
})

// pictures opens the list on a wide and on narrow pages.
async function pictures(page) {
	for (const width of [1280, 390, 360]) {
		await page.setViewportSize({ width, height: 700 })
		await page.click('#wpbody-content')
		await picture(page, width, `bar ${width}`)
	}
	await page.setViewportSize({ width: 1280, height: 720 })
}
