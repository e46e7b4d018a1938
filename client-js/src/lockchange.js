// What lists show for a lock that has changed, from the push of PHP to the post's room.

/**
 * Returns what core's list of posts shows for a lock: null if nobody, or the page's own user, has
 * it. `format` is the text for it in the page's language.
 */
export function rowOf({ user, name, avatar_src, avatar_src_2x }, self, format) {
	if (!user || String(user) === String(self)) return null
	const text = String(format).replace(/%(?:%|(?:1\$)?s)/g, (mark) => (mark === '%%' ? '%' : name))
	return Object.assign({ name, text }, avatar_src && { avatar_src, avatar_src_2x })
}
