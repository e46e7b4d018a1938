// Firefox closes a page's sockets when a navigation starts, also if the page stays. The page must
// not open a new socket at once, and must not stop using WebSockets.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { beat, onTransport, openDemo, seen } from './demo.mjs'
import { startWebServer } from './front.mjs'
import { startChromium, startFirefox, startHeartbeatd, until } from './harness.mjs'

for (const [name, start] of Object.entries({ Chromium: startChromium, Firefox: startFirefox })) {
	describe(name, () => {
		test('a click on a slow page opens one socket', async (t) => {
			const { front, page } = await open(t, start)
			const before = front.sockets
			for (let i = 0; i < 3; i++) {
				await page.goto(`${front.url}/?user=1&slow=${i}`)
				await onTransport(page, 'websocket')
			}
			assert.equal(front.sockets - before, 3)
		})

		test('after downloads and empty answers the page uses its WebSocket again', async (t) => {
			const { front, page } = await open(t, start)
			const before = front.sockets
			for (const what of ['download', 'empty', 'download']) {
				const answered = front.answered
				await page.evaluate((query) => { location.href = `/?${query}` }, what)
				await until('the answer', () => front.answered > answered)
				await beat(page) // where there is no socket it is posted
				await onTransport(page, 'websocket')
			}
			const transports = (await seen(page, 'transport')).map(({ detail }) => detail)
			t.diagnostic(`${front.sockets - before} new sockets: ${transports}`)
			assert.ok(front.sockets - before <= 3)
			assert.deepEqual(transports.filter((name) => !['websocket', 'post'].includes(name)), [])
			assert.deepEqual((await seen(page)).filter(({ name }) => /error|lost/.test(name)), [])
		})
	})
}

test('Firefox: a page whose sockets are always closed with 1001 reads an event stream', async (t) => {
	const { front, page } = await open(t, startFirefox, { closeAfter: 1000 })
	await onTransport(page, 'events', 100)
	t.diagnostic(`after ${front.sockets} sockets`)
	assert.ok(front.sockets <= 8)
	assert.deepEqual((await seen(page)).filter(({ name }) => /error|lost/.test(name)), [])
})

async function open(t, start, options) {
	const server = await startHeartbeatd(t)
	const front = await startWebServer(t, server, options)
	const browser = await start(t)
	return { front, page: await openDemo(t, browser, front, 1) }
}
