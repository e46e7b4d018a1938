// Pages behind a front that refuses some transports return to their WebSockets after heartbeatd was
// down.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { onTransport, openDemo, seen } from '../browser/demo.mjs'
import { startChromium, startHeartbeatd, until } from '../browser/harness.mjs'
import { nginx, startProxy } from './fronts.mjs'

// A page that loses a younger link waits longer, if the front refuses the other transports.
const PROVEN = 11_000 // ms
const OUTAGE = 65_000 // ms
// The longest pause between two attempts after this time, and a margin. In seconds.
const RECONNECT = 40

test('pages return to their WebSockets after an outage, also if the front refuses other transports', async (t) => {
	const server = await startHeartbeatd(t)
	const browser = await startChromium(t)
	const pages = []
	for (const rules of ['', 'location = /heartbeat/open { return 403; }', 'location ~ ^/heartbeat/(open|events|poll|beat)$ { return 403; }']) {
		const front = await startProxy(t, server.url, nginx({ server: rules }))
		const page = await openDemo(t, browser, front, pages.length + 1)
		pages.push(page)
	}
	const opened = Date.now()
	await until('links that have lasted', () => Date.now() - opened > PROVEN)
	await server.stop('SIGTERM')
	await sleep(OUTAGE)
	await server.restart()
	const from = Date.now()
	await Promise.all(pages.map((page) => onTransport(page, 'websocket', RECONNECT)))
	for (const page of pages) {
		const changes = (await seen(page, 'transport')).filter(({ at }) => at > from)
		t.diagnostic(`after ${changes.map(({ at, detail }) => `${at - from} ms: ${detail}`)}`)
		assert.deepEqual(changes.map(({ detail }) => detail), ['websocket'])
	}
})
