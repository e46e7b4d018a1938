// Firefox stores a page in its back/forward cache only if the page has no open connection when a
// navigation starts; in beforeunload and pagehide it is too late to close one. Where the
// connections cannot be those of a worker (workernetwork.js), the link is closed when a mouse
// button, a finger or the space bar is pressed on a hyperlink or a form's button: the click follows
// when it is released. The Enter key clicks when it is pressed, which is too late.

/**
 * @param {Window} win
 * @param {Function} leaving () called when a click is about to leave the page
 * @param {Function} staying () called when the page has handled that click itself, or when there
 *     is no click: the finger scrolls, or the button is released elsewhere
 */
export function watchLeaving(win, leaving, staying) {
	let left = false
	const pressed = (event) => {
		left = leadsAway(win, event)
		if (left) leaving()
	}
	const stays = (yes) => {
		if (!left || !yes) return
		left = false
		staying()
	}
	const handled = (event) => stays(event.defaultPrevented)
	win.addEventListener('pointerdown', pressed, true)
	win.addEventListener('keydown', pressed, true)
	win.addEventListener('pointerup', (event) => stays(!leadsAway(win, event)), true)
	win.addEventListener('pointercancel', stays, true)
	win.addEventListener('click', handled)
	win.addEventListener('submit', handled)
}

function leadsAway(win, event) {
	const { target, key } = event
	const pressed = (key ? key === ' ' : event.button === 0) && target.closest && target.closest('a[href],button,input')
	if (!pressed || event.ctrlKey || event.shiftKey || event.metaKey || event.altKey) return false
	const { form } = pressed
	if (!/^(_self|)$/.test((form || pressed).target)) return false
	if (form) return /^(submit|image)$/.test(pressed.type)
	const here = win.location.href.split('#')[0]
	return !key && /^https?:$/.test(pressed.protocol) && !pressed.hasAttribute('download') && (!pressed.hash || pressed.href.split('#')[0] !== here)
}
