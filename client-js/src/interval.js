// Tells how long it is from one beat to the next: the main interval or, for some beats, a
// temporary one of five seconds.

import { FAST, SECOND, parseInterval } from './settings.js'

const UNFOCUSED = 120 * SECOND
const BEATS = 30

export function createInterval(settings) {
	let main = settings.interval
	let temporary = 0
	let beats = 0
	const current = () => temporary || main

	function change(speed, ticks) {
		const wanted = parseInterval(speed, settings)
		const count = parseInt(ticks, 10)
		if (wanted === FAST) {
			temporary = wanted
			beats = count >= 1 && count <= BEATS ? count : BEATS
		} else {
			temporary = 0
			main = wanted
		}
	}

	return {
		seconds: () => current() / SECOND,
		/** Sets the interval; returns whether it has changed. */
		set(speed, ticks) {
			const before = current()
			change(speed, ticks)
			return current() !== before
		},
		/** Beats follow each other without a pause, from the next one on. */
		longPolling() {
			main = 0
		},
		/** Returns the time to the next beat, and counts that beat as one of the temporary ones. */
		next(focused) {
			let interval = focused ? main : UNFOCUSED
			if (focused && temporary) {
				interval = temporary
				if (--beats < 1) temporary = 0
			}
			return Math.max(interval, settings.minimal)
		},
	}
}
