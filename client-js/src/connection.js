// Counts failed beats, and sends one event when the connection is lost and one when it is
// restored.

// The errors that count. Core ignores all others: 'canceled' by beforeSend, and the
// text that a page passed to abort().
const COUNTED = ['error', 'parsererror', 'empty', 'unknown']

export function createConnection(emit) {
	let everConnected = false
	let lost = false
	let errors = 0

	function isLoss(error, status) {
		if (error === 'timeout') return true
		if (error === 'error' && status === 503 && everConnected) return true
		if (COUNTED.indexOf(error) < 0) return false
		// Reset only when a lost connection is restored, as in core: three errors in the life
		// of a page are a loss.
		errors++
		return errors > 2 && everConnected
	}

	return {
		isLost: () => lost,
		failed(error, status) {
			if (!isLoss(error, status) || lost) return
			lost = true
			emit('connection-lost', [error, status])
		},
		answered() {
			everConnected = true
			if (!lost) return
			errors = 0
			lost = false
			emit('connection-restored')
		},
	}
}
