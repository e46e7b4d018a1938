// The long-poll link: the socket's shape over two requests, one that waits for
// news and one for each thing to say.

import { CLOSED, byeToClose, readFrame } from './link.js'

// The server holds a poll for 25 s. A request that takes longer than this has failed.
const TIMEOUT = 35000

// 410 is a session that is gone, which a new hello mends; every other refusal
// says why in a bye.
function refusal(response, text) {
	const frame = readFrame(text)
	return response.status !== 410 && frame && frame.type === 'bye' ? byeToClose(frame) : CLOSED
}

export function createLongPollLink({ url, win, onFrame, onClosed }) {
	const aborter = new win.AbortController()
	let session = ''
	let seq = 0
	let lastId = 0
	let open = true
	let dead
	const death = new Promise((resolve) => {
		dead = resolve
	})
	let last = Promise.resolve()

	function request(method, path, body) {
		const headers = {}
		if (body) headers['Content-Type'] = 'application/json'
		if (session) headers['Heartbeat-Session'] = session
		return win.fetch(url + path, {
			method,
			headers,
			body: body && JSON.stringify(body),
			signal: aborter.signal,
			cache: 'no-store',
		})
	}

	async function hello(frame) {
		let response
		let text
		try {
			response = await request('POST', '/open', Object.assign({ type: 'hello' }, frame))
			text = await response.text()
		} catch (e) {
			throw CLOSED
		}
		const answer = readFrame(text)
		if (!open) throw CLOSED
		if (!response.ok || !answer || answer.type !== 'welcome' || !answer.session) throw refusal(response, text)
		session = answer.session
		poll()
		return answer
	}

	async function poll() {
		while (open) {
			const timer = win.setTimeout(() => ended(CLOSED), TIMEOUT)
			try {
				const response = await request('GET', '/poll?after=' + seq)
				const text = await response.text()
				if (response.ok) deliver(JSON.parse(text))
				else ended(refusal(response, text))
			} catch (e) {
				ended(CLOSED)
			} finally {
				win.clearTimeout(timer)
			}
		}
	}

	function deliver(answer) {
		if (!answer || !(answer.seq >= seq) || !Array.isArray(answer.frames)) throw CLOSED
		seq = answer.seq
		answer.frames.forEach((frame) => {
			if (!open || !frame || typeof frame.type !== 'string') return
			if (frame.type === 'bye') ended(byeToClose(frame))
			else onFrame(frame)
		})
	}

	function ended(close) {
		if (!open) return
		stop()
		onClosed(close)
	}

	function stop() {
		open = false
		aborter.abort()
		dead(null)
	}

	async function say(frame) {
		const timer = win.setTimeout(() => ended(CLOSED), TIMEOUT)
		try {
			const response = await request('POST', '/beat', frame)
			if (response.status === 204) return null
			const text = await response.text()
			const answer = readFrame(text)
			if (response.ok && answer && answer.id === frame.id) return answer
			ended(refusal(response, text))
		} catch (e) {
			ended(CLOSED)
		} finally {
			win.clearTimeout(timer)
		}
		return null
	}

	// Requests that are under way together may arrive in any order, and a note or a
	// ticket replaces the one before it: each waits for the answer to the last.
	function sayInOrder(frame) {
		last = last.then(() => open && say(frame))
	}

	return {
		open: hello,
		beat: (body) => Promise.race([death, say({ type: 'beat', id: ++lastId, body })]),
		note: (body) => sayInOrder({ type: 'note', body }),
		ticket: (ticket) => sayInOrder({ type: 'ticket', ticket }),
		leave: () => sayInOrder({ type: 'leave' }),
		close: stop,
	}
}
