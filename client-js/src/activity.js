// Tells whether the user is idle: without input for 30 s. A page counts as active
// when it is loaded and when it is shown. Input while it is hidden is ignored, and so are
// the events of scripts, as of element.click().

const IDLE = 30000
const CHECK_EVERY = 5000
const INPUT = ['mousemove', 'mousedown', 'keydown', 'wheel', 'touchstart', 'touchmove', 'click']

/** Calls back with a document, and with that of each of its iframes of the same origin. */
export function eachDocument(doc, callback) {
	callback(doc)
	Array.from(doc.getElementsByTagName('iframe')).forEach((frame) => {
		try {
			if (frame.contentDocument) callback(frame.contentDocument)
		} catch (e) {
			// It is of another origin.
		}
	})
}

/** Calls changed() when the user becomes idle, or active by input. */
export function watchActivity(win, changed) {
	const doc = win.document
	let idle = false
	let last = Date.now()

	function seen() {
		last = Date.now()
		idle = false
	}

	function input(event) {
		if (!event.isTrusted || doc.visibilityState === 'hidden') return
		const was = idle
		seen()
		if (was) changed()
	}

	// Adding the same listener again has no effect.
	function listen(target) {
		INPUT.forEach((type) => target.addEventListener(type, input, { capture: true, passive: true }))
	}

	// The text of an editor is in an iframe, which appears late, may be reloaded, and loses
	// its listeners with document.open(): listen at each check.
	function check() {
		eachDocument(doc, listen)
		last = Math.min(last, Date.now()) // the clock may have been set back
		const left = last + IDLE - Date.now()
		win.setTimeout(check, left > 0 ? Math.min(left, CHECK_EVERY) : CHECK_EVERY)
		if (left > 0 || idle) return
		idle = true
		changed()
	}

	check()

	return {
		get idle() {
			return idle
		},
		/** The page is shown, so its user is active. */
		seen,
	}
}
