// Calls page code from a promise or from a frame. What it throws is an uncaught error,
// reported before anything else happens, as in the onload of an XMLHttpRequest, and
// stops nothing of ours. Only a browser's own event dispatch does that everywhere:
// reportError() is missing before Chrome 95, Firefox 93 and Safari 15.4, and a timer
// would report it later.

export function guard(win, call) {
	const target = win.document.createElement('i')
	target.addEventListener('heartbeat', () => void call())
	target.dispatchEvent(new win.Event('heartbeat'))
}
