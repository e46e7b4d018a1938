// Checks whether heartbeatd is up, by a poll without a session. heartbeatd refuses it at once with
// a status below 500; while heartbeatd is down, web servers in front answer with a 5xx.

import { countdown } from './countdown.js'

const TIMEOUT = 5000
const POLL = '/poll?id='

// The page's Content-Security-Policy may allow the socket and not this request.
let forbidden = false
const onViolation = ({ disposition, blockedURI }) => {
	if (disposition === 'enforce' && blockedURI.includes(POLL)) forbidden = true
}

export async function isUp(win, url) {
	if (forbidden || !win.fetch || !win.AbortController) return true // only the transports can show it
	win.document.addEventListener('securitypolicyviolation', onViolation)
	const aborter = new win.AbortController()
	const stop = countdown(win, TIMEOUT, () => aborter.abort())
	try {
		// With the id no two requests are the same to a cache.
		const id = 1 + Math.floor(Math.random() * 2 ** 48)
		const { status } = await win.fetch(url + POLL + id, { signal: aborter.signal, cache: 'no-store' })
		return status < 500
	} catch (e) {
		return false
	} finally {
		stop()
		aborter.abort() // the body is not needed
	}
}
