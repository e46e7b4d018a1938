// An editor that is left releases its own lock, and never that of the next document, of another
// tab or of a user who has taken over; also while a beat renews the lock, whichever request PHP
// finishes first.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addMuPlugin, beat, editorOf, linked, newEditor, newPost, until, withLive } from './live.mjs'

// Core keeps a released lock for five seconds, in case the page is only reloaded.
const RELEASED = 5
const HELD = 100 // of 150 seconds

// A cookie makes the page slow, or the beat before or after it has renewed the lock.
const slow = `
if (($_COOKIE['slow'] ?? '') === 'page') add_action('admin_head', fn () => sleep(1));
if (in_array($_COOKIE['slow'] ?? '', array('before', 'after'), true)) {
	add_filter('heartbeat_received', function ($response, $data) {
		if (isset($data['wp-refresh-post-lock'])) {
			ignore_user_abort(true);
			update_option('slow_beat', 'began');
			sleep(2);
		}
		return $response;
	}, 'before' === $_COOKIE['slow'] ? 1 : 30, 2);
	add_filter('heartbeat_send', function ($response) {
		update_option('slow_beat', 'ended');
		return $response;
	});
}
`

test('released locks', { timeout: 500_000 }, async (t) => {
	await withLive(t, async ({ person, php, site }) => {
		addMuPlugin(site, 'slow', slow)
		newEditor(site, php, 'carla')
		const anna = await person('editor')
		const ben = await person('admin')
		const carla = await person('carla')
		const people = [anna, ben, carla]
		const run = (name, editor, client, scenario) => t.test(`${editor} editor, ${client}: ${name}`, async () => {
			await Promise.all(people.map((one) => one.uses({ client, editor })))
			const post = makePost(php, name, anna)
			const open = async (one) => {
				const page = await one.open(editorOf(post.id))
				await linked(page, client)
				await page.waitForFunction(isReady)
				return page
			}
			await scenario({ anna, ben, carla, post, open, php, slowBeat: slowBeats(php) })
			await Promise.all(people.flatMap(({ context }) => context.pages().map((page) => page.close())))
		})
		for (const editor of ['block', 'classic']) {
			await run('taken over while the page is slow', editor, 'websocket', takenOver)
			await run('taken over while PHP handles a beat of the old document', editor, 'websocket', takenOverInBeat)
			await run('reloaded', editor, 'websocket', reloaded)
			await run('left before its beat has renewed the lock', editor, 'websocket', (parts) => leftInBeat(parts, 'before'))
			await run('left after its beat has renewed the lock', editor, 'post', (parts) => leftInBeat(parts, 'after'))
		}
		await run('left while PHP handles its first beat', 'block', 'websocket', (parts) => leftInBeat(parts, 'before', true))
		await run('stays, and is left later', 'block', 'websocket', leftAfterStaying)
		await run('left by one of two tabs', 'classic', 'websocket', twoTabs)
		await run('left after the dialog was closed', 'block', 'websocket', leftAfterDialog)
	})
})

// makePost makes a post, and returns functions to read its lock.
function makePost(php, title, author) {
	const id = newPost(php, title, author.id)
	const lock = () => php(`$lock = get_post_meta(${id}, '_edit_lock', true); $parts = explode(':', $lock); return array('text' => $lock, 'user' => (int) ($parts[1] ?? 0), 'left' => (int) $parts[0] + 150 - time());`)
	return { id, lock, isReleased: () => lock().left <= RELEASED, documentOf: (text) => text.split(':')[2] }
}

async function takenOver({ anna, ben, carla, post, open }) {
	await open(anna)
	const page = await takeOver(ben, await open(ben))
	await (await open(carla)).waitForFunction(isTold, null, { timeout: 5000 })
	const { user, left, text } = post.lock()
	assert.ok(user === ben.id && left > HELD, text)
	await beat(page)
	assert.ok(!(await page.evaluate(isTold)))
}

async function takenOverInBeat({ anna, ben, post, open, slowBeat }) {
	await open(anna)
	const old = await open(ben)
	await slowBeat(ben, old, 'before')
	const page = await takeOver(ben, old)
	await slowBeat.end()
	assert.equal(post.lock().user, ben.id)
	await leave(page)
	await until('the lock to be released', post.isReleased).catch(() => assert.fail(post.lock().text))
}

async function reloaded({ anna, post, open }) {
	const page = await open(anna)
	for (const how of [() => page.reload({ waitUntil: 'commit' }), () => follow(page, page.url())]) {
		await beatAnew(page)
		await how()
		await page.waitForFunction(isReady)
		await beat(page)
		const { left, text } = post.lock()
		assert.ok(left > HELD, text)
	}
	await leave(page)
	await until('the lock to be released', post.isReleased)
}

async function twoTabs({ anna, post, open }) {
	const [first, second] = [await open(anna), await open(anna)]
	const { text } = post.lock()
	await leave(second)
	// The second tab had the lock and releases it. The first tab takes it at once.
	await until('the first tab to take the lock', () => post.lock().left > HELD && post.documentOf(post.lock().text) !== post.documentOf(text))
	const third = await open(anna)
	await beatAnew(first)
	await leave(third)
	for (let beats = 0; beats < 2; beats++) {
		await beatAnew(first)
		assert.ok(post.lock().left > HELD)
	}
	await leave(first)
	await until('the lock to be released', post.isReleased)
}

// The block editor itself releases the lock of its page load, unless a beat has renewed it. The
// first beat may arrive after that release.
async function leftInBeat({ anna, post, open, slowBeat }, when, first = false) {
	const page = await open(anna)
	if (!first) await beatAnew(page)
	const { left } = post.lock()
	await until('the next second', () => post.lock().left < left)
	await slowBeat(anna, page, when)
	await leave(page)
	await until('the lock to be released', post.isReleased).catch(() => assert.fail(post.lock().text))
	await slowBeat.end()
	assert.ok(post.isReleased(), post.lock().text)
}

// After a cancelled navigation to the same post, the document still releases its lock.
async function leftAfterStaying({ anna, post, open }) {
	const page = await open(anna)
	await beatAnew(page)
	await page.evaluate(() => {
		navigation.addEventListener('navigate', (event) => event.preventDefault(), { once: true })
		location.href = `${location.href}&again=1`
		const now = Date.now
		Date.now = () => now() + 60_000
	})
	await leave(page)
	await until('the lock to be released', post.isReleased).catch(() => assert.fail(post.lock().text))
}

// A document that has shown the dialog may get the lock later, as with core's client.
async function leftAfterDialog({ anna, ben, post, open, php }) {
	const first = await open(anna)
	const page = await open(ben)
	await page.waitForFunction(isTold)
	await first.close()
	await until('the first page to release its lock', post.isReleased) // its request may come later than the next one
	php(`update_post_meta(${post.id}, '_edit_lock', '1:${anna.id}');`)
	await beatAnew(page)
	assert.equal(post.lock().user, ben.id)
	const releases = []
	page.on('request', (request) => (request.postData() || '').includes('wp-remove-post-lock') && releases.push(request))
	await leave(page)
	assert.equal(releases.length, 0)
	assert.ok(post.lock().left > HELD, post.lock().text)
}

// slowBeats makes one beat slow in PHP, before or after it renews the lock, and waits until PHP
// has it.
function slowBeats(php) {
	const said = (what) => () => php(`return get_option('slow_beat');`) === what
	const begin = async (person, page, when) => {
		php(`update_option('slow_beat', '');`)
		await person.context.addCookies([{ name: 'slow', value: when, url: person.url }])
		await page.evaluate(() => {
			jQuery(document).one('heartbeat-send', (event, data) => (data.anew = 1))
			wp.heartbeat.connectNow()
		})
		await until('the beat to be at PHP', said('began'))
		await person.context.clearCookies({ name: 'slow' })
	}
	return Object.assign(begin, { end: () => until('the beat to end', said('ended')) })
}

// takeOver clicks the dialog's link, which the block editor removes with its first beat.
async function takeOver(person, page) {
	await page.waitForFunction(isTold)
	const address = await page.evaluate((id) => {
		const link = document.querySelector('a[href*="get-post-lock"]')
		return link ? link.href : `post.php?get-post-lock=1&post=${id}&action=edit&_wpnonce=${wp.data.select('core/editor').getEditorSettings().postLockUtils.nonce}`
	}, new URL(page.url()).searchParams.get('post'))
	await person.context.addCookies([{ name: 'slow', value: 'page', url: person.url }])
	await follow(page, address)
	await person.context.clearCookies({ name: 'slow' })
	await page.waitForFunction(isReady)
	return page
}

const leave = (page) => page.goto(new URL('/wp-admin/about.php', page.url()).href, { waitUntil: 'commit' })

// follow clicks on a hyperlink in the page.
const follow = (page, address) => Promise.all([page.waitForNavigation({ waitUntil: 'commit' }), page.evaluate((address) => {
	const link = document.body.appendChild(document.createElement('a'))
	link.href = address
	link.click()
}, address)])

// beatAnew sends a beat to PHP, without a repeated answer.
async function beatAnew(page) {
	await page.evaluate(() => void jQuery(document).one('heartbeat-send', (event, data) => (data.anew = 1)))
	return beat(page)
}

// The editor has loaded, with the lock or with the dialog.
const isReady = () => document.readyState === 'complete' && Boolean(window.wp?.data?.select('core/editor')?.getCurrentPostId() || document.querySelector('#post-lock-dialog'))

const isTold = () => Boolean(window.wp?.data?.select('core/editor')?.isPostLocked() || jQuery('#post-lock-dialog').is(':visible'))
