// Whether a posted beat asks PHP for a ticket. The ticket is a response header, and a
// web server that has no room for it answers with an error in PHP's place. Core calls
// a connection lost after three errors, so a page asks in vain at most twice.

const TRIES = 2
const PAUSE = 3600000
const KEY = 'heartbeatd-tickets'

export function createTicketRequests(win) {
	let failed = false // the last beat that asked got a 5xx
	let inVain = 0 // how often that was the ticket's fault, on this page
	const tab = load() // and in this tab, one after the other

	function load() {
		try {
			return Object.assign({ inVain: 0, until: 0 }, JSON.parse(win.sessionStorage.getItem(KEY)))
		} catch (e) {
			return { inVain: 0, until: 0 }
		}
	}

	function remember(count) {
		tab.inVain = count
		tab.until = count < TRIES ? 0 : Date.now() + PAUSE
		try {
			win.sessionStorage.setItem(KEY, JSON.stringify(tab))
		} catch (e) {
			// Storage may be forbidden or full; the page still remembers.
		}
	}

	// A clock set back must not stop a tab for longer.
	function isPaused() {
		const left = tab.until - Date.now()
		return left > 0 && left <= PAUSE
	}

	return {
		/** Whether the next posted beat asks for a ticket. */
		may: () => !failed && inVain < TRIES && !isPaused(),
		/** A beat was posted, and answered with a status; 0 is no answer. */
		answered(asked, status) {
			if (status >= 500) {
				failed = failed || asked
			} else if (status && asked) {
				failed = false
				inVain = 0
				if (tab.inVain) remember(0)
			} else if (status && failed) {
				// The same site answers when it need not send a ticket.
				failed = false
				inVain++
				remember(tab.inVain + 1)
			}
		},
	}
}
