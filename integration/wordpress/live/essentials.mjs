// Tests for every browser; they use only what all browser drivers support.

import assert from 'node:assert/strict'
import { TRANSPORTS, hasLink, linked, newEditor, since, until } from './live.mjs'

// everyTransport checks who answers beats over each transport, and that users see each other. by begins
// the names of the users.
export async function everyTransport({ site, php, person }, by = 'by') {
	const pages = {}
	for (const client of TRANSPORTS) {
		const { login } = newEditor(site, php, `${by}-${client}`)
		pages[client] = await (await person(login, { client })).open('/wp-admin/')
		await linked(pages[client], client)
		await answered(pages[client])
	}
	for (const [client, page] of Object.entries(pages)) {
		assert.equal((await answered(page)).byPHP, !hasLink(client), client)
		await until(`all users on the page over ${client}`, async () => {
			if (!hasLink(client)) await answered(page)
			return page.evaluate((names) => names.every((name) => document.querySelector('#heartbeatd-who').innerText.includes(name)), TRANSPORTS.map((name) => `${by}-${name}`))
		})
	}
	await Promise.all(Object.values(pages).map((page) => page.context().close()))
}

// withoutWebSocket checks that a page whose WebSocket is blocked long-polls, and returns to it later.
export async function withoutWebSocket({ person }) {
	const page = await (await person('editor')).open('/wp-admin/')
	await linked(page, 'websocket')
	await answered(page)
	const use = (names) => page.evaluate((list) => wp.heartbeat.transport.use(list), names)
	await use([])
	await page.evaluate(() => {
		window.RealWebSocket = window.WebSocket
		window.WebSocket = class {
			constructor() {
				throw new Error('blocked')
			}
		}
	})
	await use(['websocket', 'longpoll'])
	await linked(page, 'longpoll')
	assert.deepEqual(await answered(page), { byPHP: false, errors: 0 })
	await page.evaluate(() => { window.WebSocket = window.RealWebSocket })
	await use(['websocket', 'longpoll'])
	await linked(page, 'websocket')
	assert.deepEqual(await answered(page), { byPHP: false, errors: 0 })
	await page.context().close()
}

// fallBackAndReturn checks that beats go to PHP while heartbeatd is down, and over the link afterwards.
export async function fallBackAndReturn(t, { server, php, person }) {
	const pages = {}
	for (const client of ['websocket', 'events', 'longpoll']) {
		pages[client] = await (await person('editor', { client })).open('/wp-admin/')
		await linked(pages[client], client)
		await answered(pages[client])
	}
	await server.stop('SIGKILL')
	for (const [client, page] of Object.entries(pages)) {
		const { byPHP, errors } = await answered(page)
		assert.deepEqual([byPHP, errors], [true, 0], client)
	}
	await server.restart()
	const back = since()
	// PHP's calls have failed: without a reset every beat would go to PHP for half a minute.
	php(`update_option('heartbeatd_failures', array()); return 1;`)
	for (const [client, page] of Object.entries(pages)) {
		await linked(page, client)
		t.diagnostic(`over ${client} again after ${back()} ms`)
		const { errors } = await until(`beats over ${client} again`, async () => {
			const tick = await answered(page)
			return !tick.byPHP && tick
		})
		assert.equal(errors, 0, client)
		await page.context().close()
	}
}

// answered makes a page beat, and returns whether PHP answered: a tick over a link has no header
// of the web server. errors counts the errors since the page's first such beat.
const answered = (page) => page.evaluate(() => new Promise((done) => {
	if (window.errors === undefined) {
		window.errors = 0
		jQuery(document).on('heartbeat-error heartbeat-connection-lost', () => window.errors++)
	}
	jQuery(document).one('heartbeat-tick', (event, tick, status, jqXHR) => done({ byPHP: Boolean(jqXHR.getResponseHeader('X-Content-Type-Options')), errors: window.errors }))
	wp.heartbeat.connectNow()
}))
