import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createWebSocketLink } from '../src/websocket.js'

// The close events of Firefox, and of other browsers.
const ENDS = [
	{ what: 'a server that goes away, in another browser', event: { code: 1001, wasClean: true }, code: 1006, other: true },
	{ what: 'a socket that ends as it opens, in another browser', event: { code: 1006, wasClean: true }, code: 1006, other: true },
	{ what: 'a navigation starts: open socket', event: { code: 1001, wasClean: true }, code: 1001 },
	{ what: 'a navigation starts: socket that opens', event: { code: 1006, wasClean: true }, code: 1001 },
	{ what: 'a connection that fails or is cut', event: { code: 1006, wasClean: false }, code: 1006 },
	{ what: 'a close frame without a code', event: { code: 1005, wasClean: true }, code: 1005 },
]

// ended resolves to the code with which a link closes after a close event of its socket.
async function ended(event, { other, age = 0, t } = {}) {
	let socket
	const win = {
		...(other ? {} : { mozInnerScreenX: 0 }),
		location: { href: 'http://site.example/' },
		WebSocket: class {
			constructor() {
				socket = this
			}
			close() {}
		},
	}
	const opening = createWebSocketLink({ url: '/heartbeat', win }).open({})
	if (age) t.mock.timers.tick(age)
	socket.onclose(event)
	const close = await opening.catch((error) => error)
	assert.equal(close.retryAfter, 0)
	return close.code
}

for (const { what, event, code, other } of ENDS) {
	test(`the close of ${what}`, async () => assert.equal(await ended(event, { other }), code))
}

test('several sockets in a row that a navigation seems to close count as failures', async (t) => {
	t.mock.timers.enable({ apis: ['Date'] })
	const codes = []
	for (const age of [10_000, 9_000, 9_000, 9_000, 0, 10_000]) codes.push(await ended({ code: 1001, wasClean: true }, { age, t }))
	assert.deepEqual(codes, [1001, 1001, 1001, 1006, 1006, 1001])
})

test('an error without a close ends the link', async (t) => {
	t.mock.timers.enable({ apis: ['setTimeout'] })
	let socket
	const win = { location: { href: 'http://site.example/' }, setTimeout, WebSocket: class { constructor() { socket = this } close() {} } }
	const opening = createWebSocketLink({ url: '/heartbeat', win }).open({})
	socket.onerror()
	t.mock.timers.tick(500)
	await assert.rejects(opening, ({ code }) => code === 1006)
})

// opened opens a link whose server has sent a welcome, and returns the link's state and what
// makes its socket receive a frame.
async function opened(t, welcome) {
	t.mock.timers.enable({ apis: ['setTimeout'] })
	t.mock.method(performance, 'now', () => world.now)
	const world = { now: 0, closes: [], frames: [], ended: 0 }
	let socket
	const win = { location: { href: 'http://site.example/' }, setTimeout, clearTimeout, WebSocket: class {
		readyState = 1
		sent = []
		constructor() {
			socket = this
		}
		send(text) {
			this.sent.push(text)
		}
		close() {
			world.ended++
		}
	} }
	const link = createWebSocketLink({ url: '/heartbeat', win, onFrame: (frame) => world.frames.push(frame.type), onClosed: ({ code }) => world.closes.push(code) })
	const opening = link.open({})
	socket.onopen()
	world.receive = (frame) => socket.onmessage({ data: JSON.stringify(frame) })
	world.pass = (ms) => {
		for (; ms > 0; ms -= 100) {
			world.now += 100
			t.mock.timers.tick(100)
		}
	}
	world.receive(Object.assign({ type: 'welcome', session: 's' }, welcome))
	await opening
	return Object.assign(world, { link })
}

test('a server that is silent for longer than its interval is given up', async (t) => {
	const world = await opened(t, { alive_ms: 25_000 })
	for (let i = 0; i < 10; i++) {
		world.pass(32_000)
		world.receive({ type: i % 2 ? 'alive' : 'push' })
	}
	assert.deepEqual([world.closes, world.ended], [[], 0])
	world.pass(34_000)
	assert.deepEqual(world.closes, [])
	world.pass(3_000)
	assert.deepEqual([world.closes, world.ended], [[1006], 1])
})

test('an older server, which names no interval, may be silent', async (t) => {
	const world = await opened(t)
	world.pass(600_000)
	assert.deepEqual([world.closes, world.ended], [[], 0])
})

test('a page that was stopped itself first reads what has arrived meanwhile', async (t) => {
	const world = await opened(t, { alive_ms: 25_000 })
	world.pass(20_000)
	world.now += 3_600_000
	t.mock.timers.tick(7_000) // the timer of the page fires before the messages
	world.receive({ type: 'alive' })
	world.pass(32_000)
	assert.deepEqual(world.closes, [])
	world.pass(6_000)
	assert.deepEqual(world.closes, [1006])
})

test('a link that is closed is not watched', async (t) => {
	const world = await opened(t, { alive_ms: 25_000 })
	world.link.close()
	world.pass(120_000)
	assert.deepEqual([world.closes, world.ended], [[], 1])
})

test('a tick and a decline answer their beats, and any other frame is passed on', async (t) => {
	const world = await opened(t)
	const answers = [world.link.beat('a'), world.link.beat('b')]
	world.receive({ type: 'decline', id: 2 })
	world.receive({ type: 'push' })
	world.receive({ type: 'tick', id: 1 })
	assert.deepEqual((await Promise.all(answers)).map(({ type }) => type), ['tick', 'decline'])
	assert.deepEqual(world.frames, ['push'])
})
