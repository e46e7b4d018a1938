// The transport alone: WordPress's own heartbeat.js stays in place, and its
// beats travel over a link whenever heartbeatd may answer them.

import { createEmitter } from './events.js'
import { createLive } from './live.js'
import { extend } from './extend.js'
import { registerTransport } from './transport.js'

const win = window
const $ = win.jQuery
const heartbeat = () => win.wp && win.wp.heartbeat
const emit = createEmitter($, win)
const live = createLive({ win, $, emit, connectNow: () => heartbeat() && heartbeat().connectNow() })

// Core does not say when it suspends a page, but its beats stop then.
const QUIET = 300000
let quiet = 0
function alive() {
	win.clearTimeout(quiet)
	live.suspended(false)
	quiet = win.setTimeout(() => live.suspended(true), Math.max(QUIET, 2000 * heartbeat().interval()))
}

function isCores(options) {
	const { data } = options
	const own = heartbeat() && data && data.action === 'heartbeat' && data.data && 'has_focus' in data && options.dataType === 'json'
	if (own) alive()
	return own
}

function addExtras() {
	if (heartbeat() && !heartbeat().transport) extend(heartbeat(), live.extras)
}

function start() {
	registerTransport($, win, live, isCores)
	$(win).on('pagehide', () => live.suspended(true))
	$(win).on('pageshow', (event) => event.originalEvent.persisted && live.suspended(false))
	// Core's client may be loaded before this file or after it.
	addExtras()
	$(addExtras)
	live.start()
}

// The drop-in has a link of its own.
if (!heartbeat() || !heartbeat().transport) start()
