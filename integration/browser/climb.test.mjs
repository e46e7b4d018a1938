// A page that long-polls because its WebSocket failed changes to a WebSocket later.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { beat, changes, onTransport, openDemo, seen, shows } from './demo.mjs'
import { startChromium, startHeartbeatd } from './harness.mjs'

test('a page changes from long-poll to a WebSocket that works again, and keeps it', async (t) => {
	const server = await startHeartbeatd(t)
	const browser = await startChromium(t)
	const context = await browser.newContext()
	t.after(() => context.close())
	const other = await openDemo(t, browser, server, 2, { context }) // from now on WebSockets are known to work
	await context.addInitScript(() => {
		const { WebSocket } = window
		window.WebSocket = function (...args) {
			if (!window.unblocked) throw new Error('blocked')
			return new WebSocket(...args)
		}
	})
	for (let i = 0; i < 3; i++) {
		const page = await openDemo(t, browser, server, 1, { context, transport: 'longpoll', transports: ['websocket', 'longpoll'] })
		await shows(other, [1, 2])
		const before = (await changes(other, 1)).length
		await page.evaluate(() => { window.unblocked = true })
		await onTransport(page, 'websocket', 20)
		await beat(page)
		await shows(page, [1, 2])
		const used = await seen(page, 'transport')
		assert.deepEqual(used.map(({ detail }) => detail).filter((name) => name !== 'post'), ['longpoll', 'websocket'])
		const [last, socket] = used.slice(-2)
		const without = last.detail === 'post' ? socket.at - last.at : 0
		t.diagnostic(`no link for ${without} ms`)
		assert.ok(without < 3000, `no link for ${without} ms`)
		assert.equal((await changes(other, 1)).slice(before).filter(({ change }) => change !== 'updated').length, 0, 'the person stays')
		await page.evaluate(() => sessionStorage.clear())
		await page.close()
	}
})
