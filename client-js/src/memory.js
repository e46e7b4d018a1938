// What is remembered of transports that did not work: how long each is left alone,
// doubling up to an hour. The tab remembers what failed, for a minute at first. The
// browser remembers what was refused by another program than heartbeatd, for five
// minutes at first: a new page would be refused too.

const FAILED = 60000
const REFUSED = 300000
const WAIT_MAX = 3600000
const KEY = 'heartbeatd-transports'

export function createMemory(win) {
	const tab = createStore(() => win.sessionStorage)
	const browser = createStore(() => win.localStorage)

	return {
		/** The transport opened. */
		worked: tab.forget,
		failed: (name) => tab.add(name, FAILED),
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
export const isMemory = (event) => event.key === KEY

function createStore(storage) {
	let all = {} // for pages that may not store anything

	function load() {
		try {
			all = JSON.parse(storage().getItem(KEY)) || {}
		} catch (e) {
			// Storage may be forbidden; the page still remembers.
		}
		return all
	}

	function save() {
		try {
			storage().setItem(KEY, JSON.stringify(all))
		} catch (e) {
			// It may be full, too.
		}
	}

	return {
		add(name, first) {
			const known = load()[name]
			const wait = Math.min(WAIT_MAX, known ? known.wait * 2 : first)
			all[name] = { wait, until: Date.now() + wait }
			save()
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
			return left > 0 && left <= wait ? left : 0
		},
	}
}
