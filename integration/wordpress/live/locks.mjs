// What two users see of a post's lock: who has it, that they have left, and that another user has
// taken it over.

import assert from 'node:assert/strict'
import { beat, editorOf, hasLink, linked, newPost, since, until } from './live.mjs'

// Pages with a link beat this seldom, in seconds. What a page shows earlier came over the link.
const SELDOM = 120
const SOON = 30

// locks runs the test: anna, an editor of the site, edits; ben, an administrator, looks on, takes over
// and leaves.
export async function locks(t, { anna, ben, php, editor, client }) {
	await Promise.all([anna, ben].map((person) => person.uses({ client, editor })))
	const id = newPost(php, `By ${editor} ${client}`, anna.id)
	const list = await openList(ben, client)
	const page = await anna.open(editorOf(id), { waitUntil: 'commit' })
	const opened = since()
	await until('the lock in the list', () => isLocked(list, client, id), SOON)
	t.diagnostic(`taken, seen in the list: ${opened()} ms`)
	assert.equal(await list.locator(`#post-${id} .locked-text`).innerText(), 'Editor is currently editing')

	await seldom(page, client)
	await beat(page)
	const text = `What Anna wrote with ${client}.`
	await write(page, editor, text)
	const taker = await takeOver(ben, id)
	const taken = since()
	await until('the editor to be told', async () => (await look(page, client), isTold(page, editor)), SOON)
	t.diagnostic(`taken over, told to the editor: ${taken()} ms`)
	await until('the text to be saved', async () => {
		await look(page, client)
		return php(`$saved = wp_get_post_autosave(${id}, ${anna.id}); return $saved && str_contains($saved->post_content, '${text}');`)
	}, SOON)
	// WordPress's own block editor sends nothing when it is left (in 7.1.4).
	if (editor === 'classic' || client !== 'core') await letGo(t, { page: taker, list: await openList(anna, client), php, client, id })
	await Promise.all([anna, ben].flatMap(({ context }) => context.pages().map((page) => page.close())))
}

async function openList(person, client) {
	const list = await person.open('/wp-admin/edit.php')
	await seldom(list, client)
	return list
}

// seldom waits until a page is ready, and has it beat seldom if it has a link.
async function seldom(page, client) {
	await linked(page, client)
	if (hasLink(client)) await page.evaluate((seconds) => wp.heartbeat.interval(seconds), SELDOM)
}

// A page without a link sees changes with its next beat.
const look = (page, client) => (hasLink(client) ? null : beat(page))

async function isLocked(list, client, id) {
	await look(list, client)
	return list.locator(`#post-${id}`).evaluate((row) => row.classList.contains('wp-locked'))
}

async function letGo(t, { page, list, php, client, id }) {
	await until('the lock in the list', () => isLocked(list, client, id), SOON)
	// An editor that is left during a beat, or before it has handled the tick, does not know
	// which lock it has to release.
	await linked(page, client)
	await beat(page)
	await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => window.setTimeout(done, 100))))
	await page.goto(new URL('/wp-admin/about.php', page.url()).href, { waitUntil: 'commit' })
	const left = since()
	await until('the lock to go from the list', async () => !(await isLocked(list, client, id)), SOON)
		.catch((error) => assert.fail(`${error.message}: ${php(`return time() . ' ' . get_post_meta(${id}, '_edit_lock', true);`)}`))
	t.diagnostic(`let go, gone from the list: ${left()} ms`)
	if (hasLink(client)) assert.equal(await list.evaluate(() => wp.heartbeat.interval()), SELDOM)
}

async function write(page, editor, text) {
	if (editor === 'block') {
		await page.waitForFunction(() => window.wp.data?.select('core/editor').getCurrentPostId())
		await page.evaluate((text) => window.wp.data.dispatch('core/editor').editPost({ content: text }), text)
	} else {
		// A second after the visual editor is ready, core notes the text that need not be saved. A later
		// timer of the page comes after that.
		await page.waitForFunction(() => window.tinymce?.get('content')?.initialized || document.querySelector('#wp-content-wrap.html-active'))
		await page.evaluate(() => new Promise((done) => window.setTimeout(done, 1500)))
		await page.click('#content-html')
		await page.waitForSelector('#wp-content-wrap.html-active')
		await page.fill('#content', text)
	}
}

// takeOver opens the editor of a post that another user edits, and clicks the dialog's link. The
// dialog of the block editor has that link only until the page's first beat, also with core's
// client (in 7.1.4): ten seconds, in which a busy machine may not be fast enough to click.
export async function takeOver(person, id) {
	const page = await person.open(editorOf(id), { waitUntil: 'domcontentloaded' })
	await page.evaluate(() => {
		window.isLocked = true
		wp.heartbeat.interval(60)
	})
	await page.click('a[href*="get-post-lock"]', { noWaitAfter: true })
	// While the page navigates, evaluate fails.
	await until('the editor without the dialog', () => page.evaluate(() => !window.isLocked).catch(() => false), 30)
	return page
}

const isTold = (page, editor) => page.evaluate((editor) => editor === 'block'
	? Boolean(document.querySelector('.editor-post-locked-modal')?.innerText.includes('Someone else has taken over this post'))
	: document.querySelector('#post-lock-dialog .currently-editing')?.innerText.includes('admin'), editor)
