// The page's client of heartbeatd: its ticket, its link, its rooms, and the frames that the
// server sends without a request. ajaxtransport.js asks it to answer beats. Pages get its
// events.

import { createTransportSelector } from './transportselector.js'
import { LOCK, UNFOCUSED, createAnswerCache, postOf } from './answercache.js'
import { canStream, createEventsLink } from './eventstream.js'
import { createLongPollLink } from './longpoll.js'
import { createNudges } from './nudges.js'
import { rowOf } from './lockchange.js'
import { createSlots } from './connectionslots.js'
import { createRooms, concernsOthers, contestsLock, readPresence } from './room.js'
import { MAX_ONLINE, ONLINE, PING, listOnline } from './online.js'
import { createWebSocketLink } from './websocket.js'
import { presenceHandles } from './presencehandles.js'
import { readJSON } from './link.js'
import { reportErrors } from './reporterrors.js'
import { isTransportHistory } from './transporthistory.js'
import { isUp } from './probe.js'
import { isAlive, isFresh, isNative, isRecent, mayRepeat, readTicket, takesDeposits } from './ticket.js'
import { watchActivity } from './activity.js'
import { watchLeaving } from './leaving.js'
import { findNetwork } from './workernetwork.js'

const LINKS = {
	websocket: createWebSocketLink,
	events: (options, slots) => slots.withSlot(createEventsLink, options),
	longpoll: (options, slots) => slots.withSlot(createLongPollLink, options),
}
const ORDER = Object.keys(LINKS)

// The state of a page has four parts, which change independently:
//
//	page      AWAKE ── it is suspended, or left ─────────────────────▶ SUSPENDED: no link
//	          AWAKE ◀─ it is resumed ─────────────────────────────────
//
//	presence  SHOWN ── the tab is hidden ────────────────────────────▶ HIDDEN: notes are empty
//	          SHOWN ◀─ the tab is shown, or beats ────────────────────
//
//	beats     BY_LINK ── a posted beat fails ────────────────────────▶ BY_POST: no beat over the link
//	          BY_LINK ◀─ PHP answers a beat ──────────────────────────
//
//	lock      OWN ── PHP answers that somebody else has the lock ────▶ OTHERS: not in the post's room
//	          OWN ◀─ PHP answers without lock_error ──────────────────
//
// Beside it, there is a ticket or none (without one there is no link), and transportselector.js
// has a link or none.
const AWAKE = 1
const SUSPENDED = 2
const SHOWN = 3
const HIDDEN = 4
const BY_LINK = 5
const BY_POST = 6
const OWN = 7
const OTHERS = 8

// The number of pushes that are remembered as shown.
const MAX_SHOWN = 1000
// The time over which pages that wait for a deposit beat at most where heartbeatd answers, in ms.
const LINK_SPREAD = 1000

export function createClient({ win, $, emit, connectNow, beatEarly, config = Object(win.heartbeatSettings).heartbeatd || {} }) {
	const conn = randomId(win)
	const rooms = createRooms(win)
	const online = rooms.room(ONLINE)
	const answers = createAnswerCache(Date.now, config.lock_window)
	let deposits = [] // the handles for which a back end has deposited a value for this page
	let ticket = null
	let cursor = ''
	let presence = {} // the presence handles of the last beat
	let presenceFields = '' // the same, encoded as in the beat
	let helloPresence = '' // the body of the last hello
	let maxBody = 0
	let last = null // the fields of the last beat
	let declines = 0 // how many beats over the link heartbeatd has declined one after the other
	let shown = [] // the cursors of the last pushes
	let behind = false // a nudge came before the last beat, or heartbeatd declined it: PHP may know more
	let isNoted = false // the last posted beat told PHP that its presence went over the link
	let network = null // of the links, see workernetwork.js
	const state = { page: AWAKE, presence: SHOWN, beats: BY_LINK, lock: OWN }

	const slots = createSlots({ win, url: config.url, id: conn, freed: () => selector.reconsider(), random: Math.random })

	const selector = createTransportSelector({
		order: known(),
		make: (name, calls) => LINKS[name](Object.assign({ url: config.url, win, network }, calls), slots),
		hello: () => ({ ticket: ticket.text, conn, after: cursor, dates: true, body: (helloPresence = here()) }),
		isUp: () => isUp(win, config.url),
		may: (name) => name === 'websocket' || (!win.document.hidden && slots.available()),
		othersLinked: slots.full,
		onFrame: received,
		onChange: changed,
		win,
		random: Math.random,
	})

	const nudges = createNudges({ win, connectNow, beatEarly, isForPHP, interval, now: Date.now, random: Math.random })

	// Would PHP answer the page's next beat, as far as the last one tells? A single decline may
	// have a cause that is over.
	function isForPHP() {
		if (declines > 1 || !last) return true
		const { nonce } = win.heartbeatSettings || {}
		return !answerable(Object.assign({}, last, { _nonce: nonce }), repeated(last))
	}

	function interval() {
		return last && last.has_focus ? 1000 * last.interval : UNFOCUSED
	}

	function known(names) {
		return [].concat(names || config.transports || ORDER).filter((name) => ORDER.includes(name) && (name !== 'events' || canStream(win)))
	}

	function changed(name, link, welcome) {
		answers.forget()
		deposits = [] // heartbeatd names them again
		if (welcome) {
			maxBody = Number(welcome.max_body) || 0
			if (welcome.cursor && epoch(welcome.cursor) !== epoch(cursor)) cursor = welcome.cursor
			// A beat may have gone to PHP while the link was opening.
			if (here() !== helloPresence) sendNote()
		}
		tell('transport', name || 'post')
	}
	const tell = (event, ...args) => reportErrors(win, () => emit(event, args))
	function received(frame) {
		const { type, room, posts } = frame
		if (typeof frame.cursor === 'string') cursor = frame.cursor
		if (type === 'nudge') {
			answers.forget()
			nudges.receive(frame)
		} else if (type === 'push') pushed(frame)
		else if (type === 'deposits') deposited(frame)
		else if (type === 'presence' && typeof room === 'string') roomChanged(readPresence(frame, rooms.room(room)))
		else if (type === 'active-posts' && Array.isArray(posts)) tell(type, { posts })
		else if (type === 'move') selector.move()
		else if (type === 'missed') {
			answers.forget() // a lock may have changed
			tell(type)
		}
	}

	// A push to a user or to everyone has no room. A push that arrives on a link while another one
	// opens in its place arrives again on that one, whose hello had the cursor before it.
	function pushed({ cursor: newest, room, data }) {
		if (typeof newest === 'string') {
			if (shown.includes(newest)) return
			shown = shown.concat(newest).slice(-MAX_SHOWN)
		}
		const { lock, screen_rev: saved } = Object(data).heartbeatd || {}
		if (lock && postOf(room)) lockChanged(Object.assign({}, lock, { post: postOf(room) }), room)
		else if (!saved) answers.pushed(room)
		tell('push', { room, data })
	}

	// A user has taken, released or renewed a lock. Pages that show a lock that was taken beat: a list
	// repeats its updated answer, and PHP answers an editor.
	function lockChanged(lock, room) {
		const recent = isRecent(ticket, lock.at_ms, Date.now())
		if (config.locked_text) answers.lockChanged(lock, rowOf(lock, ticket && ticket.claims.sub, config.locked_text), recent)
		else answers.pushed(room)
		if (lock.released === false && recent) nudges.receive({ spread_ms: lock.spread_ms, paced: true })
	}

	// A page waits for a value if its last beat had the handle. A page that has not beaten yet may.
	function deposited({ handles, changed, spread_ms: spread }) {
		deposits = [].concat(handles)
		if (changed && (!last || changed in last.data)) nudges.receive({ spread_ms: isForPHP() ? spread : Math.min(spread, LINK_SPREAD), paced: true })
	}

	function roomChanged(frame) {
		const { room } = frame
		if (ticket && postOf(room) && (concernsOthers(frame, ticket.claims.sub, rooms.room(room).entries) || contestsLock(frame, ticket.claims.sub))) answers.entered()
		rooms.receive(frame)
		tell('presence', frame)
	}

	function startLink() {
		if (network && state.page === AWAKE && isAlive(ticket, Date.now())) selector.start()
	}

	function useTicket(text) {
		if (!config.url || !text || (ticket && ticket.text === text)) return
		const next = readTicket(text, Date.now(), Math.random)
		if (!next) return
		ticket = next
		if (!mayRepeat(ticket, Date.now())) answers.forget()
		if (selector.link) {
			selector.link.ticket(text)
			sendNote() // the last ticket may not have allowed all rooms of the note
		} else startLink()
	}

	const idleField = () => 'idle=' + Number(activity.idle) + (win.document.hidden ? '&hidden=1' : '')

	const here = () => (state.presence === HIDDEN ? '' : (presenceFields && presenceFields + '&') + idleField())

	// Returns whether the note was sent.
	const sendNote = (note = here()) => selector.link && selector.link.note(note)

	const activity = watchActivity(win, () => sendNote(here() || idleField())) // a page that was just hidden still has entries

	const focused = () => !win.document.hasFocus || win.document.hasFocus()

	function setPresence({ data, screen_id, has_focus }) {
		presence = presenceHandles(data, state.lock === OWN, $.param)
		presenceFields = $.param({ data: presence, screen_id, has_focus })
		state.presence = SHOWN
	}

	// A user who asks for the lock is in the post's room, until PHP answers that another user has
	// it.
	function lockAnswered(fields, answer) {
		const lock = answer && answer.lock_error ? OTHERS : OWN
		if (!answer || lock === state.lock) return
		state.lock = lock
		setPresence(fields)
		sendNote()
	}

	// A page can be present before its first beat. The handles are added to those of the last call
	// or beat.
	function announce(data) {
		const settings = win.heartbeatSettings || {}
		setPresence({ data: Object.assign({}, presence, data), screen_id: win.pagenow || settings.screenId || 'front', has_focus: focused() })
		sendNote()
	}

	// A hidden tab beats too rarely to report that its user has left, and a shown one too late to
	// report that they are back.
	win.document.addEventListener('visibilitychange', () => {
		state.presence = win.document.hidden ? HIDDEN : SHOWN
		if (state.presence === SHOWN) activity.seen()
		sendNote()
		selector.reconsider()
	})

	win.addEventListener('storage', (event) => isTransportHistory(event) && selector.reconsider())

	return {
		/** Starts the client, after all parts are created. */
		start() {
			useTicket(config.ticket)
			findNetwork(win, (found) => {
				network = found || win
				if (!found) watchLeaving(win, selector.leaving, selector.reconsider)
				startLink()
			})
		},

		useTicket,

		/** A beat begins. */
		began(fields) {
			behind = nudges.began()
			last = fields
		},

		/** Returns how to send a beat over the link, or null if PHP must answer it. */
		plan(fields, body) {
			const { link } = selector
			const again = repeated(fields)
			if (body.length > maxBody || !answerable(fields, again)) return null
			return {
				/** Resolves with the tick's text, or with null if PHP must answer after all. */
				send() {
					setPresence(fields)
					return link.beat(body).then((frame) => {
						behind = frame && frame.type === 'decline'
						declines = behind ? declines + 1 : 0
						return tickText(frame, stillGood(fields, again))
					})
				},
				giveUp: () => selector.suspect(link),
			}
		},

		/**
		 * A beat is posted: sends its presence handles over the link. Returns request headers: PHP
		 * does not count the page as another one, and does not call heartbeatd for what the page
		 * knows, unless the ticket is too old: then PHP's calls show whether heartbeatd's API can
		 * be reached.
		 */
		posted(fields) {
			setPresence(fields)
			answers.ask()
			isNoted = sendNote() && !behind && isFresh(ticket, Date.now()) && !ticket.claims.rows && online.total > 0 && online.total <= MAX_ONLINE
			const headers = ticket ? { 'Heartbeat-Connection': conn } : {}
			if (isNoted) headers['Heartbeat-Link'] = '1'
			return headers
		},

		/** A tick arrived; `byPost` tells whether PHP wrote it. */
		ticked(fields, response, jqXHR, byPost) {
			if (!response || typeof response !== 'object') return
			const out = response['wp-auth-check'] === false
			if (out || response.nonces_expired) {
				ticket = null
				selector.stop()
			}
			if (!byPost) return
			if (isNoted && ticket && fields.data[PING] && !response['presence-online']) response['presence-online'] = listOnline(online.entries)
			if (!out) useTicket(jqXHR.getResponseHeader('X-Heartbeatd-Ticket'))
			state.beats = BY_LINK
			lockAnswered(fields, response[LOCK])
			answers.learn(fields.data, response, hears, ticket && ticket.claims.locks)
		},

		/** A posted beat failed: beats go to PHP until it answers one. */
		failed() {
			state.beats = BY_POST
			answers.forget()
		},

		/** The page is suspended or resumed. */
		suspended(yes) {
			state.page = yes ? SUSPENDED : AWAKE
			if (yes) selector.stop()
			else startLink()
		},

		/** The additions to wp.heartbeat. */
		extras: {
			room: rooms.room,
			transport: {
				get name() {
					return selector.name || 'post'
				},
				use: (names) => selector.use(known(names)),
				announce,
				nudge: () => nudges.receive({ paced: true }),
				leave: selector.leave,
			},
		},
	}

	// May the link answer a beat, with the answers that are repeated?
	function answerable(fields, again) {
		if (!selector.link || state.beats === BY_POST || fields.wp_customize) return false
		const handles = Object.keys(fields.data).filter((handle) => !(handle in again) && !(takesDeposits(ticket) && deposits.includes(handle)))
		return isNative(ticket, handles, fields._nonce, Date.now())
	}

	function repeated(fields) {
		return mayRepeat(ticket, Date.now()) ? answers.recall(fields) : {}
	}

	// Answers that could be repeated when the beat was sent must still be so when it is answered:
	// a room may have changed, and a page that has lost the focus beats only in two minutes.
	// Returns them as they are now, because a lock may have changed, or null.
	function stillGood(fields, again) {
		const now = repeated(Object.assign({}, fields, { has_focus: fields.has_focus && focused() }))
		return Object.keys(again).every((handle) => handle in now) ? now : null
	}

	// An answer may be repeated only if the page gets changes: it hears the post's room, and PHP
	// reaches heartbeatd.
	function hears(post) {
		return selector.link && mayRepeat(ticket, Date.now()) && [].concat(ticket.claims.rooms || []).some((room) => postOf(room) === post)
	}
}

// The part of a cursor that names the stream. The page keeps its cursor until a push
// brings a newer one, or a welcome brings one of another stream.
const epoch = (cursor) => String(cursor).split('-')[0]

function tickText(frame, again) {
	if (!again || !frame || frame.type !== 'tick' || frame.status !== 200 || typeof frame.body !== 'string') return null
	const handles = Object.keys(again).filter((handle) => again[handle])
	if (!handles.length) return frame.body
	const tick = readJSON(frame.body)
	if (!tick) return null
	handles.forEach((handle) => (tick[handle] = again[handle]))
	return JSON.stringify(tick)
}

function randomId(win) {
	const bytes = win.crypto.getRandomValues(new Uint8Array(16))
	return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}
