// wp.heartbeat: sends one beat at a time, and handles its tick and its errors. It calls
// $.ajax for each beat; ajaxtransport.js decides whether the beat goes over a link.

import { SECOND, readSettings } from './settings.js'
import { createConnection } from './connection.js'
import { createQueue } from './queue.js'
import { createInterval } from './interval.js'
import { watchFocusAndActivity } from './focus.js'

const TIMEOUT = 30 * SECOND
// The longest time from an early beat to the next one: the lock of a post expires after 150 s
// without a beat. The interval of a page without the focus is as long.
const GAP_MAX = 120 * SECOND

const now = () => Date.now()
const isObject = (value) => value && typeof value === 'object'

/**
 * @param {object} page
 * @param {Window} page.win
 * @param {Function} page.$ jQuery
 * @param {Function} page.emit see emitter.js
 * @param {Function} page.ajax sends one beat, returns a jqXHR
 * @param {Function} page.suspended (yes) called when the page is suspended or resumed
 * @returns {{heartbeat: object, beatEarly: Function}} wp.heartbeat, and what client.js calls besides
 */
export function createHeartbeat({ win, $, emit, ajax, suspended }) {
	const settings = readSettings(win)
	const beatInterval = createInterval(settings)
	const queue = createQueue()
	const connection = createConnection(emit)
	const state = { focused: true, suspended: false, maySuspend: settings.maySuspend, xhr: null }
	let lastTick = 0 // when the last beat was sent; if it came early, when it was due
	let sentEarly = Infinity // when the last beat was sent, if it came early
	let connecting = false
	let timer = 0
	let due = 0 // when the next beat is due
	let early = false // the next beat comes before it is due

	function schedule() {
		// The timer of a suspended page stays: it may be resumed before it is due.
		if (state.suspended) return
		win.clearTimeout(timer)
		const next = beatInterval.next(state.focused)
		due = lastTick + next
		if (next <= GAP_MAX) due = Math.min(due, sentEarly + GAP_MAX)
		const rest = due - now()
		if (rest > 0 && !early) timer = win.setTimeout(beat, rest)
		else beat()
	}

	// The interval or the focus has changed: the next beat no longer depends on when an early
	// one was due.
	function reschedule() {
		lastTick = Math.min(lastTick, now())
		schedule()
	}

	function beat() {
		if (connecting || state.suspended) return
		lastTick = early ? Math.max(due, now()) : now()
		sentEarly = early ? now() : Infinity
		early = false
		// $.extend leaves out what is undefined, as core's request does.
		const data = $.extend({}, queue.take())
		emitSend(data)
		connecting = true
		state.xhr = ajax({ url: settings.url, type: 'post', timeout: TIMEOUT, data: fields(data), dataType: 'json' })
			.always(() => {
				connecting = false
				schedule()
			})
			.done(tick)
			.fail((jqXHR, textStatus, error) => {
				connection.failed(textStatus || 'unknown', jqXHR.status)
				emit('error', [jqXHR, textStatus, error])
			})
	}

	// If a handler throws, this beat is lost, and the next one is scheduled.
	function emitSend(data) {
		try {
			emit('send', [data])
		} catch (e) {
			win.clearTimeout(timer)
			timer = win.setTimeout(schedule, SECOND)
			throw e
		}
	}

	function fields(data) {
		const given = win.heartbeatSettings
		const body = {
			data,
			interval: beatInterval.seconds(),
			_nonce: isObject(given) ? given.nonce : '',
			action: 'heartbeat',
			screen_id: settings.screenId,
			has_focus: state.focused,
		}
		if (settings.screenId === 'customize') body.wp_customize = 'on'
		return body
	}

	function tick(response, textStatus, jqXHR) {
		if (!response) {
			connection.failed('empty')
			return
		}
		connection.answered()
		if (response.nonces_expired) emit('nonces-expired')
		const speed = response.heartbeat_interval
		if (speed) delete response.heartbeat_interval
		takeNonces(win, response)
		emit('tick', [response, textStatus, jqXHR])
		if (speed) interval(speed)
	}

	function interval(speed, ticks) {
		if (speed === 'long-polling') {
			beatInterval.longPolling()
			return 0
		}
		if (speed && beatInterval.set(speed, ticks)) reschedule()
		return beatInterval.seconds()
	}

	function connectNow() {
		lastTick = 0
		early = false
		schedule()
	}

	// Beats now instead of when the next beat is due. The beats after it come when they would
	// have come, so the page beats no more often, unless GAP_MAX is over before.
	function beatEarly() {
		if (state.suspended) return
		early = true
		schedule()
	}

	watchFocusAndActivity({ win, $, state, now, schedule: reschedule, suspended })
	$(() => {
		lastTick = now()
		schedule()
	})

	const heartbeat = {
		hasFocus: () => state.focused,
		connectNow,
		disableSuspend: () => void (state.maySuspend = false),
		interval,
		hasConnectionError: connection.isLost,
		enqueue: queue.enqueue,
		dequeue: queue.dequeue,
		isQueued: queue.isQueued,
		getQueuedItem: queue.getQueuedItem,
	}
	return { heartbeat, beatEarly }
}

// The next beat uses the new nonces. rest_nonce stays in the tick: other code reads it there.
function takeNonces(win, response) {
	if (response.heartbeat_nonce && isObject(win.heartbeatSettings)) {
		win.heartbeatSettings.nonce = response.heartbeat_nonce
		delete response.heartbeat_nonce
	}
	if (response.rest_nonce && isObject(win.wpApiSettings)) {
		win.wpApiSettings.nonce = response.rest_nonce
	}
}
