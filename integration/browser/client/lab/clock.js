// A clock that moves only when the test moves it, installed in a realm before any other code runs.

// With an interval of 0 and immediate answers, beats would never end.
const RUNAWAY = 3000

export function installClock(win, thrown) {
	const RealDate = win.Date
	const timers = new Map()
	let time = 1700000000000
	let shift = 0
	let lastId = 0
	let turn = 0

	function add(callback, delay, args, every) {
		const id = ++lastId
		const wait = Math.max(0, Number(delay) || 0)
		timers.set(id, { id, at: time + wait, callback, args, every: every ? Math.max(1, wait) : 0 })
		return id
	}

	win.setTimeout = (callback, delay, ...args) => add(callback, delay, args, false)
	win.setInterval = (callback, delay, ...args) => add(callback, delay, args, true)
	win.clearTimeout = win.clearInterval = (id) => void timers.delete(id)
	win.Date = class extends RealDate {
		constructor(...args) {
			if (args.length) super(...args)
			else super(time + shift)
		}
		static now() {
			return time + shift
		}
	}

	function next(limit) {
		let first = null
		for (const timer of timers.values()) {
			if (timer.at <= limit && (!first || timer.at < first.at || (timer.at === first.at && timer.id < first.id))) first = timer
		}
		return first
	}

	async function advance(ms) {
		const limit = time + ms
		await settle()
		let fired = 0
		for (let timer = next(limit); timer; timer = next(limit)) {
			if (++fired > RUNAWAY) {
				thrown(new Error('runaway'))
				break
			}
			turn++
			time = Math.max(time, timer.at)
			if (timer.every) timer.at = time + timer.every
			else timers.delete(timer.id)
			try {
				timer.callback.apply(win, timer.args)
			} catch (e) {
				thrown(e)
			}
			await settle()
		}
		time = limit
	}

	return {
		advance,
		// Sets the wall clock; timers are not affected.
		jump: (ms) => (shift += ms),
		nextTurn: () => turn++,
		// Once for each timer that fired and each step.
		get turn() {
			return turn
		},
		get time() {
			return time
		},
		get wall() {
			return time + shift
		},
	}
}

// Lets promises settle without moving the clock.
export async function settle() {
	for (let i = 0; i < 24; i++) await null
}
