// Limits how many pages of one browser keep a request waiting: two. Over HTTP/1.1 a browser
// opens six connections to a host, and a poll or an event stream occupies one of them. Over
// HTTP/2 and later all requests share one connection, and there is no limit.
//
// A page that polls or reads a stream holds one of two leases in localStorage and renews it.
// Web Locks would do the same, but exist only on HTTPS. A page without access to
// localStorage gets no slot.

import { CLOSED } from './link.js'

// They guard event streams as well.
const KEYS = ['heartbeatd-longpoll-1', 'heartbeatd-longpoll-2']
// How long a page that crashed keeps its lease.
const LEASE = 15000
const LOOK = 5000
// Two pages may write the same lease at once, and a browser's processes see each other's
// writes after a moment: a lease counts when it still stands after this time.
const SETTLE = 200
const UNKNOWN = '?'

/**
 * @param {object} deps
 * @param {Window} deps.win timers and localStorage
 * @param {string} deps.url heartbeatd's
 * @param {string} deps.id the page's
 * @param {Function} deps.freed () called when there may be a slot for a page that found none
 * @param {Function} deps.random
 */
export function createSlots({ win, url, id, freed, random }) {
	const holders = new Set() // the links that use the slot; while a better one opens there are two
	let held = ''
	let claim = null // of the slot that is being taken
	let waiting = false
	let timer = 0

	// The page that has the lease; empty when nobody has.
	function owner(key) {
		try {
			const [name, until] = String(win.localStorage.getItem(key)).split(' ')
			const left = until - Date.now()
			// A lease that ends too late was written before the clock was set back.
			return left > 0 && left <= LEASE ? name : ''
		} catch (e) {
			return UNKNOWN
		}
	}

	function write(key) {
		try {
			win.localStorage.setItem(key, id + ' ' + (Date.now() + LEASE))
		} catch (e) {
			// The storage is full: the slot is not taken.
		}
	}

	function clear(key) {
		if (owner(key) === id) win.localStorage.removeItem(key)
	}

	const free = () => KEYS.filter((key) => !owner(key))

	function look() {
		win.clearTimeout(timer)
		if (!held && !waiting) return
		timer = win.setTimeout(look, LOOK)
		if (held) {
			// A page that was stopped for long may find its slot taken.
			if ([id, ''].includes(owner(held))) write(held)
			else holders.forEach((lost) => lost())
		} else if (free().length) {
			waiting = false
			freed()
		}
	}

	win.addEventListener('storage', ({ key }) => {
		if (waiting && (key === null || KEYS.includes(key))) look()
	})

	// Where another page wins the race for one slot, the second may be free.
	async function take() {
		if (held || isMultiplexed(win, url)) return true
		for (let tries = 0; tries < KEYS.length; tries++) {
			const keys = free()
			if (!keys.length) return false
			const key = keys[Math.floor(random() * keys.length)]
			const mine = (claim = { key })
			write(key)
			await new Promise((resolve) => win.setTimeout(resolve, SETTLE))
			if (claim !== mine) return false
			claim = null
			if (owner(key) === id) {
				held = key
				look()
				return true
			}
		}
		return false
	}

	function release(holder) {
		holders.delete(holder)
		if (holders.size) return
		const key = held || (claim && claim.key)
		held = ''
		claim = null
		if (key) clear(key)
	}

	return {
		/** Whether the page may have a slot. One that may not is called back. */
		available() {
			if (held || claim || isMultiplexed(win, url) || free().length) return true
			waiting = true
			win.clearTimeout(timer)
			timer = win.setTimeout(look, LOOK)
			return false
		},
		/** Whether other pages have all slots. */
		full: () => !held && KEYS.every((key) => owner(key) && owner(key) !== UNKNOWN && owner(key) !== id),
		/** A link that opens only with a slot and holds it until it is closed. */
		withSlot(create, options) {
			const onClosed = (close) => {
				release(lost)
				options.onClosed(close)
			}
			const link = create(Object.assign({}, options, { onClosed }))
			const lost = () => {
				link.close()
				onClosed(CLOSED)
			}
			return Object.assign({}, link, {
				async open(hello) {
					holders.add(lost)
					if (!(await take())) throw CLOSED
					return link.open(hello)
				},
				close() {
					release(lost)
					link.close()
				},
			})
		},
	}
}

// Whether the browser has loaded the page over HTTP/2 or later, and so has one connection
// for all requests to its host.
function isMultiplexed(win, url) {
	const [page] = win.performance.getEntriesByType('navigation')
	return Boolean(page) && /^h[23]/.test(page.nextHopProtocol) && new URL(url, win.location.href).host === win.location.host
}
