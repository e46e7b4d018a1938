// The handles with a value that a back end has deposited for this page: heartbeatd answers
// them, if the ticket lets it.

const names = (value) => (Array.isArray(value) ? value.filter((name) => typeof name === 'string') : [])

export function createDeposits() {
	let handles = []

	return {
		has: (handle) => handles.includes(handle),
		/** Takes the handles that a frame of heartbeatd names, in place of those before. */
		receive: (frame) => (handles = names(frame.handles)),
		/** The link has changed: heartbeatd names them again. */
		forget: () => (handles = []),
	}
}
