// The link over server-sent events: a request whose response is a stream of frames, and
// ends after a while. EventSource cannot send the session's header, so fetch reads it.

import { CLOSED, clock, otherProgram, readFrame, since } from './link.js'
import { createRequestLink } from './requestlink.js'

// After 10 s of silence heartbeatd writes a comment. A proxy buffers a stream that is silent for
// longer.
const SILENCE_MAX = 20000
// A stream lasts 30 s. One that ends much earlier broke off: WebKit reports no error for it. Or a node that passed
// it on has stopped, which may happen a few times in a row while all nodes are restarted.
const LIFE_MIN = 10000
const SHORT_MAX = 3
// How long the first line of a test may take. heartbeatd ends the test after twice as long.
const TEST_MAX = 5000
// In characters. The largest frame is a push or a snapshot.
const LINE_MAX = 4 << 20

/** Whether this browser can read the response to a request while it arrives. */
export const canStream = (win) => win.fetch && win.AbortController && win.TextDecoder && 'body' in win.Response.prototype

export const createEventsLink = (options) =>
	createRequestLink(
		Object.assign({ name: 'events' }, options),
		(session) => new Promise((resolve) => void stream(session, options.win, resolve)),
		(session) => stream(session, options.win)
	)

// Calls opened when the first stream has begun, or the session has ended. Without opened the
// stream is a test, which needs no session and ends after its first line.
async function stream(session, win, opened) {
	let last = 0 // the id of the last event
	let short = 0 // streams in a row that ended early

	// What follows the first line waits until the page has the link.
	async function begin() {
		session.deliver([])
		opened()
		await new Promise((resolve) => win.setTimeout(resolve, 0))
	}

	const fails = (fault) => session.ended(otherProgram('GET /events ' + fault))

	async function read(response, id, extend) {
		const started = clock(win)
		const reader = response.body.getReader()
		const decoder = new win.TextDecoder()
		let begun = false
		let event = 0
		let rest = ''
		while (session.isOpen) {
			const { done, value } = await reader.read()
			if (done) {
				short = since(win, started) < LIFE_MIN ? short + 1 : 0
				if (!begun) session.ended(CLOSED)
				else if (short > SHORT_MAX) fails('ended early')
				return
			}
			extend(SILENCE_MAX)
			const lines = (rest + decoder.decode(value, { stream: true })).split('\n')
			rest = lines.pop()
			if (rest.length > LINE_MAX) return fails('got a line too long')
			for (const line of lines) {
				if (!begun) {
					if (line !== ':' + id) return fails('got the answer to another request')
					if (!opened) {
						reader.cancel().catch(() => {})
						return
					}
					await begin()
					begun = true
				} else if (line.startsWith('id:')) {
					event = Number(line.slice(3))
				} else if (line.startsWith('data:')) {
					if (event !== last + 1) return fails('got an event out of order')
					last = event
					session.deliver([readFrame(line.slice(5))])
				}
			}
		}
	}

	do {
		const id = session.nextId()
		const receive = async (response, extend) => {
			if (response.ok && /^text\/event-stream/.test(response.headers.get('Content-Type'))) {
				await read(response, id, extend)
			} else {
				session.refused({ response, text: await response.text(), what: 'GET /events' })
			}
		}
		try {
			const fields = opened ? { after: last, id } : { test: 1, id }
			await session.fetch('GET', '/events', fields, '', undefined, receive, opened ? SILENCE_MAX : TEST_MAX)
		} catch (e) {
			session.ended(CLOSED)
		}
	} while (session.isOpen && opened)
	if (opened) opened()
}
