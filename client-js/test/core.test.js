import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createHeartbeat } from '../src/core.js'

const listeners = { on: () => listeners, off: () => listeners, each: () => {} }

// A page with an interval in seconds, and the seconds at which it beats. Each beat is answered at
// once.
function page(t, { interval, focused }) {
	t.mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'] })
	const win = {
		setTimeout,
		clearTimeout,
		setInterval,
		clearInterval,
		document: { hidden: !focused, getElementsByTagName: () => [] },
		heartbeatSettings: { interval, suspension: 'disable' },
	}
	const $ = (target) => (typeof target === 'function' ? target() : listeners)
	$.extend = Object.assign
	const beats = []
	const answer = { always: (callback) => (answer.then = callback, answer), done: () => answer, fail: () => answer }
	function ajax() {
		beats.push(Date.now() / 1000)
		setTimeout(() => answer.then(), 0)
		return answer
	}
	const { beatEarly } = createHeartbeat({ win, $, emit: () => {}, ajax, suspended: () => {} })
	return {
		beats,
		beatEarly,
		run: (seconds) => {
			for (let i = 0; i < seconds; i++) t.mock.timers.tick(1000)
		},
	}
}

test('after an early beat, the next one comes when it would have come', (t) => {
	const { beats, beatEarly, run } = page(t, { interval: 60, focused: true })
	run(61)
	beatEarly()
	run(120)
	assert.deepEqual(beats, [60, 61, 180])
})

test('after an early beat, the lock of a post does not expire before the next one', (t) => {
	const { beats, beatEarly, run } = page(t, { interval: 10, focused: false })
	run(121)
	beatEarly()
	run(240)
	assert.deepEqual(beats, [120, 121, 241, 361])
})

test('the beats of a slow page come no sooner', (t) => {
	const { beats, beatEarly, run } = page(t, { interval: 600, focused: true })
	run(601)
	beatEarly()
	run(1200)
	assert.deepEqual(beats, [600, 601, 1800])
})
