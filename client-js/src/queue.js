// Holds the data that pages have queued for the next beat.

export function createQueue() {
	let items = {}
	const has = (handle) => Object.prototype.hasOwnProperty.call(items, handle)

	return {
		/** Empties the queue and returns what was in it. */
		take() {
			const taken = items
			items = {}
			return taken
		},
		enqueue(handle, data, noOverwrite) {
			if (!handle || (noOverwrite && has(handle))) return false
			items[handle] = data
			return true
		},
		dequeue(handle) {
			if (handle) delete items[handle]
		},
		isQueued(handle) {
			return handle ? has(handle) : undefined
		},
		getQueuedItem(handle) {
			return handle && has(handle) ? items[handle] : undefined
		},
	}
}
