// heartbeatd is away for a while, behind a front that refuses some transports.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { onTransport, openDemo, seen } from '../browser/demo.mjs'
import { startChromium, startHeartbeatd } from '../browser/harness.mjs'
import { nginx, startProxy } from './fronts.mjs'

const AWAY = 65_000
// The longest pause between two attempts after such a time, and some more.
const BACK = 40

test('where all but the WebSocket is refused pages return to their sockets as soon as without it', async (t) => {
	const server = await startHeartbeatd(t)
	const browser = await startChromium(t)
	const pages = []
	for (const rules of ['', 'location = /heartbeat/open { return 403; }', 'location ~ ^/heartbeat/(open|events|poll|beat)$ { return 403; }']) {
		const front = await startProxy(t, server.url, nginx({ server: rules }))
		const page = await openDemo(t, browser, front, pages.length + 1)
		pages.push(page)
	}
	await server.stop('SIGTERM')
	await sleep(AWAY)
	await server.restart()
	const from = Date.now()
	await Promise.all(pages.map((page) => onTransport(page, 'websocket', BACK)))
	for (const page of pages) {
		const changes = (await seen(page, 'transport')).filter(({ at }) => at > from)
		t.diagnostic(`after ${changes.map(({ at, detail }) => `${at - from} ms: ${detail}`)}`)
		assert.deepEqual(changes.map(({ detail }) => detail), ['websocket'])
	}
})
