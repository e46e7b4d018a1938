// Limits how many pages of one browser keep a request waiting: two. Over HTTP/1.1 a browser
// opens six connections to a host, and a poll or an event stream occupies one of them. Over
// HTTP/2 and later all requests share one connection, and there is no limit.
//
// A page that polls or reads a stream holds one of two leases in localStorage and renews it.
// Web Locks would do the same, but exist only on HTTPS. A page without access to
// localStorage gets no slot.

import { CLOSED } from './link.js'

// The keys of the two leases, also for event streams.
const KEYS = ['heartbeatd-longpoll-1', 'heartbeatd-longpoll-2']
// How long a page that crashed keeps its lease.
const LEASE = 15000
// How often a page renews its lease, or looks for a free one.
const RENEW = 5000
// Two pages may write the same lease at once, and the processes of a browser see each other's
// writes with a delay. A page has a lease if it still finds its own after this time.
const SETTLE = 200
const UNKNOWN = '?'

/**
 * @param {object} deps
 * @param {Window} deps.win timers and localStorage
 * @param {string} deps.url of heartbeatd
 * @param {string} deps.id of the page
 * @param {Function} deps.freed () called when there may be a slot for a page that had none
 * @param {Function} deps.random
 */
export function createSlots({ win, url, id, freed, random }) {
	const holders = new Set() // the links that use the slot: two while a better one opens
	let held = ''
	let claim = null // the slot that is being taken
	let waiting = false
	let timer = 0

	// Returns the page that has the lease; empty if none has.
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

	function renew() {
		win.clearTimeout(timer)
		if (!held && !waiting) return
		timer = win.setTimeout(renew, RENEW)
		if (held) {
			// Another page may have taken the slot of a page that was frozen.
			if ([id, ''].includes(owner(held))) write(held)
			else holders.forEach((lost) => lost())
		} else if (free().length) {
			waiting = false
			freed()
		}
	}

	win.addEventListener('storage', ({ key }) => {
		if (waiting && (key === null || KEYS.includes(key))) renew()
	})

	// If another page takes the first slot at the same time, the second one may be free.
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
				renew()
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
		/** Whether the page has a slot or may take one. If not, freed() is called later. */
		available() {
			if (held || claim || isMultiplexed(win, url) || free().length) return true
			waiting = true
			win.clearTimeout(timer)
			timer = win.setTimeout(renew, RENEW)
			return false
		},
		/** Whether other pages have all slots. */
		full: () => !held && KEYS.every((key) => !['', UNKNOWN, id].includes(owner(key))),
		/** Returns a link that opens only with a slot, and holds it until it is closed. */
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
	return page && /^h[23]/.test(page.nextHopProtocol) && new URL(url, win.location.href).host === win.location.host
}
