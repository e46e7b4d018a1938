// PHP's last good answer to wp-refresh-post-lock may be given again for a third
// of the lock's life, as long as the post's room is quiet: nobody else can have
// taken the lock without showing up there.

const FOR = 50000
export const LOCK = 'wp-refresh-post-lock'

export function createLockMemory(now) {
	let last = null

	return {
		/** What was asked and what PHP answered. */
		learn(asked, answered) {
			if (!asked || !answered) return
			last = answered.new_lock && !answered.lock_error ? { post: String(asked.post_id), lock: answered.new_lock, at: now() } : null
		},
		/** The answer to give again, or undefined. */
		recall(asked) {
			const known =
				last && asked && String(asked.post_id) === last.post && asked.lock === last.lock && now() >= last.at && now() - last.at < FOR
			return known ? { new_lock: last.lock } : undefined
		},
		forget() {
			last = null
		},
		/** Is this the room of the post whose answer is kept? */
		concerns(room) {
			return Boolean(last) && isRoomOf(room, last.post)
		},
	}
}

export function isRoomOf(room, post) {
	const match = /^postType\/[^:]+:(\d+)$/.exec(room)
	return Boolean(match) && match[1] === String(post)
}
