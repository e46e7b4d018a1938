// A page that long-polls because its WebSocket failed changes to a WebSocket later. It shows what is
// pushed meanwhile once.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { beat, changes, onTransport, openDemo, seen, shows } from './demo.mjs'
import { API_KEY, pusher, startChromium, startHeartbeatd, until } from './harness.mjs'

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

// WebSockets fail until window.unblocked. The next one sends its hello when window.released.
function holdHello() {
	const { WebSocket } = window
	window.WebSocket = class extends WebSocket {
		constructor(...args) {
			if (!window.unblocked) throw new Error('blocked')
			super(...args)
		}
		send(text) {
			if (window.held) return super.send(text)
			window.held = setInterval(() => {
				if (!window.released) return
				clearInterval(window.held)
				super.send(text)
			}, 10)
		}
	}
}

// These wait most of the time.
describe('pushes during a change', { concurrency: true }, () => {
	for (const transport of ['events', 'longpoll']) {
		test(`what is pushed while a WebSocket replaces ${transport} is shown once`, async (t) => {
			const server = await startHeartbeatd(t, { flags: ['--api-key', API_KEY] })
			const browser = await startChromium(t)
			const context = await browser.newContext()
			t.after(() => context.close())
			await openDemo(t, browser, server, 2, { context }) // from now on WebSockets are known to work
			await context.addInitScript(holdHello)
			const page = await openDemo(t, browser, server, 1, { context, transport, transports: ['websocket', transport] })
			const push = pusher(server)
			const pushed = async () => (await seen(page, 'push')).map(({ detail }) => detail.data)
			const pushes = (count) => until(`push ${count}`, async () => (await pushed()).includes(count))
			await push()
			await pushes(1)
			await page.evaluate(() => { window.unblocked = true })
			await until('the hello', () => page.evaluate(() => Boolean(window.held)), 90)
			await push()
			await push()
			await pushes(3) // on the old link; the hello has the cursor of the first
			await page.evaluate(() => { window.released = true })
			await until('the WebSocket', async () => {
				await push()
				return page.evaluate(() => wp.heartbeat.transport.name === 'websocket')
			}, 60)
			await push()
			await pushes(push.last)
			assert.deepEqual(await pushed(), Array.from({ length: push.last }, (empty, i) => i + 1))
		})
	}
})
