// heartbeatd is away for a while. Firefox delays new sockets to a host where some have
// failed, for all its windows: the pages must not make it do so.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { onTransport, openDemo, seen } from './demo.mjs'
import { startChromium, startFirefox, startHeartbeatd } from './harness.mjs'

const AWAY = 25_000
// The longest pause between two attempts after such a time, and some more.
const BACK = 40

describe('outages', { concurrency: true }, () => {
	for (const [name, start] of Object.entries({ Chromium: startChromium, Firefox: startFirefox })) {
		test(`${name}: after an outage three windows return to their sockets`, async (t) => {
			const server = await startHeartbeatd(t)
			const browser = await start(t)
			const context = await browser.newContext()
			t.after(() => context.close())
			const pages = []
			for (const user of [1, 2, 3]) pages.push(await openDemo(t, browser, server, user, { context }))
			await server.stop('SIGKILL')
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
	}
})
