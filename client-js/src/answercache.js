// Keeps PHP's last good answers about post locks, which may be repeated for a while if no
// frame of the posts' rooms arrives: whoever takes a lock or releases it causes one.

// No answer is given again for longer. One that only shows whose the locks are may not
// know that one has run out.
const LONGEST = 100000
// A lock lives 150 s, where the site says nothing else. Its holder's next beat but one
// must find it with that much left: one may fail.
const WINDOW = 150000
const SPARE = 20000
// A page without the focus beats every two minutes.
const UNFOCUSED = 120000
// An editor that closes leaves its lock some seconds more, and says so before.
const AFTER_PUSH = 10000

export const LOCK = 'wp-refresh-post-lock'
export const LOCKS = 'wp-check-locked-posts'

// What each handle asks about, what of its question matters, and which answer
// may be given again: undefined for none. PHP looks at the post only, not at
// the lock that is sent along, which an editor may never bring up to date.
const kinds = {
	[LOCK]: {
		life: (window, next) => Math.min(LONGEST, window - 2 * next - SPARE),
		posts: (asked) => [String(asked.post_id)],
		key: (asked) => String(asked.post_id),
		good: (answer) => (answer && answer.new_lock && !answer.lock_error ? { new_lock: answer.new_lock } : undefined),
	},
	[LOCKS]: {
		life: () => LONGEST,
		posts: (asked) => [].concat(asked).map((row) => String(row).replace(/^post-/, '')),
		key: (asked) => JSON.stringify(asked),
		// That none is locked is told by silence.
		good: (answer) => answer || null,
	},
}

/** lockWindow is how long a lock lives on this site, in seconds; 0 where that is not known. */
export function createAnswerCache(now, lockWindow) {
	const window = 1000 * lockWindow || WINDOW
	let known = {}
	let deafUntil = 0
	let news = 0 // how often there was something to hear
	let heard = 0 // and when the last beat went out

	function forget() {
		known = {}
		news++
	}

	const fresh = ({ at }, life) => now() >= at && now() - at < life

	return {
		/** A beat goes to PHP: what is heard from now on is newer than its answer. */
		ask() {
			heard = news
		},
		/** What the beat asked and what PHP answered; hears(post) tells whether its room is heard. */
		learn(data, response, hears) {
			Object.keys(kinds).forEach((handle) => {
				const asked = data[handle]
				if (!asked) return
				delete known[handle]
				const { posts, key, good } = kinds[handle]
				const answer = good(response[handle])
				if (answer === undefined || heard !== news || now() < deafUntil || !posts(asked).every(hears)) return
				known[handle] = { key: key(asked), answer, at: now() }
			})
		},
		/** The answers to give a beat again, by handle; null where the answer is none. */
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
		/** Somebody else is there with a lock of this very post. */
		contested() {
			delete known[LOCK]
		},
		/** Something was pushed to a post's room: what is asked soon is asked of PHP. */
		pushed(room) {
			if (!postOf(room)) return
			forget()
			deafUntil = now() + AFTER_PUSH
		},
	}
}

/** The id of the post that a room is of, or ''. */
export function postOf(room) {
	const match = /^postType\/[^:]+:(\d+)$/.exec(room)
	return match ? match[1] : ''
}
