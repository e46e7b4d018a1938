// A list of posts, while somebody opens and leaves them: it shows what core's answer to its
// user would be, at once, and PHP hardly gets a beat.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { claimsOf } from '../plugin.mjs'
import { addMuPlugin, beat, editorOf, linked, newEditor, newPost, until, withLive } from './live.mjs'

const LOCKS = 'wp-check-locked-posts'

// Core's text in two languages, by the user who asks.
const languages = `add_filter('gettext', function ($text, $source) {
	return '%s is currently editing' === $source && 'de_DE' === get_user_locale() ? '%1$s bearbeitet das zu 100%%' : $text;
}, 10, 2);`

// watch has a list note what its ticks say of locks, and counts its beats to PHP.
async function watch(page) {
	page.posted = 0
	page.on('request', (request) => {
		if (request.url().includes('admin-ajax.php') && /(^|&)action=heartbeat(&|$)/.test(request.postData() ?? '')) page.posted++
	})
	await page.evaluate((LOCKS) => jQuery(document).on('heartbeat-tick', (event, tick) => { window.locks = JSON.stringify(tick[LOCKS] ?? null) }), LOCKS)
}

// asked is what PHP answers the list now. The page keeps for how many seconds that is good, and
// when the locks expire that it shows.
async function asked(page) {
	const before = page.posted
	const answer = page.waitForResponse((response) => response.url().includes('admin-ajax.php') && 'x-heartbeatd-ticket' in response.headers())
	await page.evaluate(() => wp.heartbeat.enqueue('of-a-plugin', 1))
	const tick = await beat(page)
	assert.equal(page.posted, before + 1)
	const { repeat_until: until, iat, locks } = claimsOf((await answer).headers()['x-heartbeatd-ticket'])
	Object.assign(page, { good: until - Math.floor(iat), locks })
	return JSON.stringify(tick[LOCKS] ?? null)
}

const shown = (page) => page.evaluate(() => window.locks)

test('lists', { timeout: 500_000 }, async (t) => {
	await withLive(t, async ({ site, person, php }) => {
		addMuPlugin(site, 'languages', languages)
		newEditor(site, php, 'dora')
		php(`update_user_meta(${site.users.dora.id}, 'locale', 'de_DE');`)
		const anna = await person('editor', { client: 'websocket', editor: 'classic' })
		const viewers = {}
		for (const [name, client] of [['admin', 'websocket'], ['dora', 'longpoll'], ['editor', 'events']]) viewers[name] = await person(name, { client })
		const ids = [1, 2, 3].map((n) => newPost(php, `Post ${n}`, anna.id))
		const lists = []
		for (const [name, viewer] of Object.entries(viewers)) {
			const page = await viewer.open('/wp-admin/edit.php')
			await watch(page)
			await linked(page, { admin: 'websocket', dora: 'longpoll', editor: 'events' }[name])
			await beat(page)
			lists.push(page)
		}
		const [ours, german, own] = lists
		const same = async (what) => {
			for (const [name, page] of Object.keys(viewers).map((name, i) => [name, lists[i]])) {
				const native = await shown(page)
				assert.equal(native, await asked(page), `${what}: ${name}`)
				t.diagnostic(`${what}, ${name}: ${native}`)
			}
		}

		await t.test('show what PHP would answer, without asking it', async () => {
			const before = lists.map((page) => page.posted)
			const editor = await anna.open(editorOf(ids[0]), { waitUntil: 'commit' })
			await until('the lock in the lists', async () => (await shown(ours))?.includes('is currently editing') && (await shown(german))?.includes('bearbeitet das zu 100%'), 8)
			assert.equal(await shown(own), 'null', 'her own lock')
			await linked(editor, 'websocket')
			await beat(editor)
			await beat(ours)
			assert.deepEqual(lists.map((page) => page.posted), before)
			await same('opened')
			const left = ours.locks[`post-${ids[0]}`]
			assert.ok(left > 100_000 && left <= 150_000, `the lock ends in ${left} ms`)
			assert.equal(own.locks, undefined, 'her own lock')
			const again = lists.map((page) => page.posted)
			await editor.goto(`${site.url}/wp-admin/about.php`, { waitUntil: 'commit' })
			await until('the lock to go from the lists', async () => (await shown(ours)) === 'null' && (await shown(german)) === 'null', 12)
			assert.deepEqual(lists.map((page) => page.posted), again)
			await same('left')
			assert.deepEqual([ours.good, ours.locks], [300, undefined], 'a list without locks')
			await editor.close()
		})

		await t.test('are told of a lock that is renewed after a minute', () => {
			const pushed = (seconds) => php(`add_filter('heartbeat_received', 'wp_check_locked_posts'); $set = fn ($time) => update_post_meta(${ids[1]}, '_edit_lock', "$time:${anna.id}");
				$now = time(); $set($now - ${seconds}); $calls = &heartbeatd_queue(); $calls = array(); $set($now); $queued = array_values($calls);
				delete_post_meta(${ids[1]}, '_edit_lock'); $calls = array();
				return array_map(fn ($call) => array($call[0], isset($call[1]['data']['heartbeatd']['lock']['released']), $call[1]['data']['heartbeatd']['lock']['left_ms'] >= 145000), $queued);`)
			assert.deepEqual(pushed(50), [])
			assert.deepEqual(pushed(70), [['/push', false, true]])
		})

		await t.test('without avatars', async () => {
			php(`update_option('show_avatars', '');`)
			const editor = await anna.open(editorOf(ids[1]))
			await until('the lock in the lists', async () => (await shown(ours)) !== 'null' && (await shown(german)) !== 'null', 8)
			assert.doesNotMatch(await shown(ours), /avatar/)
			await same('without avatars')
			await editor.close()
			php(`update_option('show_avatars', '1');`)
			await until('the lock to go', async () => (await shown(ours)) === 'null', 20)
		})

		await t.test('ask PHP when a lock has expired', async () => {
			addMuPlugin(site, 'window', `add_filter('wp_check_post_lock_window', fn () => 15);`)
			const editor = await anna.open(editorOf(ids[2]))
			await until('the lock in the list', async () => (await shown(ours)) !== 'null', 8)
			await anna.context.setOffline(true) // its lock is neither renewed nor released
			await editor.close()
			await until('the lock to go', async () => (await shown(ours)) === 'null', 30)
			await anna.context.setOffline(false)
			addMuPlugin(site, 'window', '')
		})

		await t.test('cost PHP at most one beat in 80 seconds, while a post is opened every 20 seconds', async () => {
			const core = await viewers.admin.context.browser().newContext({ storageState: await viewers.admin.context.storageState() })
			await core.addCookies([{ name: 'live_client', value: 'core', url: site.url }])
			const cores = await core.newPage()
			await cores.goto(`${site.url}/wp-admin/edit.php`)
			await watch(cores)
			const list = await viewers.admin.open('/wp-admin/edit.php')
			await watch(list)
			await linked(list, 'websocket')
			await beat(list)
			await beat(cores)
			const [before, coresBefore] = [list.posted, cores.posted]
			const start = performance.now()
			const page = await anna.context.newPage()
			for (let i = 0; i < 4; i++) {
				await page.goto(`${site.url}${editorOf(ids[i % 3])}`, { waitUntil: 'commit' })
				await new Promise((done) => setTimeout(done, start + 10_000 + i * 20_000 - performance.now())) // the scene's pace
				await page.goto(`${site.url}/wp-admin/about.php`, { waitUntil: 'commit' })
				await new Promise((done) => setTimeout(done, start + 20_000 * (i + 1) - performance.now()))
			}
			const [oursCount, coresCount] = [list.posted - before, cores.posted - coresBefore]
			t.diagnostic(`beats to PHP in 80 s, core : ours = ${coresCount} : ${oursCount}`)
			assert.ok(oursCount <= 1, `${oursCount} beats to PHP`)
			assert.ok(coresCount >= 6)
			await core.close()
		})
	})
})
