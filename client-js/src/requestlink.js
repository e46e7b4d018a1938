// A link over HTTP requests: POST /open begins a session, and POST /close ends it. Each frame of
// the page is a request. longpoll.js polls for the frames of the server, eventstream.js reads them
// from a stream.
//
// Each request has an id in its URL, and its answer has the same id: a cache never treats two
// requests as the same, and the answer to another request is detected.

import { TOO_MANY } from './closecodes.js'
import { CLOSED, byeToClose, otherProgram, readFrame, readJSON } from './link.js'

// How long a server holds a poll without frames, unless its welcome says it.
const HOLD = 25000
const HOLD_MAX = 120000
// A request that takes this much longer has failed.
const MARGIN = 10000

// Answers of a front to a request that was too slow, too early, or one of too many.
const TEMPORARY = [408, 425, 429]

// As WordPress posts beats: firewalls may refuse urlencoded text in JSON.
const FORM = 'application/x-www-form-urlencoded; charset=UTF-8'

// How many sessions in a row may be gone before the page has received anything from them. If there are
// more, the front removes the session's header or caches a refusal. A page that has received something
// from an earlier one tries longer: the nodes may not reach each other.
let unheardMax = 5
let unheard = 0

// A firewall may refuse a beat, a note or a hello because of its content. The page then keeps its
// link, and sends neither beats nor notes over it for 2 minutes, the next time for 4, and so on up
// to 32, until a beat is answered. Beats are posted meanwhile.
let refusals = 0
let silentUntil = 0

/**
 * @param {object} options as for every link
 * @param {string} options.name of the transport
 * @param {Function} receive (session) receives the session's frames until it has ended. If it
 *     returns a promise, the link is open when the promise resolves.
 * @param {Function} [test] (session) → Promise; ends the session if the transport does not work
 */
export function createRequestLink({ name, url, win, network = win, onFrame, onClosed }, receive, test) {
	const aborter = new win.AbortController()
	let id = ''
	let lastId = Math.floor(Math.random() * 2 ** 48) // different from those of all other pages
	let hold = HOLD
	let named = false // the server's answers have the id
	let heard = false // a frame has arrived
	let open = true
	let isUp = false // the link was opened
	let cause = CLOSED
	let dead
	const death = new Promise((resolve) => {
		dead = resolve
	})
	let last = Promise.resolve()

	// Sends a request and calls read with its response. Aborts after limit milliseconds, unless
	// read extends the time.
	async function fetch(method, path, fields, type, body, read, limit = hold + MARGIN) {
		const headers = {}
		if (type) headers['Content-Type'] = type
		if (id) headers['Heartbeat-Session'] = id
		let timer = 0
		const extend = (ms) => {
			win.clearTimeout(timer)
			timer = win.setTimeout(() => aborter.abort(), ms)
		}
		extend(limit)
		try {
			const response = await network.fetch(url + path + '?' + new URLSearchParams(fields), {
				method,
				headers,
				body,
				signal: aborter.signal,
				cache: 'no-store',
			})
			return await read(response, extend)
		} finally {
			win.clearTimeout(timer)
		}
	}

	const request = (method, path, fields, type, body) =>
		fetch(method, path, fields, type, body, async (response) => ({ response, text: await response.text(), what: method + ' ' + path }))

	const now = () => win.performance.now()

	function pauseBeats() {
		const minutes = 2 ** Math.min(++refusals, 5)
		silentUntil = now() + minutes * 60000
		return minutes
	}

	const hello = async (frame) => greet(frame, now() < silentUntil ? '' : frame.body)

	async function greet(frame, body, refused = false) {
		const asked = ++lastId
		const fields = new URLSearchParams(frame)
		fields.delete('body')
		let answer
		try {
			answer = await request('POST', '/open', { id: asked }, FORM, [fields, body].filter(Boolean).join('&'))
		} catch (e) {
			throw CLOSED
		}
		const welcome = answer.response.ok && readFrame(answer.text)
		if (!welcome || welcome.type !== 'welcome' || !welcome.session) {
			const close = refusal(answer)
			// The body has data of this page: a front may accept the hello without it.
			if (!close.reason || !/&/.test(body)) throw close
			return greet(frame, '', true)
		}
		named = welcome.poll_ms > 0
		if (named) hold = Math.min(welcome.poll_ms, HOLD_MAX)
		if (isOthers(welcome, asked)) throw otherProgram('POST /open got the answer to another request')
		if (refused) pauseBeats() // the body was refused
		id = welcome.session
		if (!open) {
			sendClose()
			throw CLOSED
		}
		await receive(session)
		if (!open) throw cause
		isUp = true
		return welcome
	}

	const isOthers = (answer, asked) => (named || answer.id !== undefined) && answer.id !== asked

	// The session for receive.
	const session = {
		get isOpen() {
			return open
		},
		get hold() {
			return hold
		},
		nextId: () => ++lastId,
		request,
		fetch,
		isOthers,
		deliver(frames) {
			heard = true
			unheard = 0
			unheardMax = 60
			frames.forEach((frame) => {
				if (!open || !frame || typeof frame.type !== 'string') return
				if (frame.type === 'bye') ended(byeToClose(frame))
				else onFrame(frame)
			})
		},
		refused: (answer) => ended(refusal(answer)),
		ended,
	}

	// Returns the close for an answer that is not a success. 410: the session is gone, and the page
	// opens another one, unless several in a row are gone before their first answer. heartbeatd
	// refuses everything else with a bye. A gateway answers 5xx while heartbeatd is down.
	function refusal({ response: { status, headers }, text, what }) {
		const frame = readFrame(text)
		if (status === 410) return heard || ++unheard < unheardMax ? CLOSED : otherProgram(what + ' found no session, ' + unheard + ' times in a row')
		if (frame && frame.type === 'bye') return byeToClose(frame)
		if (text[0] === '{' && !readJSON(text)) return CLOSED // a truncated answer of heartbeatd
		if (TEMPORARY.includes(status)) return byeToClose({ code: TOO_MANY, retry_after_ms: 1000 * headers.get('Retry-After') })
		return status < 500 ? otherProgram(what + ' got an answer of another program, with status ' + status) : CLOSED
	}

	function ended(close) {
		if (!open) return
		stop()
		cause = close
		if (isUp) onClosed(close)
	}

	function stop() {
		open = false
		aborter.abort()
		dead(null)
	}

	// Ends the session with a beacon, which works after the page is gone. Without it, a front may
	// hold the page's last request for a while.
	function sendClose() {
		const { navigator } = win
		if (id && navigator.sendBeacon) navigator.sendBeacon(url + '/close', new URLSearchParams({ session: id }))
		id = ''
	}

	async function post(frame) {
		const { type, id: asked = ++lastId, body } = frame
		const isForAll = body === undefined // a ticket or a leave
		if (!isForAll && now() < silentUntil) return null
		try {
			const reply = await (isForAll
				? request('POST', '/beat', { id: asked }, 'application/json', JSON.stringify(frame))
				: request('POST', '/beat', { type, id: asked }, FORM, body))
			if (reply.response.status === 204) return null
			const answer = reply.response.ok && readFrame(reply.text)
			if (answer && frame.id && answer.id === frame.id) {
				refusals = 0
				return answer
			}
			const close = refusal(reply)
			if (isForAll || !close.reason) ended(close)
			else win.console.warn('heartbeatd: no beats over ' + name + ' for ' + pauseBeats() + ' minutes: ' + close.reason)
		} catch (e) {
			ended(CLOSED)
		}
		return null
	}

	// Requests in flight may arrive in any order, and a note or a ticket replaces the one before:
	// each waits for the answer to the last one.
	function postInOrder(frame) {
		last = last.then(() => open && post(frame))
		return !refusals
	}

	return {
		open: hello,
		test:
			test &&
			(async () => {
				await test(session)
				if (!open) throw cause
			}),
		beat: (body) => Promise.race([death, post({ type: 'beat', id: ++lastId, body })]),
		note: (body) => postInOrder({ type: 'note', body }),
		ticket: (ticket) => postInOrder({ type: 'ticket', ticket }),
		leave: () => postInOrder({ type: 'leave' }),
		close() {
			stop()
			sendClose()
		},
	}
}
