// heartbeatd as the push transport of the Presence API plugin: it holds the rows of pages without
// beats beyond the schedule, tells pages of changes, and leaves no row behind. idle-minutes.mjs
// shows the same for ten minutes.

import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'node:test'
import { beat, editorOf, newEditor, newPost, until } from '../live/live.mjs'
import { withStandIn } from './standins/standins.mjs'
import { beatsSince, countRenewals, isHeld, openPage, settled, stateOf } from './transport.mjs'

// A dashboard beats a minute after its last beat. What arrives within this time, in seconds, was
// pushed.
const TOLD = 20
// Pages that are closed may come back within this time.
const GRACE = 10_000
// Core lets a released lock expire after five seconds, and one that is not released after 150.
const RELEASED = 30

test('the push transport', { timeout: 800_000 }, async (t) => {
	await withStandIn(t, '0.18', async (parts) => {
		const { site, server, php, ask, person, rows } = parts
		const renewals = countRenewals(parts)
		newEditor(site, php, 'mia')
		const [otto, anna, mia] = [await person('admin'), await person('editor'), await person('mia')]
		// An administrator with two screens: both show in one row.
		const pages = [await openPage(otto, '/wp-admin/index.php'), await openPage(otto, '/wp-admin/about.php'), await openPage(anna, '/wp-admin/index.php')]
		const row = async (client) => (await rows(`client_id = '${client}'`))[0]
		const post = newPost(php, 'Of an agent', anna.id)
		// Then no page beats as scheduled for a minute.
		const beatNow = async () => {
			await Promise.all(pages.map(beat))
			await settled('the beats', () => beatsSince(pages, 0))
		}
		const bar = (page) => page.evaluate(() => document.querySelector('#wp-admin-bar-presence-online').innerText)
		// heartbeatd may not write or remove these rows. Reserved ones it may not even read.
		await ask(`
			foreach (array('admin/online' => 'import-1', 'postType/post:${post}' => 'agent-9') as $room => $id) wp_set_presence($room, $id, array('at' => '1 < 2'), array('user_id' => 0, 'expires_in' => 3600));
			return stand_in_put_row('postType/post:${post}', '_collab', 0, '{"count":2}', time(), time() + 3600);`)
		const others = () => rows(`client_id IN ('import-1', 'agent-9', '_collab')`)
		const before = await others()

		await t.test('heartbeatd holds the rows of all pages', async () => {
			for (const page of pages) await until('the rows to be held', () => isHeld(page), 30)
		})

		await t.test('idle pages beat as scheduled, and their rows do not change', async () => {
			await settled('the rows and the beats', async () => [await stateOf(rows), beatsSince(pages, 0)], 60)
			const [state, start, calls] = [await stateOf(rows), Date.now(), renewals().length]
			await sleep(65_000)
			const beats = pages.map((page) => beatsSince([page], start))
			t.diagnostic(`in 65 s: beats ${beats}, renewals ${renewals().length - calls}`)
			assert.ok(beats.every((n) => n <= 2), `beats: ${beats}`)
			assert.ok(renewals().length - calls <= 2, `${renewals().length - calls} renewals`)
			await until('a renewal', () => renewals().length > calls)
			assert.equal(await stateOf(rows), state)
			const age = async () => Date.now() - Date.parse(`${(await row(`user-${otto.id}`)).date_gmt}Z`)
			await until('the row of an idle user to be old', async () => await age() > 75_000, 70)
			assert.ok(Date.parse(`${(await row(`user-${otto.id}`)).expires_gmt}Z`) > Date.now() + 60_000, 'but it does not expire')
		})

		await t.test('a newcomer is shown at once, with one beat of each visible page', async () => {
			await beatNow()
			const start = Date.now()
			const page = await openPage(mia, '/wp-admin/index.php')
			await until('the newcomer', async () => (await bar(pages[0])).includes('mia') && (await bar(pages[2])).includes('mia'), TOLD)
			await settled('the beats', () => beatsSince([...pages, page], start))
			const beats = beatsSince([...pages, page], start)
			t.diagnostic(`beats: ${beats}`)
			// Mia's page beats when it is ready, and once more because of the push.
			assert.ok(beats <= pages.length + 3, `${beats} beats`)
			assert.ok(beatsSince(pages, start) <= pages.length + 1, `${beatsSince(pages, start)} beats of the others`)
		})

		await t.test('one of two tabs is closed: the row stays, and shows the other', async () => {
			await pages.pop().close()
			const closed = Date.now()
			const [first, second] = [await openPage(anna, '/wp-admin/index.php'), await openPage(anna, '/wp-admin/about.php')]
			await until('the second screen', async () => JSON.parse((await row(`user-${anna.id}`)).data).screen === 'about')
			await second.close()
			await until('the first screen', async () => JSON.parse((await row(`user-${anna.id}`)).data).screen === 'dashboard', GRACE / 1000 + 10)
			while (Date.now() - closed < GRACE + 5000) {
				assert.ok(await row(`user-${anna.id}`), 'the row stays')
				await sleep(500)
			}
			pages.push(first)
		})

		await t.test('the last page is closed: the row goes after the grace period, and stays away', async () => {
			await beatNow()
			await pages.pop().close()
			const closed = Date.now()
			await until('the row to go', async () => !(await row(`user-${anna.id}`)), GRACE / 1000 + 10)
			t.diagnostic(`the row is gone after ${Date.now() - closed} ms`)
			const gone = Date.now()
			await until('others to see it', async () => !(await bar(pages[0])).includes('Editor:'), TOLD)
			while (Date.now() - gone < 15_000) {
				assert.ok(!(await row(`user-${anna.id}`)), 'the row does not come back')
				await sleep(500)
			}
		})

		for (const editor of ['block', 'classic']) {
			await t.test(`a ${editor} editor that is closed releases its lock`, async () => {
				const isLocked = () => ask(`require_once ABSPATH . 'wp-admin/includes/post.php'; wp_set_current_user(${otto.id}); return (bool) wp_check_post_lock(${post});`)
				await mia.uses({ editor })
				const page = await openPage(mia, editorOf(post))
				await beat(page)
				assert.equal(await isLocked(), true)
				await page.close()
				const closed = Date.now()
				await until('the lock to go', async () => !(await isLocked()), RELEASED)
				t.diagnostic(`the lock is gone after ${Date.now() - closed} ms`)
			})
		}

		await t.test('without heartbeatd pages write their rows, and stop when it is back', async () => {
			const killed = Date.now()
			await server.stop('SIGKILL')
			await until('pages to write their rows', async () => !(await isHeld(pages[0])) && beatsSince(pages, killed) > 0, 40)
			assert.ok(await row(`user-${otto.id}`))
			await server.restart()
			for (const page of pages) await until('the rows to be held again', () => isHeld(page), 90)
		})

		await t.test('other rows are as they were, and no page reports an error', async () => {
			assert.equal(before.length, 3)
			assert.deepEqual(await others(), before)
			assert.deepEqual(pages.flatMap((page) => page.errors), [])
		})
	})
})
