// A page that nobody touches for an hour sleeps, and its link with it.

import { test } from 'node:test'
import { openDemo, onTransport } from './demo.mjs'
import { startChromium, startHeartbeatd } from './harness.mjs'

test('a suspended page closes its link, and opens it again on return', async (t) => {
	const server = await startHeartbeatd(t)
	const browser = await startChromium(t)
	const context = await browser.newContext()
	t.after(() => context.close())
	await context.clock.install()
	const page = await openDemo(t, browser, server, 1, { context })
	await context.clock.runFor(31_000) // activity is listened for from the first check on
	await page.mouse.move(10, 10) // whoever never did anything counts as active
	await context.clock.runFor(60_000)
	await context.clock.fastForward('01:01:00')
	await context.clock.runFor(60_000)
	await onTransport(page, 'post')
	await page.mouse.move(200, 200)
	await context.clock.runFor(5_000)
	await onTransport(page, 'websocket')
})
