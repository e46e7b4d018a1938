// heartbeatd as the push transport of the Presence API plugin, when it cannot call WordPress, is
// killed or is restarted: within one TTL the table has what it would have without heartbeatd.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addMuPlugin, beat, until } from '../live/live.mjs'
import { withStandIn } from './standins/standins.mjs'
import { beatsSince, countRenewals, isHeld, openPage } from './transport.mjs'

// The lifetime of rows, in seconds. Rows are held until two thirds of it have passed since the
// last renewal. That plugin does not write a row again within 30 s, and a page beats once a minute.
const TTL = 100
const LATE = 6
// Within this time, in seconds, a page has a link again: the longest time between two of its tries.
const LINKED = 35

test('the push transport without WordPress or heartbeatd', { timeout: 900_000 }, async (t) => {
	await withStandIn(t, '0.18', async (parts) => {
		const { site, server, php, person, rows } = parts
		const renewals = countRenewals(parts)
		addMuPlugin(site, 'cut-off', `
add_filter('wp_presence_default_ttl', fn () => ${TTL});
add_filter('rest_pre_dispatch', fn ($result, $server, $request) => get_option('cut_off') && 0 === strpos($request->get_route(), '/heartbeatd/') ? new WP_Error('cut_off', 'Cut off', array('status' => 500)) : $result, 1, 3);`)
		const cut = (is) => php(`return update_option('cut_off', '${is ? 1 : 0}');`)
		const [otto, anna, mia] = [await person('admin'), await person('editor'), await person('author')]
		const pages = {}
		const open = async (who) => {
			pages[who.id] = await openPage(who, '/wp-admin/index.php')
			await until('the rows to be held', () => isHeld(pages[who.id]), 90)
		}
		const isThere = async (who) => (await rows(`client_id = 'user-${who.id}' AND expires_gmt > UTC_TIMESTAMP()`)).length > 0
		const goes = (who, seconds) => until('the row to go', async () => !(await isThere(who)), seconds)
		// stays looks at a row until something has happened, and so many seconds more.
		const stays = async (who, what, happens, seconds = 3) => {
			let since = Infinity
			await until(what, async () => {
				assert.ok(await isThere(who), 'the row is there all the time')
				if (since === Infinity && await happens()) since = Date.now()
				return Date.now() - since > 1000 * seconds
			}, TTL)
		}
		const isLinked = (page) => page.evaluate(() => window.wp.heartbeat.transport.name !== 'post')
		const isReleased = async (page, since) => !(await isHeld(page)) && beatsSince([page], since) > 0

		await t.test('cut off from WordPress, pages write and remove their rows', async () => {
			for (const who of [otto, anna, mia]) await open(who)
			cut(true)
			const start = Date.now()
			await pages[mia.id].close() // while heartbeatd holds the row
			await stays(otto, 'the page to write its row', () => isReleased(pages[otto.id], start))
			await until('the other page', () => isReleased(pages[anna.id], start), 30)
			await pages[anna.id].close()
			await goes(anna, LATE)
			await goes(mia, Math.max(1, TTL + LATE - (Date.now() - start) / 1000))
			for (const who of [anna, mia]) assert.equal(await isThere(who), false)
			cut(false)
			await stays(otto, 'the rows to be held again', () => isHeld(pages[otto.id]))
		})

		await t.test('killed, pages write and remove their rows', async () => {
			for (const who of [anna, mia]) await open(who)
			const start = Date.now()
			await server.stop('SIGKILL')
			await pages[mia.id].close()
			await stays(otto, 'the page to write its row', () => isReleased(pages[otto.id], start))
			await until('the other page', () => isReleased(pages[anna.id], start), 30)
			await pages[anna.id].close()
			await goes(anna, LATE)
			await goes(mia, Math.max(1, TTL + LATE - (Date.now() - start) / 1000))
			await server.restart()
			await stays(otto, 'the rows to be held again', () => isHeld(pages[otto.id]))
			const held = renewals().length
			await until('another renewal', () => renewals().length > held, TTL)
			for (const who of [anna, mia]) assert.equal(await isThere(who), false, 'no row comes back')
		})

		await t.test('restarted soon after it was killed, no row goes and none comes back', async () => {
			await open(anna)
			await server.stop('SIGKILL')
			await server.restart()
			for (const who of [otto, anna]) await until('a link', () => isLinked(pages[who.id]), LINKED)
			await server.stop('SIGTERM')
			await server.restart()
			const start = Date.now()
			for (const who of [otto, anna]) await stays(otto, 'a link', () => isLinked(pages[who.id]), 0)
			t.diagnostic(`linked after ${Date.now() - start} ms`)
			assert.ok(Date.now() - start < 1000 * LINKED)
			assert.ok(await isThere(anna))
			await until('the rows to be held', () => isHeld(pages[anna.id]), 60)
			await pages[anna.id].close()
			await goes(anna, 20)
		})

		await t.test('no page reports an error, and beats go on', async () => {
			assert.deepEqual(Object.values(pages).flatMap((page) => page.errors), [])
			await beat(pages[otto.id])
		})
	})
})
