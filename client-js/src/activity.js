// Is the user idle? They are after 30 s without input. A page that was just
// loaded, or shown, counts as active; a hidden one gets no input.

const IDLE = 30000
const LOOK = 5000
const INPUT = ['mousemove', 'mousedown', 'keydown', 'wheel', 'touchstart', 'touchmove', 'click']

/** Calls changed() when the user becomes idle, or active by input. */
export function watchActivity(win, changed) {
	const doc = win.document
	const known = new WeakSet()
	let idle = false
	let last = Date.now()

	function seen() {
		last = Date.now()
		idle = false
	}

	function input() {
		if (doc.visibilityState === 'hidden') return
		const was = idle
		seen()
		if (was) changed()
	}

	function listen(target) {
		if (known.has(target)) return
		known.add(target)
		INPUT.forEach((type) => target.addEventListener(type, input, { capture: true, passive: true }))
	}

	// The block editor types in an iframe, which comes late and is loaded anew.
	function listenInFrames() {
		Array.from(doc.getElementsByTagName('iframe')).forEach((frame) => {
			try {
				if (frame.contentDocument) listen(frame.contentDocument)
			} catch (e) {
				// Another origin's.
			}
		})
	}

	function look() {
		listenInFrames()
		last = Math.min(last, Date.now()) // the clock may have been set back
		const rest = last + IDLE - Date.now()
		win.setTimeout(look, rest > 0 ? Math.min(rest, LOOK) : LOOK)
		if (rest > 0 || idle) return
		idle = true
		changed()
	}

	listen(doc)
	look()

	return {
		get idle() {
			return idle
		},
		/** The page is shown: somebody is there. */
		seen,
	}
}
