// Pages return to their WebSockets after heartbeatd was down. Firefox delays new sockets to a host
// after some have failed, for all its windows: the pages must not cause that.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { onTransport, openDemo, seen } from './demo.mjs'
import { startChromium, startFirefox, startHeartbeatd } from './harness.mjs'

const OUTAGE = 25_000 // ms
// The longest pause between two attempts after this time, and a margin. In seconds.
const RECONNECT = 40

describe('outages', { concurrency: true }, () => {
	for (const [name, start] of Object.entries({ Chromium: startChromium, Firefox: startFirefox })) {
		test(`${name}: after an outage three windows return to their WebSockets`, async (t) => {
			const server = await startHeartbeatd(t)
			const browser = await start(t)
			const context = await browser.newContext()
			t.after(() => context.close())
			const pages = []
			for (const user of [1, 2, 3]) pages.push(await openDemo(t, browser, server, user, { context }))
			await server.stop('SIGKILL')
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
	}
})
