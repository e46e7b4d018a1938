// Reads the push that PHP sends to the room of a post when its lock changes.

import { postOf } from './answercache.js'

/** Returns the change of a lock that a push reports, or null. */
export function lockOf(room, data) {
	const lock = (data && data.heartbeatd && data.heartbeatd.lock) || null
	const post = typeof room === 'string' ? postOf(room) : ''
	return lock && post ? Object.assign({}, lock, { post }) : null
}

/**
 * Returns what core's list of posts shows for a lock: null if nobody, or the page's own user, has
 * it. `format` is the text for it in the page's language.
 */
export function rowOf({ user, name, avatar_src, avatar_src_2x }, self, format) {
	if (!user || String(user) === String(self)) return null
	const text = String(format).replace(/%(?:%|(?:1\$)?s)/g, (mark) => (mark === '%%' ? '%' : name))
	return Object.assign({ name, text }, avatar_src && { avatar_src, avatar_src_2x })
}
