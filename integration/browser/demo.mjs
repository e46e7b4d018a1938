// The demo page for tests: its transport, its events, and the users that it shows online.

import { until } from './harness.mjs'

const DEFAULTS = { websocket: ['websocket', 'events', 'longpoll'], events: ['events'], longpoll: ['longpoll'], post: [] }

// openDemo opens the demo page as that user, in a new context unless one is given, and waits until
// it uses the transport. transports are those that it may use; by default all for the WebSocket,
// else only the given one.
export async function openDemo(t, browser, server, user, { context, transport = 'websocket', transports = DEFAULTS[transport], query = '' } = {}) {
	if (!context) {
		context = await browser.newContext()
		t.after(() => context.close())
	}
	const page = await context.newPage()
	await page.addInitScript(record)
	await allowOnly(page, transports)
	await page.goto(`${server.url}/?user=${user}${query}`)
	await onTransport(page, transport)
	return page
}

// allowOnly sets the transports in the page's settings, before its first beat.
function allowOnly(page, transports) {
	return page.addInitScript((names) => {
		let settings
		Object.defineProperty(window, 'heartbeatSettings', {
			get: () => settings,
			set(value) {
				settings = value
				settings.heartbeatd.transports = names
			},
		})
	}, transports)
}

export function onTransport(page, transport, seconds) {
	return until(`${transport} in use`, () => page.evaluate((name) => window.wp?.heartbeat?.transport.name === name, transport), seconds)
}

// record stores every event of Heartbeat with its time in window.seen. It runs before the page's
// scripts, and listens before the first beat.
function record() {
	window.seen = []
	document.addEventListener('DOMContentLoaded', () => {
		const names = ['send', 'tick', 'error', 'connection-lost', 'connection-restored', 'nonces-expired', 'presence', 'push', 'transport']
		jQuery(document).on(names.map((name) => `heartbeat-${name}`).join(' '), (event, detail) => {
			const copy = event.type === 'heartbeat-error' ? null : JSON.parse(JSON.stringify(detail ?? null))
			window.seen.push({ name: event.type.replace('heartbeat-', ''), at: Date.now(), detail: copy })
		})
	})
}

// seen returns the page's events, or those of one name.
export async function seen(page, name) {
	const events = await page.evaluate(() => window.seen)
	return name ? events.filter((event) => event.name === name) : events
}

// changes returns the presence changes of one user in a room: [{change: joined|updated|left, at}].
export async function changes(page, user, room = 'admin/online') {
	const found = []
	for (const { at, detail } of await seen(page, 'presence')) {
		if (detail.room !== room) continue
		for (const change of ['joined', 'updated', 'left']) {
			for (const entry of detail[change] ?? []) if (entry.user_id === user) found.push({ change, at })
		}
	}
	return found
}

// online returns the ids of the users that the page shows as online.
export async function online(page) {
	const ids = await page.locator('#online li[data-user-id]').evaluateAll((items) => items.map((item) => Number(item.dataset.userId)))
	return ids.sort((a, b) => a - b)
}

export function shows(page, users) {
	return until(`${users} online`, async () => String(await online(page)) === String(users))
}

// beat makes the page beat, and waits for the tick.
export async function beat(page) {
	const before = (await seen(page, 'tick')).length
	await page.evaluate(() => wp.heartbeat.connectNow())
	await until('a tick', async () => (await seen(page, 'tick')).length > before)
}
