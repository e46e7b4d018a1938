// The drop-in: does what WordPress's own heartbeat.js does, and sends beats over a link
// whenever heartbeatd may answer them.
//
// A beat passes these modules:
//
//	core.js           starts it when interval.js says so, unless focus.js has suspended the
//	                  page; takes queue.js's data, sends the event heartbeat-send (emitter.js)
//	                  and calls $.ajax
//	ajaxtransport.js  jQuery asks it to carry the request; it asks client.js
//	client.js         returns a plan if there is a link, the ticket allows the beat (ticket.js)
//	                  and the answers that only PHP knows can be repeated (answercache.js)
//	websocket.js or   sends the beat over the link that transportselector.js keeps open, and
//	requestlink.js    resolves with its tick
//	ajaxtransport.js  posts the beat instead if there is no plan, no tick in time or a decline;
//	                  ticketrequests.js decides whether it asks PHP for a ticket
//	client.js         learns from the answer: a ticket, the lock, answers to repeat, and for
//	                  nudges.js whether PHP answers this page's beats
//	core.js           tells connection.js whether the site answered, and sends the event
//	                  heartbeat-tick or heartbeat-error

import { createEmitter } from './emitter.js'
import { createHeartbeat } from './core.js'
import { createClient } from './client.js'
import { extend } from './extend.js'
import { registerAjaxTransport } from './ajaxtransport.js'

const win = window
const $ = win.jQuery
const emit = createEmitter($, win)
const client = createClient({ win, $, emit, connectNow: () => win.wp.heartbeat.connectNow(), beatEarly: () => core.beatEarly() })

// The options of the drop-in's own requests. They are compared by identity: other code may
// send the same fields.
const own = new WeakSet()
registerAjaxTransport($, win, client, (options) => own.has(options))

const core = createHeartbeat({
	win,
	$,
	emit,
	ajax(options) {
		own.add(options)
		return $.ajax(options)
	},
	suspended: client.suspended,
})
win.wp = win.wp || {}
win.wp.heartbeat = core.heartbeat
extend(win.wp.heartbeat, client.extras)
client.start()
