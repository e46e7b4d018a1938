// Watches focus, visibility and input. They decide how often the page beats, and whether it
// is suspended and does not beat.

import { eachDocument } from './activity.js'
import { SECOND } from './settings.js'

const NAMESPACE = '.wp-heartbeat-active'
const ACTIVITY = ['mouseover', 'keyup', 'touchend'].map((type) => type + NAMESPACE).join(' ')
const IDLE = 300 * SECOND
const SUSPEND = 600 * SECOND
const SUSPEND_ALWAYS = 3600 * SECOND

export function watchFocusAndActivity({ win, $, state, now, schedule, suspended }) {
	const doc = win.document
	// Zero until the first input. Zero counts as not idle, as in core.
	let lastActivity = 0
	let listening = false
	let focusTimer = 0

	function suspend(yes) {
		if (state.suspended === yes) return
		state.suspended = yes
		suspended(yes)
	}

	function focused() {
		lastActivity = now()
		suspend(false)
		if (!state.focused) {
			state.focused = true
			schedule()
		}
	}

	function checkFocus() {
		if (!doc.hasFocus()) state.focused = false
		else if (!state.focused) focused()
	}

	function active() {
		listening = false
		eachDocument(doc, (inner) => $(inner).off(NAMESPACE))
		focused()
	}

	function checkActivity() {
		const idle = lastActivity ? now() - lastActivity : 0
		if (idle > IDLE) state.focused = false
		if ((state.maySuspend && idle > SUSPEND) || idle > SUSPEND_ALWAYS) suspend(true)
		if (listening) return
		listening = true
		eachDocument(doc, (inner) => $(inner).on(ACTIVITY, active))
	}

	function watchFocus() {
		if (doc.hasFocus) focusTimer = win.setInterval(checkFocus, 10 * SECOND)
	}

	function visibilityChanged() {
		if (doc.visibilityState === 'hidden') {
			state.focused = false
			win.clearInterval(focusTimer)
		} else {
			focused()
			watchFocus()
		}
	}

	if (doc.hidden) state.focused = false
	watchFocus()
	$(doc).on('visibilitychange.wp-heartbeat', visibilityChanged)
	$(win)
		.on('pagehide.wp-heartbeat', () => {
			suspend(true)
			if (state.xhr && state.xhr.readyState !== 4) state.xhr.abort()
		})
		.on('pageshow.wp-heartbeat', (event) => {
			if (event.originalEvent.persisted) focused()
		})
	win.setInterval(checkActivity, 30 * SECOND)
}
