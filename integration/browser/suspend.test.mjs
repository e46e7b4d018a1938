// A page without input for an hour, in a window in the background, is suspended and closes its
// link.

import { test } from 'node:test'
import { openDemo, onTransport } from './demo.mjs'
import { startChromium, startHeartbeatd, until } from './harness.mjs'

test('a suspended page closes its link, and opens it again when its user returns', async (t) => {
	const server = await startHeartbeatd(t)
	const browser = await startChromium(t)
	const context = await browser.newContext()
	t.after(() => context.close())
	await context.clock.install()
	const page = await openDemo(t, browser, server, 1, { context })
	await context.clock.runFor(31_000) // activity is listened for from the first check on
	await page.mouse.move(10, 10) // whoever never did anything counts as active
	await page.evaluate(() => { document.hasFocus = () => false }) // with it core's own client never sleeps for long
	await context.clock.runFor(60_000)
	await context.clock.fastForward('01:01:00')
	await context.clock.runFor(60_000)
	await onTransport(page, 'post')
	let x = 100
	await until('websocket in use again', async () => {
		await page.mouse.move(x += 20, 200)
		await context.clock.runFor(1_000)
		return page.evaluate(() => wp.heartbeat.transport.name === 'websocket')
	}, 30)
})
