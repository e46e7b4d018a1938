// The long-poll link: the frames of the socket over requests, one that waits for news
// and one for each thing to say. Each request has an id in its address, and its answer
// names that id: no two requests are the same to a cache, and an answer that a cache
// made from another one is noticed.

import { TOO_MANY } from './closecodes.js'
import { CLOSED, byeToClose, foreign, readFrame } from './link.js'

// How long a server holds a poll without news, if its welcome does not say.
const HOLD = 25000
const HOLD_MAX = 120000
// A request that takes this much longer has failed.
const MARGIN = 10000

// What a front answers to a request that was too slow, too early, or one of too many.
const PASSING = [408, 425, 429]

// As WordPress posts it: firewalls refuse an urlencoded text within JSON.
const FORM = 'application/x-www-form-urlencoded; charset=UTF-8'

// How many sessions in a row may be gone before their first poll is answered. More mean
// that the front drops the session's header, sends requests to several nodes in turn, or
// keeps an old refusal.
const UNPOLLED_MAX = 5
let unpolled = 0

// A firewall may refuse a beat, a note or a hello for what this page says in it. The page
// then keeps its link, and says nothing over it for 2 minutes, the next time for 4, and so
// on up to 32. Beats are posted meanwhile.
let refusals = 0
let silentUntil = 0

export function createLongPollLink({ url, win, onFrame, onClosed }) {
	const aborter = new win.AbortController()
	let session = ''
	let seq = 0
	let lastId = Math.floor(Math.random() * 2 ** 48) // no other page's, and no earlier one's
	let hold = HOLD
	let named = false // the server names the id in its answers
	let polled = false
	let open = true
	let dead
	const death = new Promise((resolve) => {
		dead = resolve
	})
	let last = Promise.resolve()

	async function request(method, path, fields, type, body) {
		const headers = {}
		if (type) headers['Content-Type'] = type
		if (session) headers['Heartbeat-Session'] = session
		const timer = win.setTimeout(() => aborter.abort(), hold + MARGIN)
		try {
			const response = await win.fetch(url + path + '?' + new URLSearchParams(fields), {
				method,
				headers,
				body,
				signal: aborter.signal,
				cache: 'no-store',
			})
			return { response, text: await response.text(), what: method + ' ' + path }
		} finally {
			win.clearTimeout(timer)
		}
	}

	const now = () => win.performance.now()

	function silence() {
		const minutes = 2 ** Math.min(++refusals, 5)
		silentUntil = now() + minutes * 60000
		return minutes
	}

	async function hello(frame) {
		const id = ++lastId
		const body = now() < silentUntil ? '' : frame.body
		const fields = new URLSearchParams(frame)
		fields.delete('body')
		let answer
		try {
			answer = await request('POST', '/open', { id }, FORM, [fields, body].filter(Boolean).join('&'))
		} catch (e) {
			throw CLOSED
		}
		const welcome = answer.response.ok && readFrame(answer.text)
		if (!welcome || welcome.type !== 'welcome' || !welcome.session) {
			const close = refusal(answer)
			// More than one field says something of this page: without it the hello may pass.
			if (!close.foreign || !/&/.test(body)) throw close
			silence()
			return hello(frame)
		}
		named = welcome.poll_ms > 0
		if (named) hold = Math.min(welcome.poll_ms, HOLD_MAX)
		if (isOthers(welcome, id)) throw foreign('POST /open got the answer to another request')
		session = welcome.session
		if (!open) {
			goodbye()
			throw CLOSED
		}
		poll()
		return welcome
	}

	const isOthers = (answer, id) => (named || answer.id !== undefined) && answer.id !== id

	async function poll() {
		while (open) {
			const asked = clock()
			const id = ++lastId
			try {
				const answer = await request('GET', '/poll', { after: seq, id })
				const news = answer.response.ok && readJSON(answer.text)
				const fault = isNews(news) && faultOf(news, id, asked)
				if (!open) return
				if (!isNews(news)) ended(refusal(answer))
				else if (fault) ended(foreign('GET /poll ' + fault))
				else deliver(news)
			} catch (e) {
				ended(CLOSED)
			}
		}
	}

	// Date.now() includes the time that the machine sleeps. performance.now() does not
	// change when somebody sets the clock.
	const clock = () => [Date.now(), now()]
	const since = (then) => Math.max(...clock().map((now, i) => now - then[i]))

	// What is wrong with an answer that heartbeatd did not make for this poll.
	function faultOf({ id: theirs, seq: newest, frames }, id, asked) {
		if (isOthers({ id: theirs }, id)) return 'got the answer to another request'
		if (newest < seq || (frames.length && newest === seq)) return 'got an answer that it had before'
		if (!frames.length && since(asked) < hold / 2) return 'got an empty answer before its time'
		return ''
	}

	function deliver({ seq: newest, frames }) {
		polled = true
		unpolled = 0
		seq = newest
		frames.forEach((frame) => {
			if (!open || !frame || typeof frame.type !== 'string') return
			if (frame.type === 'bye') ended(byeToClose(frame))
			else onFrame(frame)
		})
	}

	// 410: the session is gone, and the page opens another, unless one after the other is
	// gone before its first answer. Every other refusal of heartbeatd's is a bye that says
	// why. A gateway answers 5xx while heartbeatd is down.
	function refusal({ response: { status, headers }, text, what }) {
		const frame = readFrame(text)
		if (status === 410) return polled || ++unpolled < UNPOLLED_MAX ? CLOSED : foreign(what + ' found no session, ' + unpolled + ' times in a row')
		if (frame && frame.type === 'bye') return byeToClose(frame)
		if (text[0] === '{' && !readJSON(text)) return CLOSED // heartbeatd's, cut off
		if (PASSING.includes(status)) return byeToClose({ code: TOO_MANY, retry_after_ms: 1000 * headers.get('Retry-After') })
		return status < 500 ? foreign(what + ' got an answer of another program, with status ' + status) : CLOSED
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

	// Nobody waits for the answer, and the page may be gone: fronts may hold its poll
	// for a while yet.
	function goodbye() {
		const { navigator } = win
		if (session && navigator.sendBeacon) navigator.sendBeacon(url + '/close', new URLSearchParams({ session }))
		session = ''
	}

	async function say(frame) {
		const { type, id = ++lastId, body } = frame
		const isForAll = body === undefined // a ticket or a leave
		if (!isForAll && now() < silentUntil) return null
		try {
			const said = await (isForAll
				? request('POST', '/beat', { id }, 'application/json', JSON.stringify(frame))
				: request('POST', '/beat', { type, id }, FORM, body))
			if (said.response.status === 204) return null
			const answer = said.response.ok && readFrame(said.text)
			if (answer && frame.id && answer.id === frame.id) return answer
			const close = refusal(said)
			if (isForAll || !close.foreign) ended(close)
			else win.console.warn('heartbeatd: no beats over longpoll for ' + silence() + ' minutes: ' + close.foreign)
		} catch (e) {
			ended(CLOSED)
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
		close() {
			stop()
			goodbye()
		},
	}
}

function readJSON(text) {
	try {
		return JSON.parse(text)
	} catch (e) {
		return null
	}
}

const isNews = (answer) => Boolean(answer) && answer.seq >= 0 && Array.isArray(answer.frames)
