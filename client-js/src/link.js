// What the three links have in common. A link is one connection to heartbeatd:
//
//   open(hello) → Promise<welcome>; rejects with a close, see below
//   test()      → Promise; rejects with a close if the transport does not work. Only where
//                 open() replaces the session of another link before that is known
//   beat(body)  → Promise<frame>, a tick or a decline, or null when the link died
//   note(body), ticket(text), leave(), close()
//
// and it calls back onFrame(frame) and, once it had opened, onClosed(close)
// with close = { code, retryAfter, reason }: reason says why an answer is that of another program
// than heartbeatd. After close() it calls nothing.

export const CLOSED = { code: 1006, retryAfter: 0 }

// Firefox closes a page's sockets with this code when a navigation starts, also if the
// page stays because the answer is a download or empty.
export const AWAY = 1001
export const isFirefox = (win) => 'mozInnerScreenX' in win

// A time that since() reads. Date.now() includes the time that the machine sleeps, and
// performance.now() does not change when somebody sets the clock: the larger counts.
export const clock = (win) => [Date.now(), win.performance.now()]
export const since = (win, then) => Math.max(...clock(win).map((now, i) => now - then[i]))

const RETRY_MAX = 3600000

/** The close of a link for which another program than heartbeatd answered. */
export const otherProgram = (reason) => ({ code: CLOSED.code, retryAfter: 0, reason })

/** Parses JSON; returns null if text is not JSON. */
export function readJSON(text) {
	try {
		return JSON.parse(text)
	} catch (e) {
		return null
	}
}

/** Parses a frame; returns null if text is not one. */
export function readFrame(text) {
	const frame = readJSON(text)
	return frame && typeof frame.type === 'string' ? frame : null
}

export const byeToClose = (frame) => ({
	code: Number(frame.code) || CLOSED.code,
	retryAfter: Math.min(RETRY_MAX, Math.max(0, Number(frame.retry_after_ms) || 0)),
})
