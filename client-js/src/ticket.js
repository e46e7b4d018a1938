// Reads tickets, and decides whether heartbeatd may answer a beat. The server decides again, and
// declines the beat if this decision was wrong.

import { sha256 } from './sha256.js'

const LIFE = 600 // seconds
const ROUNDING = 0.001

/**
 * Reads a ticket's claims. Only the server verifies the signature.
 * Returns null if text is not a ticket.
 */
export function readTicket(text, now, random) {
	try {
		const part = text.split('.')[1].replace(/-/g, '+').replace(/_/g, '/')
		const claims = JSON.parse(decodeURIComponent(escape(atob(part))))
		if (!claims || !(claims.exp > 0)) return null
		return {
			text,
			claims,
			// A page's clock may be wrong by hours, so ages are counted from the
			// ticket's arrival, when the server's clock read about `iat`.
			skew: (claims.iat || 0) - now / 1000,
			// Random, so that a restart does not send all pages to PHP at once.
			life: LIFE * (0.8 + 0.4 * random()),
		}
	} catch (e) {
		return null
	}
}

// The time on the server's clock, in seconds.
const timeOf = (ticket, now) => now / 1000 + ticket.skew

export const isAlive = (ticket, now) => ticket && timeOf(ticket, now) < ticket.claims.exp

/** Whether PHP need not see a beat because of the ticket's age. */
export function isFresh(ticket, now) {
	if (!isAlive(ticket, now)) return false
	const time = timeOf(ticket, now)
	const age = time - ticket.claims.iat
	return time < ticket.claims.fresh_until && age < ticket.life && age > -ROUNDING
}

/** Whether heartbeatd may answer a beat with these handles and this nonce. */
export const isNative = (ticket, handles, nonce, now) =>
	isFresh(ticket, now) && Array.isArray(ticket.claims.native) && handles.every((handle) => ticket.claims.native.includes(handle)) && nonceMatches(ticket, nonce, ticket.claims.nonce)

/** Whether heartbeatd may answer with deposited values: not if a plugin must see every handle. */
export const takesDeposits = (ticket) => ticket && ticket.claims.deposits

/** Whether a time on PHP's clock, in milliseconds, was less than 5 s ago. */
export const isRecent = (ticket, ms, now) => ticket && timeOf(ticket, now) - ms / 1000 < 5

/** Whether PHP's last answers may be repeated: only while PHP can tell heartbeatd of changes. */
export const mayRepeat = (ticket, now) => ticket && timeOf(ticket, now) < ticket.claims.repeat_until

function nonceMatches(ticket, nonce, hash) {
	if (!nonce || !hash) return false
	if (ticket.matched !== nonce && sha256(String(nonce)) === hash) ticket.matched = nonce
	return ticket.matched === nonce
}
