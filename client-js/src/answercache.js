// Keeps PHP's last answers about post locks. They may be repeated for a while if no frame of the
// posts' rooms arrives: a user who takes or releases a lock causes one.

// No answer is repeated for longer: a lock that a list shows may have expired meanwhile.
const MAX_LIFE = 100000
// How long a lock lasts, unless the site says otherwise. The answer about a page's own lock is
// repeated only if the lock lasts MARGIN longer than the second beat from now: the next beat
// may fail.
const DEFAULT_WINDOW = 150000
const MARGIN = 20000
// A page without the focus beats every two minutes.
export const UNFOCUSED = 120000
// A push announces that a lock is released; the lock ends some seconds later.
const AFTER_PUSH = 10000

export const LOCK = 'wp-refresh-post-lock'
export const LOCKS = 'wp-check-locked-posts'

// For each handle: how long its answer may be repeated, which posts it asks about, which part
// of the request PHP answers, and which answer may be repeated (undefined: none). PHP ignores
// the lock in the request, which some editors never update.
const kinds = {
	[LOCK]: {
		life: (window, next) => Math.min(MAX_LIFE, window - 2 * next - MARGIN),
		posts: (asked) => [String(asked.post_id)],
		key: (asked) => String(asked.post_id),
		good: (answer) => (answer && answer.new_lock && !answer.lock_error ? { new_lock: answer.new_lock } : undefined),
	},
	[LOCKS]: {
		life: () => MAX_LIFE,
		posts: (asked) => [].concat(asked).map((row) => String(row).replace(/^post-/, '')),
		key: (asked) => JSON.stringify(asked),
		// If no post is locked, the tick does not have the handle.
		good: (answer) => answer || null,
	},
}

/** lockWindow is how long a lock lasts on this site, in seconds; 0: not known. */
export function createAnswerCache(now, lockWindow) {
	const window = 1000 * lockWindow || DEFAULT_WINDOW
	let known = {}
	let pausedUntil = 0 // no answer is kept before this time
	let changes = 0 // how many changes may have made answers wrong
	let changesAtBeat = 0 // the same when the last beat was posted

	function forget() {
		known = {}
		changes++
	}

	const fresh = ({ at }, life) => now() >= at && now() - at < life

	return {
		/** A beat is posted: a change from now on may be newer than PHP's answer. */
		ask() {
			changesAtBeat = changes
		},
		/** Keeps what PHP answered to a beat; hears(post) tells whether the page hears the post's room. */
		learn(data, response, hears) {
			Object.keys(kinds).forEach((handle) => {
				const asked = data[handle]
				if (!asked) return
				delete known[handle]
				const { posts, key, good } = kinds[handle]
				const answer = good(response[handle])
				if (answer === undefined || changesAtBeat !== changes || now() < pausedUntil || !posts(asked).every(hears)) return
				known[handle] = { key: key(asked), answer, at: now() }
			})
		},
		/** Returns the answers to repeat for a beat, by handle; null if the tick has no such handle. */
		recall({ data, interval, has_focus: focused }) {
			const next = focused ? 1000 * interval : UNFOCUSED
			const again = {}
			Object.keys(known).forEach((handle) => {
				const { life, key } = kinds[handle]
				if (data[handle] && key(data[handle]) === known[handle].key && fresh(known[handle], life(window, next))) again[handle] = known[handle].answer
			})
			return again
		},
		forget,
		/** Another user has a lock of this post. */
		contested() {
			delete known[LOCK]
		},
		/** A post's room got a push: for some seconds PHP answers. */
		pushed(room) {
			if (!postOf(room)) return
			forget()
			pausedUntil = now() + AFTER_PUSH
		},
	}
}

/** The id of the post that a room is of, or ''. */
export function postOf(room) {
	const match = /^postType\/[^:]+:(\d+)$/.exec(room)
	return match ? match[1] : ''
}
