// A site whose Content-Security-Policy allows only one of two transports.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { onTransport, openDemo, seen } from '../browser/demo.mjs'
import { startChromium, startHeartbeatd } from '../browser/harness.mjs'
import { nginx, startProxy } from './fronts.mjs'

// The policy allows the requests of the WebSocket or those of long-poll. Every policy allows
// admin-ajax.php, to which a page posts its beats.
const POLICIES = {
	websocket: ['connect-src ws://$http_host/heartbeat/socket http://$http_host/wp-admin/', { poll: 'TypeError', socket: 'open' }],
	longpoll: ['connect-src http://$http_host', { poll: 410, socket: 'failed' }],
}
const AWAY = 20_000
const BACK = 40

// tryBoth returns whether the policy allows the request and the socket of the two transports.
const tryBoth = (page) => page.evaluate(async () => {
	const from = performance.now()
	const poll = await fetch('/heartbeat/poll').then(({ status }) => status, ({ name }) => name)
	const socket = await new Promise((done) => {
		const one = new WebSocket(`ws://${location.host}/heartbeat/socket`, 'heartbeat.v1')
		one.onopen = () => done('open')
		one.onerror = () => done('failed')
	})
	return { poll, socket, ms: performance.now() - from }
})

describe('policies', { concurrency: true }, () => {
	for (const [transport, [policy, expected]] of Object.entries(POLICIES)) {
		test(`a page that may use only ${transport} does so at once, and again after an outage`, async (t) => {
			const server = await startHeartbeatd(t)
			const front = await startProxy(t, server.url, nginx({ server: `add_header Content-Security-Policy "${policy}";` }))
			const browser = await startChromium(t)
			const page = await openDemo(t, browser, front, 1, { transport, transports: ['websocket', 'longpoll'] })
			const [first] = await seen(page, 'transport')
			const after = first.at - await page.evaluate(() => performance.timeOrigin)
			const { ms, ...both } = await tryBoth(page)
			t.diagnostic(`open after ${Math.round(after)} ms, both tried in ${Math.round(ms)} ms`)
			assert.deepEqual(both, expected)
			assert.ok(after < 4000, 'sooner than an attempt that hangs would end')
			await server.stop('SIGKILL')
			await sleep(AWAY)
			await server.restart()
			const back = Date.now()
			await onTransport(page, transport, BACK)
			t.diagnostic(`back after ${Date.now() - back} ms`)
			assert.deepEqual((await seen(page, 'transport')).map(({ detail }) => detail), [transport, 'post', transport])
		})
	}
})
