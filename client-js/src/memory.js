// What the tab remembers of transports that did not work: how long each is left
// alone, doubling from a minute to an hour.

const WAIT = 60000
const WAIT_MAX = 3600000
const KEY = 'heartbeatd-transports'

export function createMemory(win) {
	const failed = load()

	function load() {
		try {
			return JSON.parse(win.sessionStorage.getItem(KEY)) || {}
		} catch (e) {
			return {}
		}
	}

	function save() {
		try {
			win.sessionStorage.setItem(KEY, JSON.stringify(failed))
		} catch (e) {
			// Storage may be forbidden or full; the page still remembers.
		}
	}

	return {
		worked(name) {
			delete failed[name]
			save()
		},
		failed(name) {
			const wait = Math.min(WAIT_MAX, failed[name] ? failed[name].wait * 2 : WAIT)
			failed[name] = { wait, until: Date.now() + wait }
			save()
		},
		/** For how many milliseconds the transport is to be left alone. */
		rest(name) {
			if (!failed[name]) return 0
			const { until, wait } = failed[name]
			const left = until - Date.now()
			// A clock set back must not shut a transport out for longer than it earned.
			return left > 0 && left <= wait ? left : 0
		},
	}
}
