// Keeps a link open over the best transport that works. It tries the transports in order
// and keeps the first that opens. If none opens, it tries again after a growing delay. If
// the current one is not the first, it tries the better ones later. Beats do not wait for a
// link: without one they are posted.
//
//	stopped ── start() ────────────────────────────────────────▶ trying: no link yet
//	trying ─── a transport opens ──────────────────────────────▶ linked
//	trying ─── all fail together ──────────────────────────────▶ backing off
//	trying ─── they fail while others work, or are refused ────▶ waiting: each has its own time
//	backing off, waiting ── the time is over ──────────────────▶ trying
//	linked ─── a better transport may be tried again ──────────▶ climbing: the link stays open
//	climbing ─ a better one opens, or all of them fail ────────▶ linked
//	climbing ─ its session replaced the link, and it fails ────▶ trying, without what failed
//	linked ─── move() ─────────────────────────────────────────▶ climbing, to the same transport, too
//	linked, climbing ── the link dies ─────────────────────────▶ backing off
//	any ────── the ticket is refused, or leave() ──────────────▶ blocked, until start()
//	any ────── stop() ─────────────────────────────────────────▶ stopped
//
// A transport that may not be used at the moment, for example in a hidden tab, is skipped, and a
// link over it is closed. reconsider() tries again.

import { LEFT, PROTOCOL, REPLACED, TICKET, TOO_MANY } from './closecodes.js'
import { AWAY, CLOSED, isFirefox } from './link.js'
import { countdown } from './countdown.js'
import { createTransportHistory } from './transporthistory.js'

const OPEN_TIMEOUT = 5000
// For a transport that has worked before, in Firefox: it delays new sockets to a host that failed.
const KNOWN_TIMEOUT = 15000
// After this time, transports are tried even if heartbeatd seems to be down.
const TRY_ANYWAY = 300000
const BACKOFF = 1000
const BACKOFF_MAX = 30000
// The same if no transport has ever worked: the server may refuse all pages permanently.
const UNKNOWN_MAX = 300000
// A link that has lasted for this time shows that its transport works.
const PROVEN = 10000
const FLAPS = 3
// How often a page retries a transport that has worked for it while another one is refused.
const RETRIES = 12
// The shortest time to wait before a page reconnects after a navigation has closed its link.
const AWAY_WAIT = 3000

/**
 * @param {object} deps
 * @param {string[]} deps.order names of transports, best first
 * @param {Function} deps.make (name, {onFrame, onClosed}) → link, see link.js
 * @param {Function} deps.hello () → the hello's fields
 * @param {Function} deps.isUp () → Promise<boolean>, whether heartbeatd answers a plain request
 * @param {Function} deps.may (name) → whether the transport may be used at this moment
 * @param {Function} deps.othersLinked () → whether other pages of this browser have the
 *     links that this one may not have
 * @param {Function} deps.onFrame (frame)
 * @param {Function} deps.onChange (name or '', link or null, welcome)
 * @param {Window} deps.win timers, storage, console
 * @param {Function} deps.random
 */
export function createTransportSelector({ order, make, hello, isUp, may, othersLinked, onFrame, onChange, win, random }) {
	const refused = new Set()
	const flaps = {}
	const history = createTransportHistory(win)
	let wanted = false
	let blocked = false
	let current = null
	let trying = null
	let generation = 0
	let renewed = false
	let round = 0
	let timer = 0
	let maybeDown = false // heartbeatd may be down
	let lastTry = 0 // when the transports were tried last
	let moving = false // heartbeatd has asked for a link to another node

	// The transports to try: the current one again if the page moves.
	const better = () => (current ? order.slice(0, order.indexOf(current.name) + moving) : order)
	const usable = () => better().filter((name) => !refused.has(name) && !history.waitOf(name) && may(name))

	function connectAfter(delay) {
		win.clearTimeout(timer)
		timer = win.setTimeout(connect, delay)
	}

	async function connect() {
		win.clearTimeout(timer)
		if (!wanted || blocked || trying) return
		const own = ++generation
		// A new session ends the old one: the current link may be gone when a climb fails.
		const linked = current
		const failed = []
		let byOther = false
		// Every socket that fails makes Firefox delay the next ones, by up to a minute.
		const since = Date.now() - lastTry
		if (maybeDown && since >= 0 && since < TRY_ANYWAY) {
			const answers = await isUp()
			if (own !== generation) return
			if (!answers) {
				backOff()
				return
			}
		}
		lastTry = Date.now()
		for (const name of usable()) {
			if (!may(name)) continue // the tab was hidden while another one was tried
			const close = await attempt(name)
			if (own !== generation) return
			if (!close) {
				failed.forEach((other) => history.failed(other))
				retryLater()
				return
			}
			if (handleClose(name, close)) {
				// heartbeatd has answered: the transports before this one failed by themselves.
				if (close.code === TOO_MANY) failed.forEach((other) => history.failed(other))
				return
			}
			if (close.reason) byOther = refuse(name, close.reason)
			// A transport that may not be used any more has not failed.
			else if (may(name)) failed.push(name)
		}
		// A failure is remembered if this page or another one has a link, or if a transport is
		// refused while heartbeatd is up. Otherwise all of them failed, and the cause is elsewhere.
		const had = round < RETRIES && failed.some((name) => flaps[name] === 0)
		const alone = (linked && !moving) || othersLinked() || (anyRefused() && !had && (!failed.some(history.isKnown) || (await isUp())))
		if (own !== generation) return
		// A socket does not say why it failed: one that has never worked was refused, too.
		if (alone) failed.forEach((name) => (byOther && !history.isKnown(name) ? history.refused(name) : history.failed(name)))
		// One may have become usable in the meantime.
		if (usable().some((name) => !failed.includes(name))) {
			connectAfter(random() * BACKOFF)
		} else if (alone || !failed.length) {
			retryLater()
		} else {
			maybeDown = true
			backOff()
		}
	}

	// Another program than heartbeatd answered, and would answer again.
	function refuse(name, reason) {
		const time = history.refused(name)
		if (time) win.console.warn('heartbeatd: no ' + name + ' for ' + time / 60000 + ' minutes: ' + reason)
		return true
	}

	const anyRefused = () => order.some(history.isRefused)

	// Connects again when a transport that is better than the current one may be tried. If one
	// was refused, all pages of the browser wait for the same time. A random delay lets one of
	// them try first; if it is refused again, the others keep waiting.
	function retryLater() {
		const times = better()
			.filter((name) => !refused.has(name))
			.map(history.waitOf)
			.filter(Boolean)
		if (times.length) connectAfter(Math.min(...times) + random() * (anyRefused() ? BACKOFF_MAX : BACKOFF))
	}

	function backOff(least = 0) {
		const most = order.some(history.isKnown) ? BACKOFF_MAX : UNKNOWN_MAX
		connectAfter(least + random() * Math.min(most, BACKOFF * 2 ** Math.min(round++, 10)))
	}

	// Opens one transport. Resolves to null when it is open, else to its close.
	function attempt(name) {
		return new Promise((resolve) => {
			const link = make(name, { onFrame, onClosed: (close) => down(link, close) })
			const stop = countdown(win, history.isKnown(name) && isFirefox(win) ? KNOWN_TIMEOUT : OPEN_TIMEOUT, () => finish(CLOSED))
			trying = { name, link, finish }
			renewed = false
			// A session that is opened ends the one before: the current link goes on until the
			// test has passed.
			const tested = current && link.test ? link.test().then(() => link.open(hello())) : link.open(hello())
			tested.then((welcome) => finish(null, welcome), finish)
			function finish(close, welcome) {
				if (!trying || trying.link !== link) return
				stop()
				trying = null
				if (close) link.close()
				else up(name, link, welcome)
				resolve(close)
			}
		})
	}

	function up(name, link, welcome) {
		const old = current
		moving = false
		current = { name, link, since: Date.now() }
		if (old) old.link.close()
		maybeDown = false
		history.worked(name)
		win.setTimeout(() => current && current.link === link && history.forget(name), PROVEN)
		onChange(name, link, welcome)
	}

	function down(link, close) {
		if (!current || current.link !== link) return
		const { name, since } = current
		current = null
		// The link that is being opened has replaced this one, or is to replace it.
		const climbed = trying && (moving || close.code === REPLACED)
		if (!climbed) abandon()
		const proven = Date.now() - since >= PROVEN
		if (proven) {
			round = 0
			flaps[name] = 0
		}
		onChange('', null)
		if (climbed) return
		// If the close has a reason, the transport has not failed.
		if (handleClose(name, close)) return
		if (close.reason) {
			refuse(name, close.reason)
			connect()
			return
		}
		if (!proven) flapped(name)
		lastTry = Date.now()
		maybeDown = true
		backOff()
	}

	// The last transport of the list is never skipped: there is none after it.
	function flapped(name) {
		flaps[name] = (flaps[name] || 0) + 1
		if (flaps[name] % FLAPS === 0 && name !== order[order.length - 1]) history.flapped(name)
	}

	// Acts on the code of a close. Returns false if the transport counts as failed.
	function handleClose(name, close) {
		switch (close.code) {
			case PROTOCOL:
				refused.add(name)
				return false
			case TICKET:
			case LEFT:
				// hello() may have a newer ticket than the one that was refused.
				if (renewed) connectAfter(0)
				else blocked = true
				return true
			case AWAY:
				backOff(AWAY_WAIT)
				return true
			default:
				if (!close.retryAfter) return false
				round = 0 // heartbeatd was up, and says when to come back
				connectAfter(close.retryAfter)
				return true
		}
	}

	function abandon() {
		generation++
		win.clearTimeout(timer)
		if (trying) trying.finish(CLOSED)
	}

	function disconnect(link, close) {
		link.close()
		down(link, close)
	}

	function drop() {
		abandon()
		if (!current) return
		current.link.close()
		current = null
		onChange('', null)
	}

	return {
		get link() {
			return current && current.link
		},
		get name() {
			return current ? current.name : ''
		},
		start() {
			renewed = Boolean(trying)
			if (wanted && !blocked) return
			wanted = true
			blocked = false
			round = 0
			connect()
		},
		/** Closes the link until start(). */
		stop() {
			wanted = false
			drop()
		},
		/** Whether transports may be used has changed (a tab was shown or hidden). */
		reconsider() {
			if (current && !may(current.name)) drop()
			if (trying && !may(trying.name)) trying.finish(CLOSED)
			else if (!current) connect()
		},
		/** heartbeatd asks the page to go to another node: the link stays until the next one is open. */
		move() {
			moving = true
			connect()
		},
		/** The link did not answer in time: it counts as dead. */
		suspect: (link) => disconnect(link, CLOSED),
		/** The page is about to be left: closes the link, and opens it again if the page stays. */
		leaving() {
			if (current) disconnect(current.link, { code: AWAY })
		},
		/** Leaves at once, and opens no other link until start(). */
		leave() {
			blocked = true
			abandon()
			if (current) current.link.leave()
		},
		use(names) {
			order = names.slice()
			refused.clear()
			names.forEach(history.forget)
			if (current && order[0] === current.name) return
			drop()
			connect()
		},
	}
}
