// Firefox keeps a page in its back/forward cache only if no request of the page is under
// way shortly before a navigation starts. In beforeunload and pagehide it is too late to
// end one. So the link is closed when the mouse button goes down on a link to another
// page. Other browsers keep pages with connections, and close those themselves.

import { isFirefox } from './link.js'

/**
 * @param {Window} win
 * @param {Function} leaving () called when a click is about to lead away
 * @param {Function} staying () called when the page has handled that click itself
 */
export function watchLeaving(win, leaving, staying) {
	if (!isFirefox(win) || !win.fetch) return
	let kept = false
	let left = false
	// A page with no-store is in neither cache. This request never reaches the network.
	win.fetch(win.location.href, { cache: 'only-if-cached', mode: 'same-origin' }).then(
		() => (kept = true),
		() => {}
	)
	win.addEventListener(
		'pointerdown',
		(event) => {
			left = kept && leadsAway(win, event)
			if (left) leaving()
		},
		{ capture: true, passive: true }
	)
	win.addEventListener('click', (event) => {
		if (left && event.defaultPrevented) staying()
		left = false
	})
}

function leadsAway(win, event) {
	const link = event.button === 0 && event.pointerType === 'mouse' && event.target.closest && event.target.closest('a[href]')
	if (!link || event.ctrlKey || event.shiftKey || event.metaKey || event.altKey) return false
	const here = win.location.href.split('#')[0]
	return /^https?:$/.test(link.protocol) && !link.hasAttribute('download') && /^(_self|)$/.test(link.target) && (!link.hash || link.href.split('#')[0] !== here)
}
