// Runs one scenario in a new realm: an iframe with a fake clock, a fake network, a document with
// settable focus and visibility, jQuery, wp.hooks and the client.

import { installClock, settle } from './clock.js'
import { installNet } from './net.js'

const EVENTS = ['send', 'tick', 'error', 'connection-lost', 'connection-restored', 'nonces-expired']

// An empty iframe is ready at once; loading one takes 30 ms.
function frame() {
	const element = document.createElement('iframe')
	document.body.append(element)
	sessionStorage.clear()
	localStorage.clear()
	return element
}

/** Runs a scenario and returns its trace, a list of lines. */
export async function run(scenario, { scripts, client, link, hashes }) {
	const element = frame()
	const win = element.contentWindow
	const trace = []
	const log = (text) => trace.push(`${clock.time - 1700000000000} ${text}`)
	const thrown = (e) => log(`throw ${e && e.message}`)
	const clock = installClock(win, thrown)
	win.Math.random = () => 0.5
	const doc = disguise(win)
	const page = scenario.page || {}
	Object.assign(win, JSON.parse(JSON.stringify(page)))
	const { net, ticket } = installNet(win, { clock, answers: scenario.answers || [], log, link, hashes })
	if (link && win.heartbeatSettings) {
		win.heartbeatSettings.heartbeatd = { url: 'http://heartbeatd.test/heartbeat', ticket: ticket(), transports: [link] }
	}
	win.addEventListener('error', (event) => {
		event.preventDefault()
		thrown(event.error)
	})
	win.expectedUrl = page.ajaxurl || (page.heartbeatSettings && page.heartbeatSettings.ajaxurl) || win.location.href
	if (scenario.hidden) doc.visible = false
	scripts.forEach((source) => win.eval(source))
	if (scenario.before) win.eval(scenario.before)
	win.eval(client)
	if (scenario.numbered) number(win)
	listen(win, log)
	// The scenarios start when the link is open. Long-poll takes 200 ms to get its slot.
	await clock.advance(200)
	const context = { win, clock, log, thrown, doc }
	for (const step of scenario.steps) await take(context, step)
	element.remove()
	return { trace, overLink: net.overLink, beats: net.beats }
}

function disguise(win) {
	const doc = { focus: true, visible: true }
	win.document.hasFocus = () => doc.focus
	const state = { get: () => (doc.visible ? 'visible' : 'hidden'), configurable: true }
	Object.defineProperty(win.document, 'visibilityState', state)
	Object.defineProperty(win.document, 'hidden', { get: () => !doc.visible, configurable: true })
	return doc
}

// Handlers can start several beats at the same time; they have numbers.
function number(win) {
	let beats = 0
	win.jQuery(win.document).on('heartbeat-send', (event, data) => void (data.n = ++beats))
}

function listen(win, log) {
	const { jQuery: $, wp } = win
	for (const name of EVENTS) {
		$(win.document).on(`heartbeat-${name}`, (event, ...args) => log(`event ${name} ${show(args)}`))
		if (wp.hooks) wp.hooks.addAction(`heartbeat.${name}`, 'lab', (...args) => log(`action ${name} ${show(args)}`))
	}
	$(win.document).on('ajaxSend ajaxSuccess ajaxError ajaxComplete', (event, jqXHR, settings) =>
		log(`${event.type} ${settings.type} ${settings.url} ${settings.data} ${show([jqXHR])}`)
	)
}

function show(args) {
	return args.map((arg) => (arg && arg.getResponseHeader ? showXHR(arg) : JSON.stringify(arg))).join(' ')
}

const showXHR = (xhr) =>
	`xhr(${xhr.readyState} ${xhr.status} ${xhr.statusText} ${xhr.responseText} ${JSON.stringify(xhr.responseJSON)} ${xhr.getResponseHeader('content-type')})`

async function take(context, [kind, ...args]) {
	context.clock.nextTurn()
	if (kind === 'advance') {
		await context.clock.advance(args[0])
		return
	}
	try {
		STEPS[kind](context, ...args)
	} catch (e) {
		context.thrown(e)
	}
	await settle()
}

const STEPS = {
	call({ win, log }, method, ...args) {
		log(`call ${method} ${JSON.stringify(args)} = ${JSON.stringify(win.wp.heartbeat[method](...args))}`)
	},
	state({ win, log }) {
		const h = win.wp.heartbeat
		log(`state ${h.hasFocus()} ${h.hasConnectionError()} ${h.interval()}`)
	},
	focus({ doc }, focus) {
		doc.focus = focus
	},
	visible({ win, doc }, visible) {
		// Browsers fire the event only for changes.
		if (doc.visible === visible) return
		doc.visible = visible
		win.document.dispatchEvent(new win.Event('visibilitychange'))
	},
	event({ win }, type, where) {
		const inner = where === 'frame' ? win.document.querySelector('iframe').contentDocument : win.document
		inner.body.dispatchEvent(new win.Event(type, { bubbles: true }))
	},
	addFrame({ win }) {
		win.document.body.append(win.document.createElement('iframe'))
	},
	pagehide({ win }) {
		win.dispatchEvent(new win.PageTransitionEvent('pagehide', { persisted: true }))
	},
	pageshow({ win }, persisted) {
		win.dispatchEvent(new win.PageTransitionEvent('pageshow', { persisted }))
	},
	windowEvent({ win }, type) {
		win.dispatchEvent(new win.Event(type))
	},
	jump({ clock }, ms) {
		clock.jump(ms)
	},
	set({ win }, path, value) {
		const keys = path.split('.')
		const last = keys.pop()
		keys.reduce((object, key) => object[key], win)[last] = value
	},
	eval({ win }, source) {
		win.eval(source)
	},
	handler({ win }, on, via, act, times = Infinity) {
		const handle = (...args) => {
			if (times-- <= 0) return undefined
			return ACTS[act[0]](win, via === 'event' ? args.slice(1) : args, ...act.slice(1))
		}
		if (via === 'event') win.jQuery(win.document).on(`heartbeat-${on}.acts`, handle)
		else win.wp.hooks.addAction(`heartbeat.${on}`, `acts/${Math.random()}`, handle)
	},
}

const ACTS = {
	delete: (win, [data], key) => void (data && delete data[key]),
	add: (win, [data], key, value) => void (data && (data[key] = value)),
	throw: () => {
		throw new Error('handler')
	},
	false: () => false,
	call: (win, args, method, ...rest) => void win.wp.heartbeat[method](...rest),
	abort: (win, [jqXHR]) => void (jqXHR && jqXHR.abort && jqXHR.abort()),
}
