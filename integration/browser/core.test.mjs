// WordPress's own heartbeat.js, jQuery and hooks, unmodified, with heartbeatd's demo site: by POST,
// and over a WebSocket with dist/heartbeat-transport.js.

/* global events */

import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { demoUser, root, startChromium, startHeartbeatd, suite, until } from './harness.mjs'
import { wordpressFiles } from '../setup/wordpress.mjs'

const CORE = ['js/jquery/jquery.js', 'js/dist/hooks.js', 'js/heartbeat.js'].map((file) => `${wordpressFiles}/wp-includes/${file}`)
const TRANSPORT = `${root}client-js/dist/heartbeat-transport.js`

describe("core's own heartbeat.js", () => {
	let server, browser, settings
	const t = suite()
	before(async () => {
		server = await startHeartbeatd(t)
		browser = await startChromium(t)
		settings = await demoUser(server, 1)
	})

	test('beats by POST', async (t) => {
		const { page, posts, sockets } = await openPage(t, CORE)
		const seen = await until('three ticks', () => ticks(page, 3))
		for (const tick of seen) assertTick(tick)
		assert.ok(posts.length >= 3)
		assert.deepEqual(sockets, [])
		assert.deepEqual(await names(page), ['heartbeat-send', 'heartbeat-tick'])
	})

	test('beats over a WebSocket, without requests to admin-ajax.php', async (t) => {
		const { page, posts, frames } = await openPage(t, [...CORE, TRANSPORT])
		await until('the socket', () => page.evaluate(() => wp.heartbeat.transport.name === 'websocket'))
		const before = await page.evaluate(() => events.filter((event) => event.name === 'heartbeat-tick').length)
		const posted = posts.length
		const seen = await until('three more ticks', () => ticks(page, before + 3))
		for (const tick of seen) assertTick(tick)
		assert.equal(posts.length, posted, 'a beat was posted beside a good socket')
		assert.ok(frames.sent.filter((frame) => frame.type === 'beat').length >= 3)
		assert.ok(frames.received.filter((frame) => frame.type === 'tick').length >= 3)
		assert.deepEqual((await names(page)).filter((name) => /error|lost|expired/.test(name)), [])
	})

	test('gets a new nonce when its nonce has expired, and uses it', async (t) => {
		const { page } = await openPage(t, CORE, { nonce: 'abcdef0123' })
		await until('the tick after', () => ticks(page, 2))
		const seen = await page.evaluate(() => events.map((event) => event.name))
		assert.ok(seen.includes('heartbeat-nonces-expired'))
		const [first, second] = await ticks(page, 2)
		assert.equal(first.response.nonces_expired, true)
		assertTick(second)
	})

	// openPage opens a page of the demo site with the given scripts, which beats every second.
	async function openPage(t, scripts, changes = {}) {
		// A page that was not loaded from loopback may not open a socket to loopback.
		const context = await browser.newContext({ permissions: ['local-network-access'] })
		t.after(() => context.close())
		const [name, value] = settings.cookie.split(/=(.*)/s)
		await context.addCookies([{ name, value, url: server.url }])
		const page = await context.newPage()
		await page.route(`${server.url}/test-page`, (route) => route.fulfill({ contentType: 'text/html', body: html(scripts, { ...settings, interval: 1, ...changes }) }))
		await page.route(`${server.url}/test-script/*`, (route) => route.fulfill({ path: scripts[route.request().url().split('/').pop()] }))
		const posts = []
		page.on('request', (request) => request.url().includes('admin-ajax.php') && posts.push(request.postData()))
		const sockets = []
		const frames = { sent: [], received: [] }
		page.on('websocket', (socket) => {
			sockets.push(socket.url())
			socket.on('framesent', ({ payload }) => frames.sent.push(JSON.parse(payload)))
			socket.on('framereceived', ({ payload }) => frames.received.push(JSON.parse(payload)))
		})
		await page.goto(`${server.url}/test-page`)
		return { page, posts, sockets, frames }
	}
})

// html returns a page that loads the scripts in this order, as an admin page does.
function html(scripts, settings) {
	const [jquery, ...others] = scripts.map((path, index) => `<script src="/test-script/${index}"></script>`)
	return `<!doctype html><title>core</title>
		<script>window.heartbeatSettings = ${JSON.stringify(settings)}; window.events = []</script>
		${jquery}<script>(${record})()</script>${others.join('')}`
}

// record stores every event of Heartbeat, and enqueues the ping of an admin page.
function record() {
	const all = ['send', 'tick', 'error', 'connection-lost', 'connection-restored', 'nonces-expired']
	jQuery(document).on('heartbeat-send', (event, data) => {
		data['presence-ping'] = { screen: 'dashboard' }
	})
	jQuery(document).on(all.map((name) => `heartbeat-${name}`).join(' '), (event, response, textStatus, jqXHR) => {
		const entry = { name: event.type }
		if (event.type === 'heartbeat-tick') {
			Object.assign(entry, { response, textStatus, status: jqXHR.status, text: jqXHR.responseText, type: jqXHR.getResponseHeader('Content-Type') })
		}
		window.events.push(entry)
	})
}

async function ticks(page, count) {
	const seen = await page.evaluate(() => events.filter((event) => event.name === 'heartbeat-tick'))
	return seen.length >= count && seen
}

async function names(page) {
	return [...new Set(await page.evaluate(() => events.map((event) => event.name)))].sort()
}

function assertTick({ response, textStatus, status, text, type }) {
	assert.equal(status, 200)
	assert.equal(textStatus, 'success')
	assert.equal(type, 'application/json; charset=UTF-8')
	assert.deepEqual(JSON.parse(text), response)
	assert.equal(response['wp-auth-check'], true)
	assert.equal(typeof response.server_time, 'number')
	assert.deepEqual(response['presence-online'].map((entry) => entry.user_id), [1])
}
