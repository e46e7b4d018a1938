// The transport alone: WordPress's own heartbeat.js stays in place, and its
// beats travel over a link whenever heartbeatd may answer them.

import { createEmitter } from './emitter.js'
import { createClient } from './client.js'
import { extend } from './extend.js'
import { registerAjaxTransport } from './ajaxtransport.js'

const win = window
const $ = win.jQuery
const heartbeat = () => win.wp && win.wp.heartbeat
const emit = createEmitter($, win)
const client = createClient({ win, $, emit, connectNow: () => heartbeat() && heartbeat().connectNow() })

// Core does not say when it suspends a page, but its beats stop then.
const QUIET = 300000
let quiet = 0
function alive() {
	win.clearTimeout(quiet)
	client.suspended(false)
	quiet = win.setTimeout(() => client.suspended(true), Math.max(QUIET, 2000 * heartbeat().interval()))
}

function isCores(options) {
	const { data } = options
	const own = heartbeat() && data && data.action === 'heartbeat' && data.data && 'has_focus' in data && options.dataType === 'json'
	if (own) alive()
	return own
}

function addExtras() {
	if (heartbeat() && !heartbeat().transport) extend(heartbeat(), client.extras)
}

function start() {
	registerAjaxTransport($, win, client, isCores)
	$(win).on('pagehide', () => client.suspended(true))
	$(win).on('pageshow', (event) => event.originalEvent.persisted && client.suspended(false))
	// Core's client may be loaded before this file or after it.
	addExtras()
	$(addExtras)
	client.start()
}

// The drop-in has a link of its own.
if (!heartbeat() || !heartbeat().transport) start()
