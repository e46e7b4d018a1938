// The recipes, each in its web server with heartbeatd behind it. `heartbeatd doctor` and a
// WebSocket check them.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { connect } from 'node:http2'
import { createConnection, createServer } from 'node:net'
import { createServer as createTLSServer } from 'node:tls'
import { once } from 'node:events'
import { describe, test } from 'node:test'
import { readFileSync } from 'node:fs'
import { createServer as createHTTPServer, request } from 'node:http'
import { pipeline } from 'node:stream'
import { promisify } from 'node:util'
import { binary, startHeartbeatd, until } from '../browser/harness.mjs'
import { doctor, secret } from '../fronts/doctor.mjs'
import { haproxy, makeCertificate, startProxy } from '../fronts/fronts.mjs'
import { freePort } from '../setup/services.mjs'
import { startSite } from './site.mjs'

const run = promisify(execFile)

async function start(t, kind, { flags = [], ...options } = {}) {
	const wordpress = await freePort()
	const server = await startHeartbeatd(t, {
		flags: ['--site-secret', secret, '--site-upstream', `http://127.0.0.1:${wordpress}`, '--trusted-proxy', '127.0.0.1/32', ...flags],
	})
	const site = await startSite(t, kind, { heartbeatd: server.url, wordpress, ...options })
	return { server, site }
}

function assertWell(report) {
	const ill = report.checks.filter(({ check, result }) => result !== 'ok' && check !== 'idle')
	assert.deepEqual(ill, [])
	assert.equal(report.checks.length, 17)
}

// handshake requests a WebSocket, and returns the answer and its connection.
async function handshake(url, { localAddress, headers } = {}) {
	const client = request(`${url}/heartbeat/socket`, {
		localAddress,
		headers: {
			Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Protocol': 'heartbeat.v1',
			'Sec-WebSocket-Key': Buffer.alloc(16, 7).toString('base64'), Origin: url, ...headers,
		},
	})
	client.end()
	const [answer, connection = answer] = await Promise.race([once(client, 'upgrade'), once(client, 'response')])
	return [answer, connection]
}

// socket opens a WebSocket, sends `say`, and returns the first frame that arrives.
async function socket(url, say) {
	const [answer, connection] = await handshake(url)
	assert.equal(answer.headers['sec-websocket-protocol'], 'heartbeat.v1')
	const text = Buffer.from(JSON.stringify(say))
	assert.ok(text.length > 125 && text.length < 65536)
	const head = Buffer.from([0x81, 0xfe, 0, 0, 0, 0, 0, 0]) // a text frame, masked with zeros
	head.writeUInt16BE(text.length, 2)
	connection.write(Buffer.concat([head, text]))
	let got = Buffer.alloc(0)
	for await (const bytes of connection) {
		got = Buffer.concat([got, bytes])
		const length = got[1] < 126 ? got[1] : got.readUInt16BE(2)
		const from = got[1] < 126 ? 2 : 4
		if (got.length >= from + length) return JSON.parse(got.subarray(from, from + length))
	}
	throw new Error('the socket ended without a frame')
}

// startHung starts a server that accepts connections, and answers nothing.
async function startHung(t) {
	const connections = []
	const hung = createServer((connection) => connections.push(connection.on('error', () => {}).resume())).listen(0, '127.0.0.1')
	await once(hung, 'listening')
	t.after(() => {
		for (const connection of connections) connection.destroy()
		hung.close()
	})
	return { heartbeatd: `http://127.0.0.1:${hung.address().port}`, connections }
}

async function ticket(nonce) {
	const { stdout } = await run(binary, ['ticket', '--site-secret', secret, '--user', '7', '--nonce', nonce])
	return stdout.trim()
}

// beat posts to admin-ajax.php as a client with a ticket.
async function beat(site, { signed, nonce = 'n', data = '' }) {
	const body = `data%5B${data || 'presence-editor-ping'}%5D%5Bpost_id%5D=1&interval=60&_nonce=${nonce}&action=heartbeat&screen_id=post&has_focus=true`
	const answer = await fetch(`${site.url}/wp-admin/admin-ajax.php`, {
		method: 'POST', body, headers: { 'Content-Type': 'application/x-www-form-urlencoded', ...(signed && { 'Heartbeat-Ticket': signed }) },
	})
	return { status: answer.status, body, tick: answer.ok ? await answer.json() : await answer.text() }
}

// Recipes that were changed, and what the doctor finds then.
const HELD = {
	nginx: {
		'no fault in event streams over HTTP/1.0': { edit: (text) => text.replaceAll('proxy_http_version 1.1', 'proxy_http_version 1.0'), events: 'ok', socket: 'warning' },
		'event streams that are held back': {
			edit: (text) => text.replace('location = /heartbeat/socket', `location = /heartbeat/events {
				proxy_pass http://127.0.0.1:8080;
				proxy_http_version 1.0;
				proxy_set_header Host $http_host;
				proxy_buffering on;
				proxy_ignore_headers X-Accel-Buffering;
			}
			location = /heartbeat/socket`), events: 'warning',
		},
	},
	apache: {
		'no fault in event streams without flushpackets': { edit: (text) => text.replace('flushpackets=on', 'flushpackets=off'), events: 'ok' },
	},
	caddy: {
		'event streams that are held back': {
			edit: (text) => text.replace('reverse_proxy 127.0.0.1:8080', 'reverse_proxy 127.0.0.1:8080 {\n\t\t\tbuffer_responses\n\t\t}'), events: 'warning', socket: 'failed',
		},
	},
	lighttpd: {
		'event streams without stream-response-body': { edit: (text) => text.replace(/server.stream-response-body.*/, ''), events: 'warning' },
		'WebSockets without the header upgrade': { edit: (text) => text.replace(/proxy.header.*/, ''), events: 'ok', socket: 'warning' },
	},
	haproxy: {
		'the PROXY protocol': { edit: (text) => text.replace(/server heartbeatd .*/, '$& send-proxy'), events: 'failed', socket: 'failed', name: 'proxy-protocol' },
	},
	varnish: {
		'WebSockets without pipe': { edit: (text) => text.replace('return (pipe)', 'return (pass)'), events: 'ok', socket: 'warning' },
	},
	modsecurity: {
		'rules of level 4': { edit: (text) => text.replace('^/heartbeat/', '^/elsewhere/'), level: 4, events: 'failed', name: 'firewall' },
	},
}

// IN_FRONT have a recipe for admin-ajax.php, too.
const IN_FRONT = ['nginx', 'apache', 'caddy']

// CLOSE_EARLY notice that a page has closed a request before they write to it.
const CLOSE_EARLY = ['nginx', 'caddy', 'haproxy']

for (const kind of Object.keys(HELD)) {
	describe(kind, () => {
		test('only /heartbeat/ is routed to heartbeatd, and no check of the doctor fails', async (t) => {
			const elsewhere = (site) => `http://localhost:${site.port}/heartbeat`
			const port = await freePort()
			const { server, site } = await start(t, kind, { flags: ['--site-origin', `http://127.0.0.1:${port}`], port })
			const whole = await doctor(server, site.url, { flags: ['--idle', '1s'] })
			assertWell(whole)
			assert.equal(whole.checks.at(-1).result, 'ok', 'silent connections last')
			assertWell(await doctor(server, `${site.url}/blog`)) // WordPress in a subdirectory
			assertWell(await doctor(server, site.url, { flags: ['--url', elsewhere(site)] })) // heartbeatd on another host name

			const welcome = await socket(site.url, { type: 'hello', conn: 'by-hand-1234', ticket: await ticket('n') })
			assert.equal(welcome.type, 'welcome')

			const page = await fetch(`${site.url}/hello-world/`)
			assert.match(await page.text(), /WordPress has no such page/)
			assert.equal((await beat(site, { signed: await ticket('n') })).tick.php, 'POST', 'PHP answers admin-ajax.php')

			await server.stop('SIGTERM')
			const report = await doctor(server, site.url)
			const found = Object.fromEntries(report.checks.map((check) => [check.check, check]))
			assert.equal(found.site.result, 'ok')
			assert.deepEqual([found.socket.name, found.api.name], ['server-down', 'server-down'])

			await server.restart()
			// lighttpd and Varnish do not connect to a server at once that has refused a connection.
			await until('the route to heartbeatd', async () => (await fetch(`${site.url}/heartbeat/poll`)).status !== 503)
			assertWell(await doctor(server, site.url))
		})

		// Varnish has no HTTPS.
		if (kind !== 'varnish') test('passes event streams on while they are written, over HTTP/2 too', async (t) => {
			const { server, site } = await start(t, kind, { http2: true })
			const session = connect(site.url, { ca: readFileSync(site.cert) })
			t.after(() => session.destroy())
			const stream = session.request({ ':path': '/heartbeat/events?test=1&id=7', 'accept-encoding': 'gzip, br' })
			const [headers] = await once(stream, 'response')
			assert.equal(session.alpnProtocol, 'h2')
			assert.equal(headers['content-encoding'], undefined)
			const started = Date.now()
			const [bytes] = await once(stream, 'data')
			assert.equal(String(bytes), ':7\n\n')
			assert.ok(Date.now() - started < 5000, 'heartbeatd ends it after 10 s')
			const report = await doctor(server, site.url, { env: { SSL_CERT_FILE: site.cert } })
			assertWell(report)
			const over = report.checks.find(({ check }) => check === 'http2').text
			assert.match(over, ['nginx', 'caddy'].includes(kind) ? /does not offer them/ : /over HTTP\/2 as well/)
		})

		// Caddy 2.6 decides by the first bytes that it reads whether it compresses.
		test('passes on at once what arrives together with the header of an event stream', async (t) => {
			const event = `:7\n\ndata:${'x'.repeat(2000)}\n\n`
			const upstream = createHTTPServer((_, response) => {
				response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store, no-transform', 'X-Accel-Buffering': 'no' })
				response.write(event)
			}).listen(0, '127.0.0.1')
			await once(upstream, 'listening')
			t.after(() => upstream.close().closeAllConnections())
			const site = await startSite(t, kind, { heartbeatd: `http://127.0.0.1:${upstream.address().port}`, wordpress: await freePort() })
			const response = await fetch(`${site.url}/heartbeat/events?after=0&id=7`, { headers: { 'Accept-Encoding': 'gzip' }, signal: AbortSignal.timeout(10_000) })
			assert.equal(response.headers.get('content-encoding'), null)
			let text = ''
			for await (const bytes of response.body.pipeThrough(new TextDecoderStream())) {
				text += bytes
				if (text.length >= event.length) break
			}
			assert.equal(text, event)
		})

		test('heartbeatd limits the pages of a visitor by their address, which they cannot choose', async (t) => {
			const { site } = await start(t, kind, { flags: ['--max-address-pages', '1'] })
			const connect = async (localAddress, forged) => {
				const [answer, connection] = await handshake(site.url, { localAddress, headers: forged && { 'X-Forwarded-For': forged } })
				t.after(() => connection.destroy())
				return answer.statusCode
			}
			assert.equal(await connect('127.0.0.2'), 101)
			assert.equal(await connect('127.0.0.2'), 429)
			assert.equal(await connect('127.0.0.2', '192.0.2.1'), 429)
			assert.equal(await connect('127.0.0.3'), 101)
		})

		for (const [how, { edit, level, events, socket = 'ok', name = 'streams-held-back' }] of Object.entries(HELD[kind])) {
			test(`the doctor finds ${how}`, async (t) => {
				const { server, site } = await start(t, kind, { edit, level })
				const found = Object.fromEntries((await doctor(server, site.url)).checks.map((check) => [check.check, check]))
				assert.deepEqual([found.events.result, found.socket.result], [events, socket])
				if (events !== 'ok') assert.equal(found.events.name, name)
			})
		}

		test('with plain permalinks', async (t) => {
			const { server, site } = await start(t, kind, { plain: true })
			assertWell(await doctor(server, site.url))
		})

		if (CLOSE_EARLY.includes(kind)) test('closes a poll to heartbeatd when the page closes it', async (t) => {
			const { heartbeatd, connections } = await startHung(t)
			const site = await startSite(t, kind, { heartbeatd, wordpress: await freePort() })
			const page = request(`${site.url}/heartbeat/poll`).on('error', () => {})
			page.end()
			await until('the poll', () => connections.length)
			page.destroy()
			await until('its end', () => connections.every((connection) => connection.readableEnded || connection.destroyed))
		})

		if (!IN_FRONT.includes(kind)) return

		test('in front of admin-ajax.php, with PHP to fall back to', async (t) => {
			const { server, site } = await start(t, kind, { front: true })
			assertWell(await doctor(server, site.url))
			const signed = await ticket('n')
			const native = await beat(site, { signed })
			assert.equal(native.tick.php, undefined, 'heartbeatd answers a native beat')
			assert.ok(native.tick.server_time > 0)

			// What PHP gets of a request that heartbeatd does not answer.
			const { host, address, https } = await (await fetch(`${site.url}/blog/wp-admin/admin-ajax.php?action=any`)).json()
			const reachesPHP = async (what, asked) => {
				const { status, tick, body } = await beat(site, asked)
				assert.equal(status, 200, what)
				assert.deepEqual(tick, { php: 'POST', body, host, address, https }, what)
			}
			await reachesPHP('a beat without a ticket', {})
			await reachesPHP('a beat for PHP', { signed, data: 'wp_autosave' })
			await reachesPHP('a beat with a bad ticket', { signed: 'bad' })
			assert.equal((await fetch(`${site.url}/wp-admin/admin-ajax.php`)).status, 400)

			await server.stop('SIGTERM')
			for (let i = 0; i < 3; i++) await reachesPHP('with heartbeatd stopped', { signed })
		})

		test('falls back to PHP when heartbeatd hangs', async (t) => {
			const { heartbeatd } = await startHung(t)
			const site = await startSite(t, kind, { heartbeatd, wordpress: await freePort(), front: true, impatient: true })
			if (kind !== 'nginx') assert.match(String((await beat(site, { signed: 'a ticket' })).status), /50[24]/, 'these have already forwarded the body')
			for (let i = 0; i < 2; i++) assert.equal((await beat(site, { signed: 'a ticket' })).tick.php, 'POST')
		})
	})
}

test('nginx as compose.yaml starts it routes only /heartbeat/ to heartbeatd', async (t) => {
	const { server, site } = await start(t, 'compose')
	assertWell(await doctor(server, site.url))
	assert.match(await (await fetch(`${site.url}/hello-world/`)).text(), /WordPress has no such page/)
	assert.equal((await beat(site, { signed: await ticket('n') })).tick.php, 'POST')
})

test('HAProxy passes WebSockets on to a web server with HTTP/2 only, with ws h1', async (t) => {
	const { server, site } = await start(t, 'nginx', { http2: true })
	for (const [ws, result] of [['', 'failed'], ['ws h1', 'ok']]) {
		const front = await startProxy(t, site.url, haproxy({ server: `ssl verify none alpn h2 ${ws}` }))
		const { checks } = await doctor(server, front.url)
		assert.equal(checks.find(({ check }) => check === 'socket').result, result)
	}
})

test('a program that only decrypts TLS needs nothing', async (t) => {
	const { server, site } = await start(t, 'nginx')
	makeCertificate(site.folder)
	const [cert, key] = ['cert', 'key'].map((name) => readFileSync(`${site.folder}/${name}.pem`))
	const tls = createTLSServer({ cert, key }, (outer) => {
		const inner = createConnection(site.port, '127.0.0.1')
		pipeline(outer, inner, outer, () => {})
	}).listen(0, '127.0.0.1')
	await once(tls, 'listening')
	t.after(() => tls.close())
	assertWell(await doctor(server, `https://127.0.0.1:${tls.address().port}`, { env: { SSL_CERT_FILE: `${site.folder}/cert.pem` } }))
})

test('ModSecurity at level 4 checks other paths, also those that begin with /heartbeat/', async (t) => {
	const { server, site } = await start(t, 'modsecurity', { level: 4 })
	assertWell(await doctor(server, site.url))
	const status = async (path) => { // fetch would shorten the path
		const asked = request({ host: '127.0.0.1', port: site.port, path: `${path}?q=<script>alert(1)</script>` }).end()
		const [answer] = await once(asked, 'response')
		return answer.resume().statusCode
	}
	assert.equal(await status('/heartbeat/poll'), 410)
	assert.equal(await status('/heartbeat/%2e%2e/hello-world/'), 403)
	assert.equal(await status('/heartbeat/poll/x'), 403)
})
