// Decides when a nudge makes the page beat. A nudge of a plugin or of an operator always makes it
// beat, within the nudge's spread.
//
// heartbeatd sends a paced nudge when something that pages show has changed. It makes the page
// beat if heartbeatd would answer. If PHP would answer, it brings the page's next beat forward, at
// most once in an interval: PHP gets no more beats than without nudges, and the first change is
// shown at once.

const MAX_SPREAD = 60000

/**
 * @param {Function} connectNow beats now
 * @param {Function} beatEarly beats now, in place of the next beat
 * @param {Function} isForPHP whether PHP would answer a beat now
 * @param {Function} interval the time between two beats of the page, in ms
 */
export function createNudges({ win, connectNow, beatEarly, isForPHP, interval, now, random }) {
	let timer = 0
	let early = 0 // the timer of an early beat
	let nudged = false // a paced nudge has arrived since the last beat
	let last = -Infinity // when a beat last followed a paced nudge

	return {
		receive({ spread_ms: ms, paced }) {
			const spread = random() * Math.min(MAX_SPREAD, Math.max(0, Number(ms) || 0))
			if (paced) nudged = true
			if (paced && isForPHP()) {
				early = early || win.setTimeout(beatEarly, Math.max(spread, last + interval() - now()))
			} else if (!timer) {
				timer = win.setTimeout(() => {
					timer = 0
					connectNow()
				}, spread)
			}
		},

		/** A beat begins: its tick has what the nudges were for. Returns whether there were any. */
		began() {
			const was = nudged
			if (was) last = now()
			nudged = false
			win.clearTimeout(early)
			early = 0
			return was
		},
	}
}
