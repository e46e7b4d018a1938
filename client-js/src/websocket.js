// The WebSocket link.

import { countdown } from './countdown.js'
import { AWAY, CLOSED, byeToClose, isFirefox, readFrame } from './link.js'

const PROTOCOL = 'heartbeat.v1'

// A navigation closes a socket once, and the page rarely stays after it. If several sockets in a
// row are closed this early, something else closes them.
const YOUNG = 10000
const AWAY_MAX = 3
let aways = 0

// A welcome names the longest time between two frames of the server, which sends one with its ping.
// After 1.4 times that time without one, the node has stopped working: scripts cannot see pings. The
// page is back before its entries expire. A page that was stopped itself reads what has arrived
// meanwhile within this time.
const SILENT = 1.4
const AWAKE = 1000

// If a navigation starts while a socket opens, Firefox closes it with 1006 and wasClean; a socket
// that failed is not clean. In other browsers 1001 comes from a server.
function codeOf({ code, wasClean }, win, age) {
	if (age >= YOUNG) aways = 0
	const away = code === AWAY || (code === CLOSED.code && wasClean)
	if (away) return isFirefox(win) && ++aways <= AWAY_MAX ? AWAY : CLOSED.code
	return code || CLOSED.code
}

export function createWebSocketLink({ url, win, network = win, onFrame, onClosed }) {
	const waiting = new Map()
	let socket = null
	let lastId = 0
	let settle = null
	let alive
	let stop = () => {}

	function open(hello) {
		return new Promise((resolve, reject) => {
			const from = Date.now()
			settle = { resolve, reject }
			try {
				socket = new network.WebSocket(address(), PROTOCOL)
			} catch (e) {
				// The browser may throw for mixed content and some policies.
				reject(CLOSED)
				return
			}
			socket.onopen = () => send(Object.assign({ type: 'hello' }, hello))
			socket.onmessage = (event) => {
				receive(readFrame(event.data))
				watch()
			}
			// Chromium sends no close event for a socket that the page's policy forbids.
			socket.onerror = () => win.setTimeout(() => ended(CLOSED), 500)
			socket.onclose = (event) => ended({ code: codeOf(event, win, Date.now() - from), retryAfter: 0 })
		})
	}

	function address() {
		const target = new URL(url + '/socket', win.location.href)
		target.protocol = target.protocol === 'https:' ? 'wss:' : 'ws:'
		return target.href
	}

	function receive(frame) {
		if (!frame) return
		if (frame.type === 'bye') {
			ended(byeToClose(frame))
		} else if (settle) {
			if (frame.type !== 'welcome') return
			alive = frame.alive_ms
			settle.resolve(frame)
			settle = null
		} else {
			// The answer to a beat, a tick or a decline, has its id.
			const answered = waiting.get(frame.id)
			waiting.delete(frame.id)
			;(answered || onFrame)(frame)
		}
	}

	function watch() {
		stop()
		if (socket && alive) stop = countdown(win, alive * SILENT, () => {
			stop = countdown(win, AWAKE, () => ended(CLOSED))
		})
	}

	function ended(close) {
		if (!socket) return
		release()
		if (settle) settle.reject(close)
		else onClosed(close)
		settle = null
	}

	// Closes the socket. Events that the browser still delivers are ignored.
	function release() {
		stop()
		socket.onopen = socket.onmessage = socket.onclose = null
		socket.close()
		socket = null
		waiting.forEach((resolve) => resolve(null))
		waiting.clear()
	}

	function send(frame) {
		if (!socket || socket.readyState !== 1) return false
		socket.send(JSON.stringify(frame))
		return true
	}

	return {
		open,
		beat(body) {
			const id = ++lastId
			return new Promise((resolve) => {
				if (send({ type: 'beat', id, body })) waiting.set(id, resolve)
				else resolve(null)
			})
		},
		note: (body) => send({ type: 'note', body }),
		ticket: (ticket) => send({ type: 'ticket', ticket }),
		leave: () => send({ type: 'leave' }),
		close() {
			settle = null
			if (socket) release()
		},
	}
}
