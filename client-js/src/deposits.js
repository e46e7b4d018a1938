// The handles for which a back end has deposited a value for this page. heartbeatd answers them if
// the ticket allows it.

const names = (value) => (Array.isArray(value) ? value.filter((name) => typeof name === 'string') : [])

export function createDeposits() {
	let handles = []

	return {
		has: (handle) => handles.includes(handle),
		/** A frame of heartbeatd names the handles. They replace those of the last frame. */
		receive: (frame) => (handles = names(frame.handles)),
		/** The link has changed: heartbeatd names the handles again. */
		forget: () => (handles = []),
	}
}
