// heartbeatd beside version 0.17 of the Presence API plugin, which has rows with an expiry and no
// hooks for push transports: each page writes its own screen with its beats.

import assert from 'node:assert/strict'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'node:test'
import { addMuPlugin, beat, newPost, until } from '../live/live.mjs'
import { claimsOf } from '../plugin.mjs'
import { withStandIn } from './standins/standins.mjs'
import { beatsSince, openPage, settled } from './transport.mjs'

const TOLD = 20

test('a version without hooks for push transports', { timeout: 600_000 }, async (t) => {
	await withStandIn(t, '0.17', async ({ site, php, ask, person, rows }) => {
		const [otto, anna, carl] = [await person('admin'), await person('editor'), await person('author')]
		const pages = [await openPage(otto, '/wp-admin/index.php'), await openPage(otto, '/wp-admin/about.php'), await openPage(anna, '/wp-admin/index.php')]
		const bar = (page) => page.evaluate(() => document.querySelector('#wp-admin-bar-presence-online').innerText)
		const beats = (since) => pages.map((page) => beatsSince([page], since))

		await t.test('a user with two screens makes no page beat beyond the schedule', async () => {
			await Promise.all(pages.map(beat))
			await settled('the beats', () => beats(0))
			const start = Date.now()
			await sleep(62_000)
			t.diagnostic(`beats in 62 s: ${beats(start)}`)
			assert.ok(beats(start).every((n) => n <= 2), `${beats(start)}`)
		})

		await t.test('a newcomer makes each visible page beat once', async () => {
			await Promise.all(pages.map(beat))
			await settled('the beats', () => beats(0))
			const start = Date.now()
			const page = await openPage(carl, '/wp-admin/index.php')
			await until('the newcomer', async () => (await bar(pages[0])).includes('Author:') && (await bar(pages.at(-1))).includes('Author:'), TOLD)
			await settled('the beats', () => beats(start))
			t.diagnostic(`beats: ${beats(start)}`)
			assert.ok(beatsSince(pages, start) <= pages.length + 1, `${beats(start)}`)
			await page.close()
		})

		await t.test('one of two tabs is closed: the other writes the row at once, and others do not see that it was gone', async () => {
			const log = `${site.dir}/wp-content/rows.log`
			writeFileSync(log, '')
			chmodSync(log, 0o666) // PHP runs as another user
			addMuPlugin(site, 'rows', `foreach (array('set_presence', 'removed_presence') as $name) add_action($name, function ($room, $client) use ($name) {
				if ('admin/online' === $room && 'user-${otto.id}' === $client) file_put_contents(WP_CONTENT_DIR . '/rows.log', round(1000 * microtime(true)) . " $name\\n", FILE_APPEND);
			}, 1, 2);`)
			await Promise.all(pages.map(beat))
			await settled('the beats', () => beats(0))
			await pages.at(-1).evaluate((name) => {
				const bar = document.querySelector('#wp-admin-bar-presence-online')
				const look = () => { window.missed = window.missed || !bar.innerText.includes(name) }
				new MutationObserver(look).observe(bar, { childList: true, subtree: true, characterData: true })
				look()
			}, 'admin:')
			// After changes in a row, pages are told of the next one later and later.
			for (let i = 0; i < 7; i++) {
				const before = beatsSince(pages, 0)
				await ask(`return wp_set_presence('admin/online', 'agent-${i}', array(), array('user_id' => 0));`)
				await until('the beats', () => beatsSince(pages, 0) > before, 20)
			}
			const start = Date.now()
			await pages.splice(1, 1)[0].close()
			const changes = () => readFileSync(log, 'utf8').split('\n').map((line) => line.split(' ')).filter(([at]) => at >= start)
			const gap = await until('the row to be removed and written', () => {
				const all = changes()
				const removed = all.findIndex(([, name]) => name === 'removed_presence')
				const written = all.find(([, name], i) => i > removed && name === 'set_presence')
				return removed >= 0 && written && { ms: written[0] - all[removed][0] }
			}, 20)
			t.diagnostic(`the row is missing for ${gap.ms} ms`)
			assert.ok(gap.ms < 1000, `missing for ${gap.ms} ms`)
			await settled('the beats', () => beats(0))
			assert.equal(await pages.at(-1).evaluate(() => window.missed), false)
			assert.equal((await rows(`client_id = 'user-${otto.id}'`)).length, 1)
			addMuPlugin(site, 'rows', '')
		})

		await t.test('only users who may see where others are get presence of the admin', async () => {
			const claim = async (page) => claimsOf(await page.evaluate(() => window.heartbeatSettings.heartbeatd.ticket)).no_locations
			const page = await openPage(carl, '/wp-admin/index.php')
			const room = (one) => one.evaluate(() => window.wp.heartbeat.room('admin/online').entries.length)
			await until('the entries of the admin', async () => await room(pages[0]) > 0)
			await beat(page)
			assert.deepEqual([await claim(pages[0]), await claim(page), await room(page)], [undefined, true, 0])
			await page.close()
		})

		await t.test('the new title of a post that somebody edits is reported', async () => {
			const [edited, other] = [newPost(php, 'Before', anna.id), newPost(php, 'Before', anna.id)]
			const reports = await ask(`
				wp_set_presence('postType/post:${edited}', 'editor-${anna.id}', array(), array('user_id' => ${anna.id}));
				heartbeatd_report_changed_rooms(); heartbeatd_flush();
				$told = array();
				add_filter('pre_http_request', function ($r, $args, $url) use (&$told) { if (strpos($url, '/presence/changed')) $told = array_merge($told, json_decode($args['body'], true)['rooms']); return $r; }, 10, 3);
				foreach (array(${edited}, ${other}) as $id) wp_update_post(array('ID' => $id, 'post_content' => 'x'));
				foreach (array(${edited}, ${other}) as $id) wp_update_post(array('ID' => $id, 'post_title' => 'After'));
				heartbeatd_report_changed_rooms(); heartbeatd_flush();
				wp_remove_presence('postType/post:${edited}', 'editor-${anna.id}');
				return $told;`)
			assert.deepEqual(reports.map(({ room, forced }) => [room, forced]), [[`postType/post:${edited}`, true]])
		})

		await t.test('a report has the removed rows of pages that the request has not written again', async () => {
			const [gone, back] = [`user-${anna.id}`, `user-${otto.id}`]
			const reports = await ask(`
				foreach (array('${gone}', '${back}', 'import') as $id) wp_set_presence('shop/orders', $id, array(), array('user_id' => 0));
				heartbeatd_report_changed_rooms(); heartbeatd_flush();
				$told = array();
				add_filter('pre_http_request', function ($r, $args, $url) use (&$told) { if (strpos($url, '/presence/changed')) $told = array_merge($told, json_decode($args['body'], true)['rooms']); return $r; }, 10, 3);
				foreach (array('${back}', '${gone}', 'import') as $id) wp_remove_presence('shop/orders', $id);
				wp_set_presence('shop/orders', '${back}', array(), array('user_id' => 0));
				heartbeatd_report_changed_rooms(); heartbeatd_flush();
				wp_remove_presence('shop/orders', '${back}');
				return $told;`)
			assert.deepEqual(reports.map(({ room, removed }) => [room, removed]), [['shop/orders', [gone]]])
		})

		await t.test('a command reports a removed row at once', async () => {
			const id = `user-${anna.id}`
			await ask(`wp_set_presence('shop/orders', '${id}', array(), array('user_id' => 0)); return 1;`)
			const reports = await ask(`
				$told = array();
				add_filter('pre_http_request', function ($r, $args, $url) use (&$told) { if (strpos($url, '/presence/changed')) $told = array_merge($told, json_decode($args['body'], true)['rooms']); return $r; }, 10, 3);
				wp_remove_presence('shop/orders', '${id}');
				return $told;`)
			assert.deepEqual(reports.map(({ room, removed }) => [room, removed]), [['shop/orders', [id]]])
		})

		await t.test('the removal of a user\'s rows reports each of the rooms', async () => {
			const post = newPost(php, 'Edited', anna.id)
			const rooms = await ask(`
				wp_set_presence('postType/post:${post}', 'editor-${anna.id}', array(), array('user_id' => ${anna.id}));
				wp_set_presence('shop/orders', 'agent-${anna.id}', array(), array('user_id' => ${anna.id}));
				wp_set_presence('shop/others', 'agent-${otto.id}', array(), array('user_id' => ${otto.id}));
				$told = array();
				add_filter('pre_http_request', function ($r, $args, $url) use (&$told) { if (strpos($url, '/presence/changed')) $told[] = array_column(json_decode($args['body'], true)['rooms'], 'room'); return $r; }, 10, 3);
				heartbeatd_report_changed_rooms(); heartbeatd_flush(); $told = array();
				wp_remove_user_presence(${anna.id});
				heartbeatd_report_changed_rooms(); heartbeatd_flush();
				return array_merge(...$told);`)
			assert.deepEqual([...new Set(rooms)].sort(), ['admin/online', `postType/post:${post}`, 'shop/orders'])
			assert.deepEqual((await rows(`user_id = ${anna.id} AND client_id LIKE '%-${anna.id}' AND room LIKE '%/%:%'`)), [])
		})
	})
})
