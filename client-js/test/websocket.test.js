import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createWebSocketLink } from '../src/websocket.js'

// How Firefox and other browsers tell of sockets that end.
const ENDS = [
	{ what: 'a server that goes away, in another browser', event: { code: 1001, wasClean: true }, code: 1006, other: true },
	{ what: 'a socket that ends as it opens, in another browser', event: { code: 1006, wasClean: true }, code: 1006, other: true },
	{ what: 'a navigation starts: open socket', event: { code: 1001, wasClean: true }, code: 1001 },
	{ what: 'a navigation starts: socket that opens', event: { code: 1006, wasClean: true }, code: 1001 },
	{ what: 'a connection that fails or is cut', event: { code: 1006, wasClean: false }, code: 1006 },
	{ what: 'a close frame without a code', event: { code: 1005, wasClean: true }, code: 1005 },
]

for (const { what, event, code, other } of ENDS) {
	test(`the close of ${what}`, async () => {
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
		socket.onclose(event)
		await assert.rejects(opening, (close) => close.code === code && close.retryAfter === 0)
	})
}
