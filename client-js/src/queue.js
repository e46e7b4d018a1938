// Holds the data that pages have queued for the next beat.

export function createQueue() {
	// Without a prototype, so that no handle is queued by its name.
	const none = () => Object.create(null)
	let items = none()

	return {
		/** Empties the queue and returns what was in it. */
		take() {
			const taken = items
			items = none()
			return taken
		},
		enqueue(handle, data, noOverwrite) {
			if (!handle || (noOverwrite && handle in items)) return false
			items[handle] = data
			return true
		},
		dequeue(handle) {
			if (handle) delete items[handle]
		},
		isQueued(handle) {
			return handle ? handle in items : undefined
		},
		getQueuedItem(handle) {
			return handle ? items[handle] : undefined
		},
	}
}
