// A timeout for answers. While a page is busy, as an editor is for seconds when it starts, it
// handles no answer, though one may have arrived. So the time is counted in steps, and a step
// that takes long counts as one. It does not depend on the system clock, which may be set.

const STEPS = 5
const AT_MOST = 4 // times as long, however busy: the timers of hidden pages are slow

/** Calls `over` after `ms`; returns what stops that. */
export function countdown(win, ms, over) {
	const start = performance.now()
	let left = STEPS
	let timer = 0
	function step() {
		if (left-- === 0 || performance.now() - start >= AT_MOST * ms) over()
		else timer = win.setTimeout(step, ms / STEPS)
	}
	step()
	return () => win.clearTimeout(timer)
}
