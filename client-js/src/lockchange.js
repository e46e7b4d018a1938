// What PHP pushes to the room of a post when its lock changes.

import { postOf } from './answercache.js'

/** The change that a push tells of, or null. */
export function lockOf(room, data) {
	const lock = (data && data.heartbeatd && data.heartbeatd.lock) || null
	const post = typeof room === 'string' ? postOf(room) : ''
	return lock && post ? Object.assign({}, lock, { post }) : null
}

/**
 * What core's list of posts shows of a lock: null of one's own lock, or of none. `format` is
 * its text in the page's language.
 */
export function rowOf({ user, name, avatar_src, avatar_src_2x }, self, format) {
	if (!user || String(user) === String(self)) return null
	const text = String(format).replace(/%(?:%|(?:1\$)?s)/g, (mark) => (mark === '%%' ? '%' : name))
	return Object.assign({ name, text }, avatar_src && { avatar_src, avatar_src_2x })
}
