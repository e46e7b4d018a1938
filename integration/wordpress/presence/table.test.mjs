// A page beside a Presence API plugin whose rows all expire after the same time: that plugin's
// row of the page goes when the page ends and does not come back, and rows that PHP writes stay. Version
// 0.1.14 has no actions: PHP recognizes changes by the statements.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { editorOf, linked, newPost, since, until } from '../live/live.mjs'
import { takeOver } from '../live/locks.mjs'
import { withStandIn } from './standins/standins.mjs'

// A change takes less than a second; the machine may be busy. Without a call it takes up to 20.
const SOON = 8
// An editor beats every ten seconds.
const TAKEN = 3
// Without that plugin's removal of the row, an entry stays for ten seconds after its page is closed.
// In the admin it stays for four, since the user may have opened another page.
const LEFT = { post: 5000, admin: 8000 }

// handles returns the handles of a page's next beat.
const handles = (page) => page.evaluate(() => new Promise((done) => {
	jQuery(document).one('heartbeat-send', (event, data) => setTimeout(() => done({ ...data })))
	wp.heartbeat.connectNow()
}))

test('rows of older versions of the Presence API plugin', { timeout: 600_000 }, async (t) => {
	await withStandIn(t, '0.15', async ({ person, php, ask, rows }) => {
		const anna = await person('editor')
		const otto = await person('admin')
		const watching = await otto.open('/wp-admin/index.php')
		await linked(watching, 'any')
		const me = `user-${anna.id}`
		const present = async (client) => (await rows()).some(({ client_id: id }) => id === client)
		const steady = async (what, client, is, seconds) => {
			const end = Date.now() + 1000 * seconds
			await until(what, async () => {
				assert.equal(await present(client), is, `${what}, ${Math.round((end - Date.now()) / 1000)} s before the end`)
				return Date.now() > end
			}, seconds + 30)
		}

		await t.test('a page that is closed does not come back', async () => {
			for (let i = 0; i < 3; i++) {
				const page = await anna.open('/wp-admin/about.php')
				await linked(page, 'any')
				await until('the row', () => present(me), 40)
				await new Promise((done) => setTimeout(done, 4000 * i)) // at another point of the interval
				await page.close()
				await until('the row to go', async () => !(await present(me)))
				await steady('a page that is closed', me, false, 35)
			}
		})

		await t.test('that plugin shows a newcomer and a move at once', async () => {
			const bar = (text) => until(text, async () => (await watching.locator('#wp-admin-bar-presence-online').innerText()).includes(text), SOON)
			const page = await anna.open('/wp-admin/about.php')
			await bar('Editor: (about)')
			await page.goto(`${anna.url}/wp-admin/index.php`)
			await bar('Editor: (dashboard)')
			await page.close()
		})

		await t.test('that plugin shows a new title, a take-over and a leave at once', async () => {
			const post = newPost(php, 'Before', anna.id)
			const widget = (text, is = true) => until(`${text}: ${is}`, async () => (await watching.locator('#presence-active-posts-list').innerText()).includes(text) === is, SOON)
			await Promise.all([anna, otto].map((one) => one.uses({ editor: 'classic' })))
			const page = await anna.open(editorOf(post))
			await linked(page, 'any')
			await widget('Before: Editor')
			await ask(`return wp_update_post(array('ID' => ${post}, 'post_title' => 'After'));`)
			await widget('After: Editor')

			const dialog = page.locator('#post-lock-dialog .currently-editing')
			await takeOver(otto, post)
			await until('the dialog', async () => (await dialog.innerText()).includes('admin'), TAKEN)

			const closed = since()
			await page.close()
			await widget('Editor', false)
			t.diagnostic(`left the post: ${closed()} ms`)
			assert.ok(closed() < LEFT.post, `${closed()} ms`)
			await until('the user to go from the admin bar', async () => !(await watching.locator('#wp-admin-bar-presence-online').innerText()).includes('Editor:'))
			t.diagnostic(`left the admin: ${closed()} ms`)
			assert.ok(closed() < LEFT.admin, `${closed()} ms`)
			await Promise.all(otto.context.pages().filter((one) => one !== watching).map((one) => one.close()))
		})

		await t.test('a row that PHP has removed and writes again stays', async () => {
			const set = () => php(`wp_set_presence('admin/online', 'session-x', array('screen' => 'x'), ${anna.id}); return 1;`)
			const inRoom = () => watching.evaluate(() => wp.heartbeat.room('admin/online').entries.some((entry) => entry.client_id === 'session-x'))
			set()
			await until('the row in the live room', inRoom, SOON)
			php(`wp_remove_presence('admin/online', 'session-x'); return 1;`)
			await until('the row to go from the live room', async () => !(await inRoom()), SOON)
			set()
			await steady('a row that PHP has written again', 'session-x', true, 45)
		})

		await t.test('a beat without that plugin\'s ping gets none', async () => {
			assert.ok('presence-ping' in await handles(watching))
			await watching.evaluate(() => jQuery(document).off('heartbeat-send.stand-in'))
			assert.deepEqual(Object.keys(await handles(watching)).filter((handle) => handle.startsWith('presence-')), [])
		})
	})
})

test('rows of a version without actions', { timeout: 300_000 }, async (t) => {
	await withStandIn(t, '0.1.14', async ({ person, php }) => {
		const [anna, otto] = [await person('editor'), await person('admin')]
		const watching = await otto.open('/wp-admin/index.php')
		await linked(watching, 'any')

		await t.test('that plugin shows a newcomer at once', async () => {
			const page = await anna.open('/wp-admin/about.php')
			await until('the newcomer', async () => (await watching.locator('#wp-admin-bar-presence-online').innerText()).includes('Editor: (about)'), SOON)
			await page.close()
		})

		await t.test('what PHP writes and removes is known at once', async () => {
			const isThere = () => watching.evaluate(() => wp.heartbeat.room('admin/online').entries.some((entry) => entry.client_id === 'session-x'))
			php(`wp_set_presence('admin/online', 'session-x', array('screen' => 'x'), ${anna.id}); return 1;`)
			await until('the row in the live room', isThere, SOON)
			php(`wp_remove_presence('admin/online', 'session-x'); return 1;`)
			await until('the row to go from the live room', async () => !(await isThere()), SOON)
		})
	})
})
