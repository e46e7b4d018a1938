// Decides when a nudge makes the page beat. A nudge of a plugin or of an operator always does,
// within its spread.
//
// A paced nudge, as heartbeatd sends it when something has changed that pages show, does so
// where heartbeatd answers. Where PHP answers, it brings the next beat forward, at most once in
// an interval: PHP gets no more beats than without nudges, and the first news comes at once.

const MAX_SPREAD = 60000

/**
 * @param {Function} connectNow beats now
 * @param {Function} beatEarly beats now in place of the next beat
 * @param {Function} isForPHP whether PHP would answer a beat now
 * @param {Function} interval the time between two beats of the page, in ms
 */
export function createNudges({ win, connectNow, beatEarly, isForPHP, interval, now, random }) {
	let timer = 0
	let early = 0 // the timer of an early beat
	let news = false // a paced nudge has come since the last beat
	let last = -Infinity // when a beat last brought such news

	return {
		receive({ spread_ms: ms, paced }) {
			const spread = random() * Math.min(MAX_SPREAD, Math.max(0, Number(ms) || 0))
			if (paced) news = true
			if (paced && isForPHP()) {
				early = early || win.setTimeout(beatEarly, Math.max(spread, last + interval() - now()))
			} else if (!timer) {
				timer = win.setTimeout(() => {
					timer = 0
					connectNow()
				}, spread)
			}
		},

		/** A beat begins, which brings the news. */
		began() {
			if (news) last = now()
			news = false
			win.clearTimeout(early)
			early = 0
		},
	}
}
