// Measures in Chromium how long a beat of the dashboard takes: from heartbeat-send to heartbeat-tick,
// with WordPress's client and with heartbeatd on each transport. All pages beat in turn.
//
//	node --test integration/load/browser.mjs
//
// HEARTBEATD_ROUNDS=10 measures ten beats of each page.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { beat, linked, withLive } from '../wordpress/live/live.mjs'

const ROUNDS = Number(process.env.HEARTBEATD_ROUNDS || 40)
const CLIENTS = { core: 'admin', websocket: 'admin', events: 'editor', longpoll: 'author' }

// timed has a page beat, and returns the milliseconds and whether PHP has answered.
const timed = (page) => page.evaluate(() => new Promise((done, fail) => {
	const events = jQuery(document)
	let begin = 0
	events.one('heartbeat-send', () => { begin = performance.now() })
	events.one('heartbeat-error', (event, jqXHR, status) => fail(new Error(`${status} ${jqXHR.status}`)))
	events.one('heartbeat-tick', (event, tick, status, jqXHR) => done([performance.now() - begin, jqXHR.getResponseHeader('X-Robots-Tag') !== null]))
	wp.heartbeat.connectNow()
}))

test('a beat in the browser', { timeout: 600_000 }, async (t) => {
	await withLive(t, async ({ person }) => {
		const pages = {}
		for (const [client, user] of Object.entries(CLIENTS)) {
			pages[client] = await (await person(user, { client })).open('/wp-admin/')
			if (client !== 'core') await linked(pages[client], client)
			await beat(pages[client]) // PHP answers the first one
			await beat(pages[client])
		}
		const times = Object.fromEntries(Object.keys(CLIENTS).map((client) => [client, []]))
		for (let round = 0; round < ROUNDS; round++) {
			for (const client of Object.keys(CLIENTS)) {
				const [ms, byPHP] = await timed(pages[client])
				assert.equal(byPHP, client === 'core', client)
				times[client].push(ms)
			}
		}
		for (const [client, list] of Object.entries(times)) {
			list.sort((a, b) => a - b)
			const [median, most] = [0.5, 0.9].map((part) => list[Math.floor(part * list.length)].toFixed(1))
			t.diagnostic(`${client}: median ${median} ms, nine of ten below ${most} ms`)
		}
	})
})
