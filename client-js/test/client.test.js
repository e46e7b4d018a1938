import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createClient } from '../src/client.js'

const claims = { sub: '7', iat: 1000, exp: 4000 }
const ticket = 'header.' + Buffer.from(JSON.stringify(claims)).toString('base64url') + '.signature'

const target = () => ({ addEventListener: () => {} })

// A page whose link is a WebSocket, the events of the page, and the frames that it gets.
async function page(t, welcome) {
	t.mock.timers.enable({ apis: ['setTimeout'] })
	let socket
	const storage = new Map()
	const win = {
		...target(),
		setTimeout,
		clearTimeout,
		crypto,
		performance,
		location: { href: 'http://site.example/' },
		document: { ...target(), visibilityState: 'visible', getElementsByTagName: () => [], createElement: () => new EventTarget() },
		Event,
		localStorage: { getItem: (key) => storage.get(key) ?? null, setItem: (key, value) => storage.set(key, value) },
		sessionStorage: { getItem: () => null, setItem: () => {} },
		heartbeatSettings: { heartbeatd: { url: '/heartbeat', ticket, transports: ['websocket'] } },
		WebSocket: class {
			constructor() {
				socket = this
				this.readyState = 1
				this.sent = []
			}
			send(text) {
				this.sent.push(JSON.parse(text))
			}
			close() {}
		},
	}
	const events = []
	const client = createClient({ win, $: {}, emit: (name, args) => events.push([name, ...args]), connectNow: () => {}, beatEarly: () => {} })
	client.start()
	const receive = (frame) => socket.onmessage({ data: JSON.stringify(frame) })
	socket.onopen()
	receive({ type: 'welcome', max_body: 1000, ...welcome })
	for (let i = 0; i < 20; i++) await null
	return { receive, pushes: () => events.filter(([name]) => name === 'push').map(([, { data }]) => data) }
}

test('a push that arrives again, on the link that replaces the one before, is not shown again', async (t) => {
	const { receive, pushes } = await page(t, { cursor: 'e-4' })
	for (const seq of [5, 6, 5, 6, 7, 10]) receive({ type: 'push', cursor: 'e-' + seq, data: seq })
	assert.deepEqual(pushes(), [5, 6, 7, 10])
})

test('the pushes of a new stream begin again', async (t) => {
	const { receive, pushes } = await page(t, { cursor: 'e-4' })
	receive({ type: 'push', cursor: 'e-5', data: 'old' })
	receive({ type: 'push', cursor: 'f-1', data: 'new' })
	receive({ type: 'push', data: 'without a cursor' })
	assert.deepEqual(pushes(), ['old', 'new', 'without a cursor'])
})
