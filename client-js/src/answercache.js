// Caches PHP's last answers about post locks, which may be repeated for a while. When a user takes
// or releases a lock, PHP pushes the change to the post's room: the answer to a list is updated
// with it, and an editor asks PHP.

// No answer is repeated for longer. That to a list is repeated until the first lock that it shows may
// have expired. That to an editor begins anew when heartbeatd has had its lock renewed.
const MAX_LIFE = 100000
const MAX_LIST_LIFE = 300000
// How long a lock lasts, unless the site says otherwise. The answer about a page's own lock is
// repeated only if the lock lasts MARGIN longer than the second beat from now: the next beat
// may fail.
const DEFAULT_WINDOW = 150000
const MARGIN = 20000
// A page without the focus beats every two minutes.
export const UNFOCUSED = 120000
// A push announces that a lock is released; the lock ends some seconds later.
const AFTER_PUSH = 10000
// The number of posts whose last change is remembered.
const MAX_POSTS = 500

export const LOCK = 'wp-refresh-post-lock'
export const LOCKS = 'wp-check-locked-posts'

// For each handle: how long its answer may be repeated, which posts it asks about, and which answer
// may be repeated (undefined: none). PHP answers about these posts: it ignores the lock in the
// request, which some editors never update.
const kinds = {
	[LOCK]: {
		life: (window, next) => Math.min(MAX_LIFE, window - 2 * next - MARGIN),
		posts: (asked) => [String(asked.post_id)],
		good: (answer) => (answer && answer.new_lock && !answer.lock_error ? { new_lock: answer.new_lock } : undefined),
	},
	[LOCKS]: {
		life: () => MAX_LIST_LIFE,
		posts: (asked) => [].concat(asked).map((row) => String(row).replace(/^post-/, '')),
		good: (answer) => answer || {},
	},
}

/** lockWindow is how long a lock lasts on this site, in seconds; 0: not known. */
export function createAnswerCache(now, lockWindow) {
	const window = 1000 * lockWindow || DEFAULT_WINDOW
	const known = {}
	let pausedUntil = 0 // no answer is kept before this time
	let asked = kinds // the handles for which nothing has changed since the last beat was posted
	let sinceBeat = [] // updates for changes of locks since then, which PHP's answer to a list may lack
	let changedAt = new Map() // by post, the time of its lock's last change on PHP's clock

	function change(handle) {
		delete known[handle]
		asked = Object.assign({}, asked, { [handle]: null })
	}

	const forget = () => Object.keys(kinds).forEach(change)

	// Returns what lists show now: null for no locks, because the tick does not have the handle
	// then, and undefined if a lock may have expired, so that PHP must be asked.
	function current({ rows, answer, ends }) {
		if (!rows) return answer
		const ended = Object.keys(ends).filter((row) => now() >= ends[row].at)
		if (ended.some((row) => !ends[row].released)) return undefined
		const list = {}
		rows.forEach((row) => {
			if (answer[row] && !ended.includes(row)) list[row] = answer[row]
		})
		return Object.keys(list).length ? list : null
	}

	return {
		/** A beat is posted: a change from now on may be newer than PHP's answer. */
		ask() {
			asked = kinds
			sinceBeat = []
		},
		/**
		 * Keeps what PHP answered to a beat; hears(post) tells whether the page hears the post's room.
		 * lefts has the milliseconds until the locks of a list expire, by row.
		 */
		learn(data, response, hears, lefts) {
			Object.keys(kinds).forEach((handle) => {
				const rows = data[handle]
				if (!rows) return
				delete known[handle]
				const { posts, good } = kinds[handle]
				const about = posts(rows)
				const answer = good(response[handle])
				if (answer === undefined || !asked[handle] || (handle === LOCK && now() < pausedUntil) || !about.every(hears)) return
				const ends = {}
				known[handle] = { key: String(about), answer, at: now(), rows: handle === LOCKS && [].concat(rows), ends }
				if (handle !== LOCKS) return
				Object.keys(lefts || {}).forEach((row) => {
					ends[row] = { at: now() + lefts[row] }
				})
				sinceBeat.forEach((update) => update(known[handle]))
			})
		},
		/** Returns the answers to repeat for a beat, by handle; null if the tick has no such handle. */
		recall({ data, interval, has_focus: focused }) {
			const next = focused ? 1000 * interval : UNFOCUSED
			const again = {}
			Object.keys(known).forEach((handle) => {
				const { life, posts } = kinds[handle]
				const last = known[handle]
				const age = now() - last.at
				if (!data[handle] || String(posts(data[handle])) !== last.key || !(age >= 0 && age < life(window, next))) return
				const answer = current(last)
				if (answer !== undefined) again[handle] = answer
			})
			return again
		},
		forget,
		/** Somebody has entered or left the post's room, or another user has a lock: an editor asks PHP. */
		entered: () => change(LOCK),
		/**
		 * The lock of a post has changed, or was renewed if `released` is undefined. `row` is what
		 * lists show for it during left_ms, or null. After that a released lock has ended; any other
		 * lock may have been renewed. The page's own lock that was renewed just now, as `recent`
		 * says, is as if PHP had answered just now.
		 */
		lockChanged({ post, at_ms: at, left_ms: left, released }, row, recent) {
			if (released !== undefined) change(LOCK)
			else if (recent && !row && known[LOCK] && known[LOCK].key === post) known[LOCK].at = now()
			if (released) pausedUntil = now() + AFTER_PUSH
			if (at <= changedAt.get(post)) return
			if (changedAt.size >= MAX_POSTS) changedAt = new Map()
			changedAt.set(post, at)
			const end = { at: now() + left, released }
			const update = (list) => list.rows.filter((key) => key === 'post-' + post).forEach((key) => {
				list.answer = Object.assign({}, list.answer, { [key]: row })
				delete list.ends[key]
				if (row) list.ends[key] = end
			})
			sinceBeat = sinceBeat.concat(update).slice(-MAX_POSTS)
			if (known[LOCKS]) update(known[LOCKS])
		},
		/** A post's room got a push: for some seconds PHP answers. */
		pushed(room) {
			if (!postOf(room)) return
			forget()
			pausedUntil = now() + AFTER_PUSH
		},
	}
}

/** Returns the id of a room's post, or '' if the room is not a post's. */
export function postOf(room) {
	const match = /^postType\/[^:]+:(\d+)$/.exec(room)
	return match ? match[1] : ''
}
