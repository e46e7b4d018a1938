// Remembers which transports did not work, and for how long they are not tried again. The time
// doubles with each failure, up to an hour. sessionStorage has the transports that failed, for a
// minute at first. localStorage has those that another program than heartbeatd refused, for five
// minutes at first, because other pages would be refused too; and those that have worked in this
// browser, because their first failure may come from an outage.

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
		/** The transport has opened. */
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
			tab.add(name, FAILED)
		},
		/** The transport is refused. Returns the milliseconds to wait; 0 if another page has just stored it. */
		refused: (name) => (browser.waitOf(name) ? 0 : browser.add(name, REFUSED)),
		isRefused: (name) => browser.waitOf(name) > 0,
		forget(name) {
			tab.forget(name)
			browser.forget(name)
		},
		/** For how many milliseconds the transport must not be tried. */
		waitOf: (name) => Math.max(tab.waitOf(name), browser.waitOf(name)),
	}
}

/** Whether a storage event comes from a change of the history by another page. */
export const isTransportHistory = (event) => event.key === KEY

function createStore(storage, key) {
	let all = {}
	let unsaved = false // storage is forbidden or full

	function load() {
		if (unsaved) return all
		try {
			all = Object.assign({}, JSON.parse(storage().getItem(key))) // the value may be anything
		} catch (e) {
			// Storage may be forbidden; this page then remembers alone.
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
		has: (name) => name in load(),
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
		waitOf(name) {
			const { until = 0, wait = 0 } = load()[name] || {}
			const left = until - Date.now()
			// If the clock was set back, the time to wait must not become longer.
			return left > 0 && left <= Math.min(wait, WAIT_MAX) ? left : 0
		},
	}
}
