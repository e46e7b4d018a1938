// Is the site still there? Counts what went wrong, and says once when the
// connection is lost and once when it is back.

export function createConnection(emit) {
	let everConnected = false
	let lost = false
	let errors = 0

	function isLoss(error, status) {
		if (error === 'timeout') return true
		if (error === 'error' && status === 503 && everConnected) return true
		// Never set back before a restored connection: three errors over a page's
		// life are one too many, as in core.
		errors++
		return errors > 2 && everConnected
	}

	return {
		isLost: () => lost,
		failed(error, status) {
			if (error === 'abort' || !isLoss(error, status) || lost) return
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
