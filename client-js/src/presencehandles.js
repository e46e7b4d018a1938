import { LOCK } from './answercache.js'

// How many bytes the presence handles of a beat have at most, encoded: with the names around them
// less than 8 KiB. A hello, of at most 16 KiB, has them beside its ticket of 2 KiB.
const MAX_PRESENCE = 4096

/**
 * Returns the presence handles of a beat. A handle of a plugin that is too large is left out.
 * @param {Object} data The beat's data.
 * @param {boolean} ownsLock Whether the page may have its post's lock. A user who refreshes a post's
 *     lock is in the post's room.
 * @param {Function} param Encodes data as a form.
 */
export function presenceHandles(data, ownsLock, param) {
	const handles = {}
	for (const handle in data) {
		if (!handle.indexOf('presence-') || (handle === LOCK && ownsLock)) {
			handles[handle] = data[handle]
			if (param(handles).length > MAX_PRESENCE) delete handles[handle]
		}
	}
	return handles
}
