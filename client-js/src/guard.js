// Page code that throws is reported as uncaught, as it would be anywhere else,
// and stops nothing of ours.

export function guard(win, call) {
	try {
		call()
	} catch (e) {
		win.setTimeout(() => {
			throw e
		})
	}
}
