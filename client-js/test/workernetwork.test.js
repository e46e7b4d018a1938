import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { resolveObjectURL } from 'node:buffer'
import { runInNewContext } from 'node:vm'
import { after, before, beforeEach, test } from 'node:test'
import { findNetwork } from '../src/workernetwork.js'

let server
let sockets
let closed // the requests that were aborted
let ports

before(async () => {
	server = createServer((request, response) => {
		response.on('close', () => response.writableFinished || closed.push(request.url))
		if (request.url === '/empty') return response.writeHead(204, { 'X-Name': 'value' }).end()
		response.write('one ')
		if (request.url === '/echo') request.pipe(response)
	})
	await new Promise((done) => server.listen(0, '127.0.0.1', done))
})
after(() => {
	server.closeAllConnections()
	server.close()
})

class FakeSocket {
	constructor(url, protocol) {
		Object.assign(this, { url, protocol, sent: [] })
		sockets.push(this)
	}
	send(text) {
		this.sent.push(text)
	}
	close() {
		this.sent.push('closed')
	}
}

// Runs a worker's script as a browser would, in this thread.
class FakeSharedWorker {
	constructor(url) {
		const { port1, port2 } = new MessageChannel()
		this.port = port1
		ports.push(port1, port2)
		const self = {}
		resolveObjectURL(url).text().then((script) => {
			runInNewContext(script, { self, WebSocket: FakeSocket, fetch, AbortController })
			self.onconnect({ ports: [port2] })
		})
	}
}

// Node drops what was sent just before a port is closed. Browsers deliver it.
function SlowlyClosingChannel() {
	const { port1, port2 } = new MessageChannel()
	const close = port1.close.bind(port1)
	port1.close = () => setImmediate(close)
	return { port1, port2 }
}

const newWindow = (changes) => ({
	mozInnerScreenX: 0,
	location: { href: `http://127.0.0.1:${server.address().port}/` },
	fetch: async () => ({}), // the page is in the cache
	setTimeout: (callback, delay) => setTimeout(callback, delay).unref(),
	clearTimeout,
	SharedWorker: FakeSharedWorker,
	MessageChannel: SlowlyClosingChannel,
	Blob, ReadableStream, Response, TypeError, URL,
	...changes,
})
const networkOf = (win) => new Promise((resolve) => findNetwork(win, resolve))

beforeEach((t) => {
	sockets = []
	closed = []
	ports = []
	t.after?.(() => ports.forEach((port) => port.close()))
})

test('another browser than Firefox uses the window, at once', () => {
	const win = newWindow()
	delete win.mozInnerScreenX
	let network
	findNetwork(win, (found) => (network = found))
	assert.equal(network, win)
})

test('so does a page that Firefox does not cache', async () => {
	const win = newWindow({ fetch: () => Promise.reject(new TypeError()) })
	assert.equal(await networkOf(win), win)
})

const FAILURES = {
	'the browser forbids workers': { SharedWorker: class { constructor() { throw new Error() } } },
	'the policy forbids the script': { SharedWorker: class { constructor() { setTimeout(() => this.onerror()) } port = {} } },
	'the worker does not answer': { SharedWorker: class { port = {} }, setTimeout: (callback) => setTimeout(callback) },
}
for (const [what, changes] of Object.entries(FAILURES)) {
	test(`there is no network where ${what}`, async () => assert.equal(await networkOf(newWindow(changes)), null))
}

test('a request sends its body, and its response arrives in parts', async () => {
	const { fetch } = await networkOf(newWindow())
	const { signal } = new AbortController()
	const response = await fetch('/echo', { method: 'POST', body: 'two', signal })
	assert.equal(response.status, 200)
	assert.equal(await response.text(), 'one two')
	const empty = await fetch('/empty', { method: 'GET', signal })
	assert.deepEqual([empty.status, empty.headers.get('X-Name'), await empty.text()], [204, 'value', ''])
})

test('a request that is aborted ends, on both sides', async () => {
	const { fetch } = await networkOf(newWindow())
	const aborter = new AbortController()
	const { signal } = aborter
	const response = await fetch('/stream', { method: 'GET', signal })
	const reader = response.body.getReader()
	assert.equal(String.fromCharCode(...(await reader.read()).value), 'one ')
	const next = reader.read()
	aborter.abort()
	await assert.rejects(next, TypeError)
	while (!closed.length) await new Promise(setImmediate)
	await assert.rejects(fetch('/stream', { method: 'GET', signal }), TypeError)
	assert.deepEqual(closed, ['/stream'])
})

test('a request that fails is rejected', async () => {
	const { fetch } = await networkOf(newWindow({ location: { href: 'http://127.0.0.1:1/' } }))
	await assert.rejects(fetch('/', { method: 'GET', signal: new AbortController().signal }), TypeError)
})

test('a socket sends and receives', async () => {
	const { WebSocket } = await networkOf(newWindow())
	const socket = new WebSocket('wss://site.example/socket', 'heartbeat.v1')
	const next = (type) => new Promise((resolve) => (socket[`on${type}`] = resolve))
	while (!sockets.length) await new Promise(setImmediate)
	const [inner] = sockets
	assert.deepEqual([inner.url, inner.protocol], ['wss://site.example/socket', 'heartbeat.v1'])
	const opened = next('open')
	inner.onopen({})
	await opened
	assert.equal(socket.readyState, 1)
	const message = next('message')
	inner.onmessage({ data: 'text' })
	assert.equal((await message).data, 'text')
	socket.send('more')
	while (!inner.sent.length) await new Promise(setImmediate)
	const close = next('close')
	inner.onclose({ code: 1000, wasClean: true })
	assert.deepEqual({ ...(await close) }, { data: undefined, code: 1000, wasClean: true })
	assert.equal(socket.readyState, 3)
	assert.deepEqual(inner.sent, ['more'])
})

test('a socket that the page closes is closed', async () => {
	const { WebSocket } = await networkOf(newWindow())
	new WebSocket('wss://site.example/socket', 'heartbeat.v1').close()
	while (!sockets[0]?.sent.length) await new Promise(setImmediate)
	assert.deepEqual(sockets[0].sent, ['closed'])
})

test('what is opened when the worker has ended is opened in a new one', async (t) => {
	t.mock.timers.enable({ apis: ['setTimeout'] })
	const { WebSocket, fetch } = await networkOf(newWindow({ setTimeout }))
	const [, worker] = ports
	worker.onmessage = null // what the page sends is lost
	const socket = new WebSocket('wss://site.example/socket', 'heartbeat.v1')
	const opened = new Promise((resolve) => (socket.onopen = resolve))
	const response = fetch('/echo', { method: 'POST', body: 'two', signal: new AbortController().signal })
	for (let i = 0; i < 20; i++) await new Promise(setImmediate)
	assert.equal(sockets.length, 0)
	t.mock.timers.tick(2000)
	while (!sockets.length) await new Promise(setImmediate)
	sockets[0].onopen({})
	await opened
	assert.equal(await (await response).text(), 'one two')
	t.mock.timers.tick(60_000)
	assert.deepEqual([ports.length, sockets.length], [6, 1], 'a worker for each, and one socket')
	socket.close()
})
