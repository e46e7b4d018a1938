// The transport alone: WordPress's own heartbeat.js stays in place, and its beats go over a
// link whenever heartbeatd may answer them.

import { createEmitter } from './emitter.js'
import { createClient } from './client.js'
import { extend } from './extend.js'
import { registerAjaxTransport } from './ajaxtransport.js'

const win = window
const $ = win.jQuery
const heartbeat = () => win.wp && win.wp.heartbeat
const emit = createEmitter($, win)
const connectNow = () => heartbeat() && heartbeat().connectNow()
const client = createClient({ win, $, emit, connectNow, beatEarly: connectNow })

// Core does not say when it suspends a page, but its beats stop then.
const SUSPENDED_AFTER = 300000
let suspendTimer = 0
function sawBeat() {
	win.clearTimeout(suspendTimer)
	client.suspended(false)
	suspendTimer = win.setTimeout(() => client.suspended(true), Math.max(SUSPENDED_AFTER, 2000 * heartbeat().interval()))
}

function isCoreBeat(options) {
	const { data } = options
	const own = heartbeat() && data && data.action === 'heartbeat' && data.data && 'has_focus' in data && options.dataType === 'json'
	if (own) sawBeat()
	return own
}

function addExtras() {
	if (heartbeat() && !heartbeat().transport) extend(heartbeat(), client.extras)
}

function start() {
	registerAjaxTransport($, win, client, isCoreBeat)
	$(win).on('pagehide', () => client.suspended(true))
	$(win).on('pageshow', (event) => event.originalEvent.persisted && client.suspended(false))
	// Core's client may be loaded before this file or after it.
	addExtras()
	$(addExtras)
	client.start()
}

// The drop-in already has a link.
if (!heartbeat() || !heartbeat().transport) start()
