// Decides whether a posted beat asks PHP for a ticket. The ticket is a response header,
// and a web server whose buffer is too small for it answers 502 instead. Core reports the
// connection as lost after three errors, so after two such failures a page stops asking.

const TRIES = 2
const PAUSE = 3600000
const KEY = 'heartbeatd-tickets'

export function createTicketRequests(win) {
	let failed = false // the last beat that asked got a 5xx
	let failures = 0 // how often in a row only the beat without a ticket succeeded, on this page
	const tab = { inVain: 0, until: 0 } // inVain is the same number for all pages of this tab
	try {
		Object.assign(tab, JSON.parse(win.sessionStorage.getItem(KEY)))
	} catch (e) {
		// Storage may be forbidden.
	}

	function remember(count) {
		tab.inVain = count
		tab.until = count < TRIES ? 0 : Date.now() + PAUSE
		try {
			win.sessionStorage.setItem(KEY, JSON.stringify(tab))
		} catch (e) {
			// Storage may be forbidden or full; the page still counts.
		}
	}

	// If the clock was set back, the pause must not become longer.
	function isPaused() {
		const left = tab.until - Date.now()
		return left > 0 && left <= PAUSE
	}

	return {
		/** Whether the next posted beat asks for a ticket. */
		may: () => !failed && failures < TRIES && !isPaused(),
		/** A beat was posted, and answered with a status; 0: no answer. */
		answered(asked, status) {
			if (status >= 500) {
				failed = failed || asked
			} else if (status && asked) {
				failed = false
				failures = 0
				if (tab.inVain) remember(0)
			} else if (status && failed) {
				// The site answers a beat without a ticket.
				failed = false
				failures++
				remember(tab.inVain + 1)
			}
		},
	}
}
