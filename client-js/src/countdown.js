// Waits for an answer. A page that is busy for seconds, as an editor is while it
// starts, hears nothing meanwhile though the answer may be there: so the time is
// counted in steps, and a step that took long is one step all the same. The clock
// on the wall may be set meanwhile: it is not asked.

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
