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
	const win = { location: { href: 'http://site.example/' }, setTimeout, WebSocket: class { constructor() { socket = this } } }
	const opening = createWebSocketLink({ url: '/heartbeat', win }).open({})
	socket.onerror()
	t.mock.timers.tick(500)
	await assert.rejects(opening, ({ code }) => code === 1006)
})
