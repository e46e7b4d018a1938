// A fake of heartbeatd and PHP that sends the answers of a test over real sockets and requests.
//
//	const fake = await startFake(t, { answer: (fields, via) => ({ tick: {…}, delay: 20 }) })
//
// `answer` is called for every beat, with its form fields, 'websocket', 'events', 'longpoll' or
// 'post', and the request of a POST. It returns a tick, or for a link `decline: true`, or nothing
// for no answer. For a POST it may set status, body, type.

import { createHash, randomBytes } from 'node:crypto'
import { html, startPages } from './browser.mjs'

const sha = (text) => createHash('sha256').update(text).digest('hex')
const SCRIPTS = ['/wp-includes/js/jquery/jquery.js', '/wp-includes/js/jquery/jquery-migrate.js', '/wp-includes/js/dist/hooks.js', '/client/dist/heartbeat.js']

// ticket makes a ticket without a signature: only the client reads it.
export function ticket({ nonce = 'n0', ...claims } = {}) {
	const iat = Math.floor(Date.now() / 1000)
	const all = { sub: '1', iat, exp: iat + 3600, fresh_until: iat + 3600, repeat_until: iat + 100, nonce: sha(nonce), native: ['n', 'presence-ping'], rooms: ['admin/online', 'postType/post:5'], ...claims }
	return `h.${Buffer.from(JSON.stringify(all)).toString('base64url')}.${randomBytes(6).toString('hex')}`
}

// settings returns the heartbeatSettings of an admin page.
export const settings = (rest, live) => ({
	nonce: 'n0', ajaxurl: '/wp-admin/admin-ajax.php', interval: 15, ...rest, heartbeatd: { url: '/heartbeat', ticket: ticket(), ...live },
})

// pageOf returns a page with these settings; `before` and `after` are scripts around the client.
export function pageOf(given = settings(), { scripts = SCRIPTS, before = '', after = '', head = '' } = {}) {
	const tag = (source) => `<script src="${source}"></script>`
	const client = scripts.length - 1
	return `<!doctype html><html><head>${head}${scripts.slice(0, client).map(tag).join('')}
<script>var pagenow = 'dashboard'; var heartbeatSettings = ${JSON.stringify(given)};
window.seen = [];
window.thrown = [];
addEventListener('error', (event) => thrown.push(event.message));
addEventListener('unhandledrejection', (event) => thrown.push('rejected: ' + event.reason));
${before}</script>${tag(scripts[client])}<script>
if (window.jQuery) jQuery(document).on('heartbeat-send heartbeat-tick heartbeat-error heartbeat-transport heartbeat-presence heartbeat-push heartbeat-connection-lost heartbeat-connection-restored heartbeat-nonces-expired',
	(event, detail) => seen.push({ name: event.type.slice(10), detail: event.type === 'heartbeat-error' ? detail.status : JSON.parse(JSON.stringify(detail === undefined ? null : detail)) }));
${after}</script></head><body></body></html>`
}

export async function startFake(t, { answer = () => ({ tick: {} }), page = pageOf(), pages = {}, maxBody = 1 << 20, hello = () => null } = {}) {
	const fake = { answer, hello, sessions: new Set(), posts: 0, beats: 0, hellos: [], frames: [] }
	const routes = {
		'/': (request, response) => html(typeof page === 'function' ? page() : page)(request, response),
		'/wp-admin/admin-ajax.php': (request, response) => post(fake, request, response),
		'/heartbeat/open': (request, response) => open(fake, maxBody, request, response),
		'/heartbeat/poll': (request, response) => poll(fake, request, response),
		'/heartbeat/events': (request, response) => stream(fake, request, response),
		'/heartbeat/beat': (request, response) => beat(fake, request, response),
		'/heartbeat/close': (request, response) => close(fake, request, response),
		...Object.fromEntries(Object.entries(pages).map(([path, text]) => [path, typeof text === 'function' ? text : html(text)])),
	}
	const { server, url } = await startPages(t, routes)
	// One request for each connection: a proxy in front knows which request it breaks.
	server.prependListener('request', (request, response) => void (response.shouldKeepAlive = false))
	server.on('upgrade', (request, socket) => accept(fake, maxBody, request, socket))
	// send sends these frames to every page with a link.
	fake.send = (...frames) => fake.sessions.forEach((session) => frames.forEach((frame) => session.send(frame)))
	fake.cut = () => fake.sessions.forEach((session) => session.cut())
	return Object.assign(fake, { url })
}

async function readBody(request) {
	const parts = []
	for await (const part of request) parts.push(part)
	return Buffer.concat(parts).toString()
}

const fieldsOf = (body) => Object.fromEntries(new URLSearchParams(body))
const later = (ms, call) => (ms ? setTimeout(call, ms) : call())

async function post(fake, request, response) {
	const body = await readBody(request)
	fake.posts++
	const answer = await fake.answer(fieldsOf(body), 'post', request)
	if (!answer) return
	const headers = { 'Content-Type': answer.type ?? 'application/json; charset=UTF-8', 'X-Heartbeatd-Ticket': answer.ticket ?? ticket(), ...answer.headers }
	later(answer.delay, () => response.writeHead(answer.status ?? 200, headers).end(answer.body ?? JSON.stringify(answer.tick)))
}

// receive is the server's side of a session.
async function receive(fake, session, frame, send) {
	fake.frames.push(frame)
	if (frame.type !== 'beat') return
	fake.beats++
	const answer = await fake.answer(fieldsOf(frame.body), session.via)
	if (!answer) return
	later(answer.delay, () => {
		if (answer.decline || answer.status) send({ type: 'decline', id: frame.id })
		else send({ type: 'tick', id: frame.id, status: 200, body: JSON.stringify(answer.tick) })
	})
}

function greet(fake, frame, maxBody, id) {
	fake.hellos.push(frame)
	return fake.hello(frame) ?? { type: 'welcome', session: id, cursor: 'e-1', resumed: false, max_body: maxBody }
}

function accept(fake, maxBody, request, socket) {
	const key = createHash('sha1').update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
	socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${key}\r\nSec-WebSocket-Protocol: heartbeat.v1\r\n\r\n`)
	const send = (frame) => socket.writable && socket.write(encode(JSON.stringify(frame)))
	const session = { via: 'websocket', send, cut: () => socket.destroy() }
	let buffer = Buffer.alloc(0)
	socket.on('error', () => {})
	socket.on('close', () => fake.sessions.delete(session))
	socket.on('data', (chunk) => {
		buffer = Buffer.concat([buffer, chunk])
		for (let next = decode(buffer); next; next = decode(buffer)) {
			buffer = buffer.subarray(next.length)
			if (next.opcode === 8) return void socket.end(Buffer.from([0x88, 0]))
			const frame = JSON.parse(next.text)
			if (frame.type !== 'hello') {
				receive(fake, session, frame, send)
				continue
			}
			const welcome = greet(fake, frame, maxBody, 's')
			send(welcome)
			if (welcome.type === 'welcome') fake.sessions.add(session)
		}
	})
}

function encode(text) {
	const body = Buffer.from(text)
	const head = body.length < 126 ? [0x81, body.length] : [0x81, 126, body.length >> 8, body.length & 255]
	return Buffer.concat([Buffer.from(head), body])
}

// decode removes one masked frame from the buffer, or returns null if it is incomplete.
function decode(buffer) {
	if (buffer.length < 2) return null
	let size = buffer[1] & 127
	let at = 2
	if (size === 126) {
		if (buffer.length < 4) return null
		size = buffer.readUInt16BE(2)
		at = 4
	}
	if (buffer.length < at + 4 + size) return null
	const mask = buffer.subarray(at, at + 4)
	const body = buffer.subarray(at + 4, at + 4 + size).map((byte, i) => byte ^ mask[i % 4])
	return { opcode: buffer[0] & 15, text: Buffer.from(body).toString(), length: at + 4 + size }
}

const reply = (response, status, value) => response.writeHead(status, { 'Content-Type': 'application/json' }).end(value && JSON.stringify(value))
// A probe has no session, and a WebSocket no id.
const opened = (fake, id) => [...fake.sessions].find((session) => id && session.id === id)
const find = (fake, request) => opened(fake, request.headers['heartbeat-session'])

// queryOf returns the query of a request.
const queryOf = (request) => new URL(request.url, 'http://x').searchParams
const idOf = (request) => Number(queryOf(request).get('id'))
const isForm = (request) => request.headers['content-type']?.startsWith('application/x-www-form-urlencoded')

async function open(fake, maxBody, request, response) {
	const { ticket, conn, after, ...body } = fieldsOf(await readBody(request))
	const hello = { type: 'hello', ticket, conn, after, body: String(new URLSearchParams(body)) }
	const welcome = { ...greet(fake, hello, maxBody, randomBytes(8).toString('hex')), id: idOf(request), poll_ms: 25000 }
	if (welcome.type !== 'welcome') return void reply(response, 403, welcome)
	const session = { via: 'longpoll', id: welcome.session, seq: 0, frames: [], wake() {} }
	session.send = (frame) => {
		session.frames.push({ seq: ++session.seq, frame })
		session.wake()
	}
	session.cut = () => {
		fake.sessions.delete(session)
		session.wake()
	}
	fake.sessions.add(session)
	reply(response, 200, welcome)
}

function poll(fake, request, response) {
	const session = find(fake, request)
	if (!session) return void reply(response, 410)
	const after = Number(queryOf(request).get('after'))
	session.frames = session.frames.filter(({ seq }) => seq > after)
	const done = () => {
		session.wake = () => {}
		reply(response, 200, { id: idOf(request), seq: session.seq, frames: session.frames.map(({ frame }) => frame) })
	}
	if (session.frames.length) return void done()
	session.wake = () => (fake.sessions.has(session) ? done() : reply(response, 410))
}

// stream writes the session's frames as events until it is closed.
function stream(fake, request, response) {
	const session = find(fake, request)
	if (!session) return void reply(response, 410)
	session.via = 'events'
	const write = () => session.frames.splice(0).forEach(({ seq, frame }) => response.write(`id:${seq}\ndata:${JSON.stringify(frame)}\n\n`))
	const alive = setInterval(() => response.write(':\n\n'), 10_000)
	response.on('close', () => clearInterval(alive))
	response.writeHead(200, { 'Content-Type': 'text/event-stream' }).write(`:${idOf(request)}\n\n`)
	session.wake = () => (fake.sessions.has(session) ? write() : response.destroy())
	write()
}

async function beat(fake, request, response) {
	const session = find(fake, request)
	const body = await readBody(request)
	if (!session) return void reply(response, 410)
	const frame = isForm(request) ? { type: queryOf(request).get('type'), id: idOf(request), body } : JSON.parse(body)
	if (frame.type === 'beat') receive(fake, session, frame, (answer) => reply(response, 200, answer))
	else {
		receive(fake, session, frame)
		response.writeHead(204).end()
	}
}

async function close(fake, request, response) {
	opened(fake, fieldsOf(await readBody(request)).session)?.cut()
	response.writeHead(204).end()
}
