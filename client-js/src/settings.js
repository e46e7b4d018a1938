// Reads what the page says about itself. Everything that came through
// wp_localize_script is a string, so numbers are parsed.

export const SECOND = 1000
export const FAST = 5 * SECOND

export function readSettings(win) {
	const given = typeof win.heartbeatSettings === 'object' ? win.heartbeatSettings : null
	const minimal = parseInt(given && given.minimalInterval, 10)
	const settings = {
		url: text(win.ajaxurl) || text(given && given.ajaxurl),
		// A page without settings has no screen, not even 'front'.
		screenId: text(win.pagenow) || (given ? given.screenId || 'front' : ''),
		minimal: minimal >= 1 && minimal <= 600 ? minimal * SECOND : 0,
		maySuspend: !given || given.suspension !== 'disable',
	}
	settings.interval = Math.max(initialInterval(given && given.interval), settings.minimal)
	return settings
}

const text = (value) => (typeof value === 'string' ? value : '')

function initialInterval(value) {
	const seconds = value ? parseInt(value, 10) || 60 : 60
	return Math.min(3600, Math.max(1, seconds)) * SECOND
}

// parseInterval turns what a caller or the server asks for into milliseconds;
// what cannot be understood means "as it was at the start".
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
