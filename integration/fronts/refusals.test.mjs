// Fronts that refuse all requests of a page to heartbeatd: the page posts its beats, and rarely tries
// the transports.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { startChromium, startHeartbeatd, suite, until } from '../browser/harness.mjs'
import { nginx, startProxy } from './fronts.mjs'

const answering = (answer) => nginx({ server: `location ~ ^/heartbeat/(socket|open|events|poll|beat)$ { default_type text/html; ${answer} }` })

const FRONTS = {
	'a firewall': [403, answering('return 403;')],
	'a captcha': [200, answering("return 200 '<html>Are you human?';")],
	'a size limit': [413, nginx({ upgrade: false, location: 'client_max_body_size 10;' })],
}

// watch counts the requests of a page, by the last part of the address, and keeps its warnings
// and its hellos.
function watch(page, seen) {
	const count = (url) => {
		const name = new URL(url).pathname.match(/\/(socket|open|events|poll|beat|admin-ajax\.php)$/)?.[1]
		if (name) seen[name] = (seen[name] ?? 0) + 1
	}
	page.on('request', (request) => {
		count(request.url())
		if (request.url().includes('/heartbeat/open?')) seen.hellos.push(bodyOf(request))
	})
	page.on('websocket', (socket) => count(socket.url()))
	page.on('console', (message) => message.type() === 'warning' && seen.warnings.push(message.text()))
}

// bodyOf returns the body of a hello.
function bodyOf(request) {
	const fields = new URLSearchParams(request.postData())
	for (const name of ['ticket', 'conn', 'after', 'dates']) fields.delete(name)
	return String(fields)
}

describe('refused transports', () => {
	const shared = suite()
	let started
	const parts = () => (started ??= Promise.all([startHeartbeatd(shared), startChromium(shared)]))

	for (const [name, [status, front]] of Object.entries(FRONTS)) {
		test(`${name}: all pages of a browser together try each transport once in some minutes`, async (t) => {
			const [server, browser] = await parts()
			const { url } = await startProxy(t, server.url, front)
			const context = await browser.newContext()
			t.after(() => context.close())
			await context.clock.install()
			const seen = { warnings: [], hellos: [] }
			const open = async (seconds) => {
				const page = await context.newPage()
				watch(page, seen)
				await page.goto(`${url}/?user=1`)
				await until('both are given up', () => seen.warnings.length > 1)
				for (let second = 0; second < seconds; second++) await context.clock.runFor(1000)
			}
			await open(145)
			const posts = seen['admin-ajax.php']
			assert.ok(posts >= 8, `${posts} beats`)
			await open(60)
			assert.ok(seen['admin-ajax.php'] > posts + 3, 'the new page beats, too')
			// One hello with a body for each transport, and another one without. Before
			// its first beat a page says only whether its user is idle, and does not repeat the
			// hello. Which comes first, that beat or the hello for events, is a matter of chance.
			const first = seen.hellos.filter(Boolean)
			t.diagnostic(`hellos: ${first}`)
			assert.equal(first.length, 2)
			assert.deepEqual(seen.hellos, first.flatMap((body) => (body.includes('&') ? [body, ''] : [body])))
			assert.deepEqual({ ...seen, hellos: [], 'admin-ajax.php': 0 }, {
				socket: 1, open: seen.hellos.length, hellos: [], 'admin-ajax.php': 0,
				warnings: ['events', 'longpoll'].map((transport) => `heartbeatd: no ${transport} for 5 minutes: POST /open got an answer of another program, with status ${status}`),
			})
		})
	}
})
