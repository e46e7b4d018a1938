// wp.heartbeat itself: the queue, the rhythm, one beat at a time, its tick and
// its errors. It knows nothing of links; it calls $.ajax and jQuery's transport
// decides what carries the beat.

import { FAST, SECOND, parseInterval, readSettings } from './settings.js'
import { watchAttention } from './attention.js'

const UNFOCUSED = 120 * SECOND
const TIMEOUT = 30 * SECOND

/**
 * @param {object} page
 * @param {Window} page.win
 * @param {Function} page.$ jQuery
 * @param {Function} page.emit see events.js
 * @param {Function} page.ajax sends one beat, returns a jqXHR
 * @param {Function} page.suspended told true or false when the page is suspended or resumed
 */
export function createHeartbeat({ win, $, emit, ajax, suspended }) {
	const settings = readSettings(win)
	const state = {
		queue: {},
		lastTick: 0,
		main: settings.interval,
		temporary: 0,
		temporaryBeats: 0,
		focused: true,
		suspended: false,
		maySuspend: settings.maySuspend,
		connecting: false,
		everConnected: false,
		lost: false,
		errors: 0,
		timer: 0,
		xhr: null,
	}
	const now = () => new Date().getTime()
	const has = (handle) => Object.prototype.hasOwnProperty.call(state.queue, handle)

	function schedule() {
		// The timer of a suspended page stays: it may be resumed before it is due.
		if (state.suspended) return
		win.clearTimeout(state.timer)
		const rest = nextInterval() - (now() - state.lastTick)
		if (rest > 0) state.timer = win.setTimeout(beat, rest)
		else beat()
	}

	function nextInterval() {
		let interval = state.main
		if (!state.focused) {
			interval = UNFOCUSED
		} else if (state.temporaryBeats > 0 && state.temporary) {
			interval = state.temporary
			if (--state.temporaryBeats < 1) state.temporary = 0
		}
		return Math.max(interval, settings.minimal)
	}

	function beat() {
		if (state.connecting || state.suspended) return
		state.lastTick = now()
		const data = $.extend({}, state.queue)
		state.queue = {}
		let announced = false
		try {
			emit('send', [data])
			announced = true
		} finally {
			// A handler that throws costs its own beat, not all that follow.
			if (!announced) schedule()
		}
		state.connecting = true
		state.xhr = ajax({
			url: settings.url,
			type: 'post',
			timeout: TIMEOUT,
			data: fields(data),
			dataType: 'json',
		})
			.always(() => {
				state.connecting = false
				schedule()
			})
			.done(tick)
			.fail((jqXHR, textStatus, error) => {
				failed(textStatus || 'unknown', jqXHR.status)
				emit('error', [jqXHR, textStatus, error])
			})
	}

	function fields(data) {
		const given = win.heartbeatSettings
		const body = {
			data,
			interval: state.temporary ? state.temporary / SECOND : state.main / SECOND,
			_nonce: given && typeof given === 'object' ? given.nonce : '',
			action: 'heartbeat',
			screen_id: settings.screenId,
			has_focus: state.focused,
		}
		if (settings.screenId === 'customize') body.wp_customize = 'on'
		return body
	}

	function tick(response, textStatus, jqXHR) {
		if (!response) {
			failed('empty')
			return
		}
		restored()
		if (response.nonces_expired) emit('nonces-expired')
		const speed = response.heartbeat_interval
		if (speed) delete response.heartbeat_interval
		takeNonces(response)
		emit('tick', [response, textStatus, jqXHR])
		if (speed) interval(speed)
	}

	function takeNonces(response) {
		if (response.heartbeat_nonce && typeof win.heartbeatSettings === 'object') {
			win.heartbeatSettings.nonce = response.heartbeat_nonce
			delete response.heartbeat_nonce
		}
		if (response.rest_nonce && typeof win.wpApiSettings === 'object') {
			win.wpApiSettings.nonce = response.rest_nonce
		}
	}

	function failed(error, status) {
		if (error === 'abort') return
		let nowLost = error === 'timeout'
		if (error === 'error' && status === 503 && state.everConnected) {
			nowLost = true
		} else if (!nowLost) {
			state.errors++
			nowLost = state.errors > 2 && state.everConnected
		}
		if (nowLost && !state.lost) {
			state.lost = true
			emit('connection-lost', [error, status])
		}
	}

	function restored() {
		state.everConnected = true
		if (!state.lost) return
		state.errors = 0
		state.lost = false
		emit('connection-restored')
	}

	function interval(speed, ticks) {
		if (speed === 'long-polling') {
			// Beats follow each other without a pause, from the next one on.
			state.main = 0
			return 0
		}
		if (speed) {
			const before = state.temporary || state.main
			setInterval(parseInterval(speed, settings), parseInt(ticks, 10))
			if ((state.temporary || state.main) !== before) schedule()
		}
		return (state.temporary || state.main) / SECOND
	}

	function setInterval(wanted, beats) {
		if (wanted === FAST) {
			state.temporary = wanted
			state.temporaryBeats = beats >= 1 && beats <= 30 ? beats : 30
		} else {
			state.temporary = 0
			state.temporaryBeats = 0
			state.main = wanted
		}
	}

	function start() {
		state.lastTick = now()
		schedule()
	}

	watchAttention({ win, $, state, now, schedule, suspended })
	$(start)

	return {
		hasFocus: () => state.focused,
		connectNow() {
			state.lastTick = 0
			schedule()
		},
		disableSuspend() {
			state.maySuspend = false
		},
		interval,
		hasConnectionError: () => state.lost,
		enqueue(handle, data, noOverwrite) {
			if (!handle) return false
			if (noOverwrite && has(handle)) return false
			state.queue[handle] = data
			return true
		},
		dequeue(handle) {
			if (handle) delete state.queue[handle]
		},
		isQueued(handle) {
			if (handle) return has(handle)
		},
		getQueuedItem(handle) {
			if (handle && has(handle)) return state.queue[handle]
		},
	}
}
