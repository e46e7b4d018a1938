// Reads the page's settings. wp_localize_script turns numbers into strings, and false
// and null into empty strings. Unusual values have the same meaning as in core.

export const SECOND = 1000
export const FAST = 5 * SECOND
const DEFAULT = 60 // seconds

export function readSettings(win) {
	const given = typeof win.heartbeatSettings === 'object' ? win.heartbeatSettings : null
	const settings = {
		url: text(win.ajaxurl) || text(given && given.ajaxurl),
		// A page without settings has no screen, not even 'front'.
		screenId: text(win.pagenow) || (given ? given.screenId || 'front' : ''),
		minimal: minimalInterval(given),
		maySuspend: !given || given.suspension !== 'disable',
	}
	settings.interval = Math.max(initialInterval(given && given.interval), settings.minimal)
	return settings
}

const text = (value) => (typeof value === 'string' ? value : '')

// Converted as in a comparison, not with parseInt: '0' is 1 s, 0 and '' are the default.
// A value that is not a number is the default; core would beat without a pause.
function initialInterval(value) {
	const seconds = value ? Number(value) : DEFAULT
	return Number.isNaN(seconds) ? DEFAULT * SECOND : Math.min(3600, Math.max(1, seconds)) * SECOND
}

// Leaves the parsed number in the settings, as core does.
function minimalInterval(given) {
	if (!given || !given.minimalInterval) return 0
	const seconds = (given.minimalInterval = parseInt(given.minimalInterval, 10))
	return seconds > 0 && seconds <= 600 ? seconds * SECOND : 0
}

// parseInterval returns the interval, in milliseconds, that a caller or the server asks for. A
// value that is not valid means the page's initial interval.
export function parseInterval(speed, settings) {
	let wanted
	if (speed === 'fast') {
		wanted = FAST
	} else {
		const seconds = parseInt(speed, 10)
		wanted = seconds >= 1 && seconds <= 3600 ? seconds * SECOND : settings.interval
	}
	return Math.max(wanted, settings.minimal)
}
