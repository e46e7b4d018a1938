// Keeps a link open over the best transport that works. It tries the transports in order
// and keeps the first that opens. If none opens, it tries again after a growing delay. If
// the current one is not the first, it tries the better ones later. Beats do not wait for a
// link: without one they are posted.
//
//	stopped ── start() ────────────────────────────────────────▶ trying: no link yet
//	trying ─── a transport opens ──────────────────────────────▶ linked
//	trying ─── all fail together ──────────────────────────────▶ backing off
//	trying ─── they fail while others work, or are refused ────▶ resting: each has its own time
//	backing off, resting ── the time is over ──────────────────▶ trying
//	linked ─── a better transport may be tried again ──────────▶ climbing: the link stays meanwhile
//	climbing ─ a better one opens, or all of them fail ────────▶ linked
//	climbing ─ its session replaced the link, and it fails ────▶ trying, without what failed
//	linked, climbing ── the link dies ─────────────────────────▶ backing off
//	any ────── the ticket is refused, the session is replaced
//	           or has left ────────────────────────────────────▶ blocked, until start()
//	any ────── stop() ─────────────────────────────────────────▶ stopped
//
// A transport that may not be used at the moment, as in a hidden tab, is passed over; a link
// over it is closed. reconsider() then tries again.

import { LEFT, PROTOCOL, REPLACED, TICKET } from './closecodes.js'
import { AWAY } from './link.js'
import { countdown } from './countdown.js'
import { createTransportHistory } from './transporthistory.js'

const OPEN_TIMEOUT = 5000
// For a transport that has worked before. Firefox delays new sockets to a host that failed.
const KNOWN_TIMEOUT = 15000
// After this long, transports are tried though heartbeatd seems to be down.
const TRY_ANYWAY = 300000
const BACKOFF = 1000
const BACKOFF_MAX = 30000
// The same where no transport has ever worked: what answers may refuse all pages for good.
const UNKNOWN_MAX = 300000
// A link that dies younger than this has not proved anything.
const PROVEN = 10000
const FLAPS = 3
// How often a page tries a transport again that it has used, where another one is refused.
const RETRIES = 12
// How long a page waits at least before it reconnects when it seems to be left.
const AWAY_WAIT = 3000

/**
 * @param {object} deps
 * @param {string[]} deps.order names, best first
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
	let doubt = false // heartbeatd may be down
	let tried = 0 // when the transports were tried last

	const better = () => (current ? order.slice(0, order.indexOf(current.name)) : order)
	const usable = () => better().filter((name) => !refused.has(name) && !history.rest(name) && may(name))

	function wake(delay) {
		win.clearTimeout(timer)
		timer = win.setTimeout(connect, delay)
	}

	async function connect() {
		win.clearTimeout(timer)
		if (!wanted || blocked || trying) return
		const mine = ++generation
		// To open a session ends the one before: the current link may be gone when a climb fails.
		const linked = Boolean(current)
		const failed = []
		let foreign = false
		// Every socket that fails makes Firefox delay the next ones, in the end by a minute.
		const since = Date.now() - tried
		if (doubt && since >= 0 && since < TRY_ANYWAY) {
			const answers = await isUp()
			if (mine !== generation) return
			if (!answers) {
				backOff()
				return
			}
		}
		tried = Date.now()
		for (const name of usable()) {
			if (!may(name)) continue // the tab was hidden while another one was tried
			const close = await attempt(name)
			if (mine !== generation) return
			if (!close) {
				failed.forEach((other) => history.failed(other))
				rest()
				return
			}
			if (obey(name, close)) return
			if (close.foreign) foreign = shun(name, close.foreign)
			// One that may not be used any more did not fail.
			else if (may(name)) failed.push(name)
		}
		// A failure is remembered where this page or another has a link, or where a transport
		// is refused while heartbeatd is up. Else all of them failed together and the fault is
		// elsewhere.
		const had = round < RETRIES && failed.some((name) => flaps[name] === 0)
		const alone = linked || othersLinked() || (anyRefused() && !had && (!failed.some(history.isKnown) || (await isUp())))
		if (mine !== generation) return
		// A socket does not tell why it failed: one that never worked was refused, too.
		if (alone) failed.forEach((name) => (foreign && !history.isKnown(name) ? history.refused(name) : history.failed(name)))
		// One may have become usable while another was tried.
		if (usable().some((name) => !failed.includes(name))) {
			wake(random() * BACKOFF)
		} else if (alone || !failed.length) {
			rest()
		} else {
			doubt = true
			backOff()
		}
	}

	// Something else than heartbeatd answered, as it will the next time.
	function shun(name, reason) {
		const time = history.refused(name)
		if (time) win.console.warn('heartbeatd: no ' + name + ' for ' + time / 60000 + ' minutes: ' + reason)
		return true
	}

	const anyRefused = () => order.some(history.isRefused)

	// Sleeps until a transport that is better than the current one may be tried. Where
	// one was refused all pages of the browser wait for the same moment: they spread, so
	// that the first to be refused again tells the others.
	function rest() {
		const times = better()
			.filter((name) => !refused.has(name))
			.map(history.rest)
			.filter((time) => time > 0)
		win.clearTimeout(timer)
		if (times.length) wake(Math.min(...times) + random() * (anyRefused() ? BACKOFF_MAX : BACKOFF))
	}

	function backOff(least = 0) {
		const most = order.some(history.isKnown) ? BACKOFF_MAX : UNKNOWN_MAX
		wake(least + random() * Math.min(most, BACKOFF * 2 ** Math.min(round++, 10)))
	}

	// Opens one transport; resolves to nothing when it is up, else to its close.
	function attempt(name) {
		return new Promise((resolve) => {
			const link = make(name, { onFrame, onClosed: (close) => down(link, close) })
			const stop = countdown(win, history.isKnown(name) ? KNOWN_TIMEOUT : OPEN_TIMEOUT, () => finish({ code: 0, retryAfter: 0 }))
			trying = { name, link, finish }
			renewed = false
			link.open(hello()).then(
				(welcome) => finish(null, welcome),
				(close) => finish(close)
			)
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
		current = { name, link, since: Date.now() }
		if (old) old.link.close()
		doubt = false
		history.worked(name)
		win.setTimeout(() => current && current.link === link && history.forget(name), PROVEN)
		onChange(name, link, welcome)
	}

	function down(link, close) {
		if (!current || current.link !== link) return
		const { name, since } = current
		current = null
		// The link that is being opened has replaced this one.
		const climbed = close.code === REPLACED && trying
		if (!climbed) abandon()
		const proven = Date.now() - since >= PROVEN
		if (proven) {
			round = 0
			flaps[name] = 0
		}
		onChange('', null)
		if (climbed) return
		// A link that was closed for a reason is no fault of the transport.
		if (obey(name, close)) return
		if (close.foreign) {
			shun(name, close.foreign)
			connect()
			return
		}
		if (!proven) flapped(name)
		doubt = true
		tried = Date.now()
		backOff()
	}

	// Only to make way for another: the last of the list has none behind it.
	function flapped(name) {
		flaps[name] = (flaps[name] || 0) + 1
		if (flaps[name] % FLAPS === 0 && name !== order[order.length - 1]) history.flapped(name)
	}

	// Does what the close asks for; returns false if it asks for nothing.
	function obey(name, close) {
		switch (close.code) {
			case PROTOCOL:
				refused.add(name)
				return false
			case TICKET:
				// The one refused may be older than what hello() has by now.
				if (renewed) wake(0)
				else blocked = true
				return true
			case REPLACED:
			case LEFT:
				blocked = true
				return true
			case AWAY:
				backOff(AWAY_WAIT)
				return true
			default:
				if (close.retryAfter) wake(close.retryAfter)
				return close.retryAfter > 0
		}
	}

	function abandon() {
		generation++
		win.clearTimeout(timer)
		if (trying) trying.finish({ code: 0, retryAfter: 0 })
	}

	function cut(code) {
		current.link.close()
		down(current.link, { code, retryAfter: 0 })
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
			if (trying && !may(trying.name)) trying.finish({ code: 0, retryAfter: 0 })
			else if (!current) connect()
		},
		/** The link did not answer in time: it counts as dead. */
		suspect(link) {
			if (current && current.link === link) cut(0)
		},
		/** The page is about to be left: closes the link, and opens it again if the page stays. */
		leaving() {
			if (current) cut(AWAY)
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
