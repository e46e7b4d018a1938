// What is remembered of transports that did not work: how long each is left alone,
// doubling up to an hour. The tab remembers what failed, for a minute at first. The
// browser remembers what was refused by another program than heartbeatd, for five
// minutes at first: a new page would be refused too. It also remembers which transports
// have worked: the first failure of such a one may have come from an outage.

const FAILED = 60000
const AFTER_OUTAGE = 5000
const REFUSED = 300000
const WAIT_MAX = 3600000
const KEY = 'heartbeatd-transports'
const KNOWN = 'heartbeatd-known'

export function createTransportHistory(win) {
	const tab = createStore(() => win.sessionStorage, KEY)
	const browser = createStore(() => win.localStorage, KEY)
	const known = createStore(() => win.localStorage, KNOWN)

	return {
		/** The transport opened. */
		worked(name) {
			tab.forget(name)
			known.set(name, 1)
		},
		/** Whether the transport has worked in this browser, and not failed twice since. */
		isKnown: known.has,
		/** The transport failed while another one worked. */
		failed(name) {
			if (tab.has(name)) known.forget(name)
			tab.add(name, known.has(name) ? AFTER_OUTAGE : FAILED)
		},
		/** The transport opens, but does not last. */
		flapped(name) {
			known.forget(name)
			tab.add(name, FAILED)
		},
		/** Returns for how many milliseconds it rests; 0 if another page was told just now. */
		refused: (name) => (browser.rest(name) ? 0 : browser.add(name, REFUSED)),
		isRefused: (name) => browser.rest(name) > 0,
		forget(name) {
			tab.forget(name)
			browser.forget(name)
		},
		/** For how many milliseconds the transport is to be left alone. */
		rest: (name) => Math.max(tab.rest(name), browser.rest(name)),
	}
}

/** Whether a storage event tells that another page of the browser forgot or learned something. */
export const isTransportHistory = (event) => event.key === KEY

function createStore(storage, key) {
	let all = {}
	let unsaved = false // the page may not store anything, or the storage is full

	function load() {
		if (unsaved) return all
		try {
			all = Object.assign({}, JSON.parse(storage().getItem(key))) // whatever it was
		} catch (e) {
			// Storage may be forbidden; the page still remembers.
		}
		return all
	}

	function save() {
		try {
			storage().setItem(key, JSON.stringify(all))
		} catch (e) {
			unsaved = true
		}
	}

	function set(name, value) {
		if (load()[name] === value) return
		all[name] = value
		save()
	}

	return {
		set,
		has: (name) => Object.prototype.hasOwnProperty.call(load(), name),
		add(name, first) {
			const { wait: last = 0 } = load()[name] || {}
			const wait = Math.min(WAIT_MAX, Math.max(first, 2 * last))
			set(name, { wait, until: Date.now() + wait })
			return wait
		},
		forget(name) {
			if (!load()[name]) return
			delete all[name]
			save()
		},
		rest(name) {
			const { until = 0, wait = 0 } = load()[name] || {}
			const left = until - Date.now()
			// A clock set back must not shut a transport out for longer than it earned.
			return left > 0 && left <= Math.min(wait, WAIT_MAX) ? left : 0
		},
	}
}
