// The client of the drop-in with two real links to heartbeatd, of which one replaces the other. It
// runs without a browser, so that a test can hold a request back.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createClient } from '../../../client-js/src/client.js'
import { API_KEY, demoUser, pusher, startHeartbeatd, until } from '../harness.mjs'

// Opens a page without a browser. It long-polls, because event streams fail until page.unblocked.
// The hello of the event stream is sent when page.released.
async function openPage(server) {
	const { heartbeatd } = await demoUser(server, 1)
	const page = { pushes: [], unblocked: false, held: false, released: false }
	const target = () => ({ addEventListener: () => {} })
	const storage = (entries) => {
		const all = new Map(entries)
		return { getItem: (key) => all.get(key) ?? null, setItem: (key, value) => all.set(key, value), removeItem: (key) => all.delete(key) }
	}
	const win = {
		...target(), clearTimeout, crypto, performance, AbortController, TextDecoder, Response, Event, console,
		setTimeout: (callback, ms) => setTimeout(callback, ms).unref(),
		navigator: {},
		location: { href: `${server.url}/` },
		document: { ...target(), visibilityState: 'visible', getElementsByTagName: () => [], createElement: () => new EventTarget() },
		sessionStorage: storage(),
		localStorage: storage([['heartbeatd-known', '{"events":1,"longpoll":1}']]), // both have worked before
		heartbeatSettings: { heartbeatd: { ...heartbeatd, transports: ['events', 'longpoll'] } },
		async fetch(path, options) {
			if (path.includes('/events?') && !page.unblocked) throw new TypeError('blocked')
			if (path.includes('/open?') && page.unblocked) {
				page.held = true
				await until('the hello is sent', () => page.released)
			}
			return fetch(new URL(path, server.url), options)
		},
	}
	const emit = (name, [detail]) => name === 'push' && page.pushes.push(detail.data)
	page.client = createClient({ win, $: { param: () => '' }, emit, connectNow: () => {}, beatEarly: () => {} })
	page.client.start()
	page.uses = (name) => until(name, () => page.client.extras.transport.name === name, 30)
	return page
}

test('what is pushed while one link replaces another is shown once, and none is lost', async (t) => {
	const server = await startHeartbeatd(t, { flags: ['--api-key', API_KEY] })
	const page = await openPage(server)
	t.after(() => page.client.suspended(true))
	await page.uses('longpoll')
	const push = pusher(server)
	const shown = () => until(`push ${push.last}`, () => page.pushes.includes(push.last))
	await push()
	await shown()
	page.unblocked = true
	await until('the hello of the event stream', () => page.held, 60)
	for (let i = 0; i < 3; i++) await push()
	await shown() // over long-poll; the hello has the cursor of the first
	page.released = true
	await until('the event stream', async () => {
		await push()
		return page.client.extras.transport.name === 'events'
	}, 60)
	for (let i = 0; i < 3; i++) await push()
	await shown()
	assert.deepEqual(page.pushes, Array.from({ length: push.last }, (empty, i) => i + 1))
})
