// Pages with the drop-in in Chromium, and a server that plays heartbeatd and WordPress.

/* global seen */

import { before } from 'node:test'
import { pageOf, settings, startFake } from './fake.mjs'
import { startChromium, suite, until } from '../harness.mjs'

// entry returns an entry of a presence frame.
export const entry = (client_id, user_id = 2) => ({ client_id, user_id, display_name: 'Ann', avatar_url: '', data: {}, date_gmt: '2026-01-01 00:00:00' })

// events returns what the page has seen of an event.
export const events = (tab, name) => tab.evaluate((wanted) => seen.filter((event) => event.name === wanted).map((event) => event.detail), name)

// heard waits until the page has seen count events.
export const heard = (tab, name, count = 1) => until(`${count} ${name}`, async () => (await events(tab, name)).length >= count)

// beat enqueues data, beats, and returns the tick.
export async function beat(tab, data = {}) {
	const before = (await events(tab, 'tick')).length
	await tab.evaluate((all) => {
		for (const [handle, value] of Object.entries(all)) wp.heartbeat.enqueue(handle, value)
		wp.heartbeat.connectNow()
	}, data)
	await heard(tab, 'tick', before + 1)
	return (await events(tab, 'tick')).pop()
}

// via answers a beat with the transport that carried it.
export const via = (fields, name) => ({ tick: { via: name } })

// openPages starts Chromium for the tests of a suite, and returns the function that opens a
// page once its link is there.
export function openPages() {
	let browser
	const t = suite()
	before(async () => {
		browser = await startChromium(t)
	})
	return async function open(t, options = {}) {
		const fake = await startFake(t, { page: () => pageOf(settings({}, options.live), { after: options.after }), ...options })
		const context = await browser.newContext()
		t.after(() => context.close())
		const tab = await context.newPage()
		if (options.clock) await tab.clock.install()
		await tab.goto(fake.url)
		const name = options.live?.transports?.[0] ?? 'websocket'
		if (options.up !== false) await until(`the ${name}`, () => tab.evaluate((wanted) => wp.heartbeat.transport.name === wanted, name))
		return { fake, tab }
	}
}
