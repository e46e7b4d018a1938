// A timeout for answers. A busy page, such as an editor that is loading, cannot handle an answer
// that has arrived. Therefore the time is counted in steps, and a step that takes longer counts
// as one step. The system clock is not used, because it may be set.

const STEPS = 5
// The timeout takes at most this many times as long: the timers of hidden pages are slow.
const MAX_FACTOR = 4

/** Calls `expired` after `ms` milliseconds; returns a function that stops the countdown. */
export function countdown(win, ms, expired) {
	const start = performance.now()
	let left = STEPS
	let timer = 0
	function step() {
		if (left-- === 0 || performance.now() - start >= MAX_FACTOR * ms) expired()
		else timer = win.setTimeout(step, ms / STEPS)
	}
	step()
	return () => win.clearTimeout(timer)
}
