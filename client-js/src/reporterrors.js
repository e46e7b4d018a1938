// Calls page code. If it throws, the browser reports an uncaught error at once, as in
// the onload of an XMLHttpRequest, and the caller goes on. Dispatching an event does that
// in every browser: reportError() is missing before Chrome 95, Firefox 93 and Safari
// 15.4, and a timer would report the error later.

export function reportErrors(win, call) {
	const target = win.document.createElement('i')
	target.addEventListener('heartbeat', () => void call())
	target.dispatchEvent(new win.Event('heartbeat'))
}
