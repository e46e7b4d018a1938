// Tells whether heartbeatd is up, by a poll without a session: heartbeatd refuses it at
// once, with a status below 500, which web servers in front send while it is down.

import { countdown } from './countdown.js'

const TIMEOUT = 5000
const POLL = '/poll?id='

// The page's Content-Security-Policy may allow the socket and not this request.
let forbidden = false
const onViolation = ({ disposition, blockedURI }) => {
	if (disposition === 'enforce' && blockedURI.includes(POLL)) forbidden = true
}

export async function isUp(win, url) {
	if (forbidden || !win.fetch || !win.AbortController) return true // the transports find out
	win.document.addEventListener('securitypolicyviolation', onViolation)
	const aborter = new win.AbortController()
	const stop = countdown(win, TIMEOUT, () => aborter.abort())
	try {
		// The id is for caches: no two requests are the same.
		const id = 1 + Math.floor(Math.random() * 2 ** 48)
		const { status } = await win.fetch(url + POLL + id, { signal: aborter.signal, cache: 'no-store' })
		return status < 500
	} catch (e) {
		return false
	} finally {
		stop()
		aborter.abort() // of the answer only the status is read
	}
}
