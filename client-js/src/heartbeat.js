// The drop-in: everything WordPress's own heartbeat.js does, with its beats
// over a link whenever heartbeatd may answer them.

import { createEmitter } from './events.js'
import { createHeartbeat } from './core.js'
import { createLive } from './live.js'
import { extend } from './extend.js'
import { registerTransport } from './transport.js'

const win = window
const $ = win.jQuery
const emit = createEmitter($, win)
const live = createLive({ win, $, emit, connectNow: () => win.wp.heartbeat.connectNow() })

// Told by identity: whatever is not this very object is somebody else's request.
const own = new WeakSet()
registerTransport($, win, live, (options) => own.has(options))

win.wp = win.wp || {}
win.wp.heartbeat = createHeartbeat({
	win,
	$,
	emit,
	ajax(options) {
		own.add(options)
		return $.ajax(options)
	},
	suspended: live.suspended,
})
extend(win.wp.heartbeat, live.extras)
live.start()
