// The page's client of heartbeatd: its ticket, its link, its rooms, and the frames that the
// server sends without a request. ajaxtransport.js asks it to answer beats. Pages get its
// events.

import { createTransportSelector } from './transportselector.js'
import { LOCK, createAnswerCache, postOf } from './answercache.js'
import { canStream, createEventsLink } from './eventstream.js'
import { createLongPollLink } from './longpoll.js'
import { createSlots } from './connectionslots.js'
import { createRooms, concernsOthers, contestsLock } from './room.js'
import { createWebSocketLink } from './websocket.js'
import { reportErrors } from './reporterrors.js'
import { isTransportHistory } from './transporthistory.js'
import { isUp } from './probe.js'
import { isAlive, isNative, mayRepeat, readTicket } from './ticket.js'
import { watchActivity } from './activity.js'
import { watchLeaving } from './leaving.js'

const LINKS = {
	websocket: createWebSocketLink,
	events: (options, slots) => slots.withSlot(createEventsLink, options),
	longpoll: (options, slots) => slots.withSlot(createLongPollLink, options),
}
const ORDER = Object.keys(LINKS)
const MAX_SPREAD = 60000

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

export function createClient({ win, $, emit, connectNow }) {
	const config = (win.heartbeatSettings && win.heartbeatSettings.heartbeatd) || {}
	const conn = randomId(win)
	const rooms = createRooms(win)
	const answers = createAnswerCache(Date.now, config.lock_window)
	let ticket = null
	let cursor = ''
	let presence = '' // the presence handles of the last beat, as form fields
	let helloPresence = '' // what the hello said of presence
	let maxBody = 0
	let nudge = 0 // the timer of a nudge
	const state = { page: AWAKE, presence: SHOWN, beats: BY_LINK, lock: OWN }

	const slots = createSlots({ win, url: config.url, id: conn, freed: () => selector.reconsider(), random: Math.random })

	const selector = createTransportSelector({
		order: known(config.transports || ORDER),
		make: (name, calls) => LINKS[name](Object.assign({ url: config.url, win }, calls), slots),
		hello: () => ({ ticket: ticket.text, conn, after: cursor, body: (helloPresence = here()) }),
		isUp: () => isUp(win, config.url),
		may: (name) => name === 'websocket' || (win.document.visibilityState !== 'hidden' && slots.available()),
		othersLinked: slots.full,
		onFrame: received,
		onChange: changed,
		win,
		random: Math.random,
	})

	function known(names) {
		return [].concat(names).filter((name) => ORDER.includes(name) && (name !== 'events' || canStream(win)))
	}

	function changed(name, link, welcome) {
		answers.forget()
		if (welcome) {
			maxBody = Number(welcome.max_body) || 0
			if (welcome.cursor && epoch(welcome.cursor) !== epoch(cursor)) cursor = welcome.cursor
			// A beat may have gone to PHP while the link was opening.
			if (here() !== helloPresence) link.note(here())
		}
		reportErrors(win, () => emit('transport', [name || 'post']))
	}

	function received(frame) {
		if (frame.type === 'nudge') nudged(frame)
		else if (frame.type === 'push') pushed(frame)
		else if (frame.type === 'presence' && typeof frame.room === 'string') met(frame)
	}

	// What is for a user or for everyone has no room.
	function pushed({ cursor: newest, room, data }) {
		if (typeof newest === 'string') cursor = newest
		answers.pushed(room)
		reportErrors(win, () => emit('push', [{ room, data }]))
	}

	function met(frame) {
		const { room, snapshot, total, joined = [], updated = [], left = [] } = frame
		if (ticket && postOf(room)) {
			if (concernsOthers(frame, ticket.claims.sub, rooms.room(room).entries)) answers.forget()
			if (contestsLock(frame, ticket.claims.sub)) answers.contested()
		}
		rooms.receive(frame)
		const news = Array.isArray(snapshot) ? { room, snapshot, total } : { room, joined, updated, left }
		reportErrors(win, () => emit('presence', [news]))
	}

	function nudged(frame) {
		answers.forget()
		if (nudge) return
		const spread = Math.min(MAX_SPREAD, Math.max(0, Number(frame.spread_ms) || 0))
		nudge = win.setTimeout(() => {
			nudge = 0
			connectNow()
		}, Math.random() * spread)
	}

	function take(text) {
		if (!config.url || !text || (ticket && ticket.text === text)) return
		const next = readTicket(text, Date.now(), Math.random)
		if (!next) return
		ticket = next
		if (!mayRepeat(ticket, Date.now())) answers.forget()
		if (!selector.link) {
			if (state.page === AWAKE) selector.start()
			return
		}
		selector.link.ticket(text)
		selector.link.note(here()) // of a room that the last one no longer opened it went unheard
	}

	// What a beat says of presence, written as the beat itself would write it. Who
	// refreshes a post's lock is in its room.
	function presenceOf(fields) {
		const data = {}
		Object.keys(fields.data || {}).forEach((handle) => {
			if (handle.indexOf('presence-') === 0 || (handle === LOCK && state.lock === OWN)) data[handle] = fields.data[handle]
		})
		return $.param({ data, screen_id: fields.screen_id, has_focus: fields.has_focus })
	}

	const idleField = () => 'idle=' + Number(activity.idle)

	const here = () => (state.presence === HIDDEN ? '' : [presence, idleField()].filter(Boolean).join('&'))

	const activity = watchActivity(win, () => {
		if (selector.link) selector.link.note(here() || idleField()) // a page that was just hidden still has entries
	})

	const focused = () => !win.document.hasFocus || win.document.hasFocus()

	function says(fields) {
		presence = presenceOf(fields)
		state.presence = SHOWN
	}

	// Whoever asks for the lock is in the post's room with it, until PHP says that it
	// is another's.
	function locked(fields, answer) {
		const lock = answer && answer.lock_error ? OTHERS : OWN
		if (!answer || lock === state.lock) return
		state.lock = lock
		says(fields)
		if (selector.link) selector.link.note(here())
	}

	// A page need not wait for its first beat to be seen.
	function announce(data) {
		const settings = win.heartbeatSettings || {}
		says({ data, screen_id: win.pagenow || settings.screenId || 'front', has_focus: focused() })
		if (selector.link) selector.link.note(here())
	}

	// A hidden tab beats too rarely to say that its person has gone; a shown one
	// too late to say that they are back.
	win.document.addEventListener('visibilitychange', () => {
		state.presence = win.document.visibilityState === 'hidden' ? HIDDEN : SHOWN
		if (state.presence === SHOWN) activity.seen()
		if (selector.link) selector.link.note(here())
		selector.reconsider()
	})

	watchLeaving(win, selector.leaving, selector.reconsider)

	win.addEventListener('storage', (event) => isTransportHistory(event) && selector.reconsider())

	return {
		/** Starts; not before every part stands. */
		start: () => take(config.ticket),

		/** How the link would answer a beat, or null when it is for PHP. */
		plan(fields, body) {
			const { link } = selector
			if (!link || state.beats === BY_POST || body.length > maxBody || fields.wp_customize) return null
			const again = repeated(fields)
			const handles = Object.keys(fields.data).filter((handle) => !(handle in again))
			if (!isNative(ticket, handles, fields._nonce, Date.now())) return null
			return {
				/** A promise of the tick's text, or of null when PHP must be asked after all. */
				send() {
					says(fields)
					return link.beat(body).then((frame) => (stillGood(fields, again) ? tickText(frame, again) : null))
				},
				giveUp: () => selector.suspect(link),
			}
		},

		/**
		 * A beat goes to PHP: the link hears what it says of presence. Returns
		 * the connection id, so that one page is never taken for two.
		 */
		posted(fields) {
			says(fields)
			answers.ask()
			if (selector.link) selector.link.note(here())
			return ticket ? conn : ''
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
			if (!out) take(jqXHR.getResponseHeader('X-Heartbeatd-Ticket'))
			state.beats = BY_LINK
			locked(fields, response[LOCK])
			answers.learn(fields.data, response, hears)
		},

		/** A posted beat got no good answer: only PHP can say that all is well again. */
		failed() {
			state.beats = BY_POST
			answers.forget()
		},

		/** The page sleeps or wakes. */
		suspended(yes) {
			state.page = yes ? SUSPENDED : AWAKE
			if (yes) selector.stop()
			else if (isAlive(ticket, Date.now())) selector.start()
		},

		/** What pages get beside the nine methods. */
		extras: {
			room: rooms.room,
			transport: {
				get name() {
					return selector.name || 'post'
				},
				use: (names) => selector.use(known(names || config.transports || ORDER)),
				announce,
				leave() {
					if (selector.link) selector.link.leave()
				},
			},
		},
	}

	function repeated(fields) {
		return mayRepeat(ticket, Date.now()) ? answers.recall(fields) : {}
	}

	// What was good when the beat went out must be so when it is answered: there may
	// have been news, and a page that has lost the focus beats only in two minutes.
	function stillGood(fields, again) {
		const now = repeated(Object.assign({}, fields, { has_focus: fields.has_focus && focused() }))
		return Object.keys(again).every((handle) => handle in now)
	}

	// An answer may be repeated only if the page would hear of a change: it is in the
	// post's room, and PHP reaches heartbeatd.
	function hears(post) {
		const { rooms: heard } = (ticket && ticket.claims) || {}
		return Boolean(selector.link && heard && mayRepeat(ticket, Date.now())) && [].concat(heard).some((room) => postOf(room) === post)
	}
}

// The part of a cursor that names the stream. The page keeps its cursor until a push
// brings a newer one, or a welcome brings one of another stream.
const epoch = (cursor) => String(cursor || '').split('-')[0]

function tickText(frame, again) {
	if (!frame || frame.type !== 'tick' || frame.status !== 200 || typeof frame.body !== 'string') return null
	const handles = Object.keys(again).filter((handle) => again[handle])
	if (!handles.length) return frame.body
	try {
		const tick = JSON.parse(frame.body)
		handles.forEach((handle) => (tick[handle] = again[handle]))
		return JSON.stringify(tick)
	} catch (e) {
		return null
	}
}

function randomId(win) {
	const bytes = win.crypto.getRandomValues(new Uint8Array(16))
	return Array.from(bytes, (byte) => (byte + 256).toString(16).slice(1)).join('')
}
