import assert from 'node:assert/strict'
import { beforeEach, mock, test } from 'node:test'
import { countdown } from '../src/countdown.js'

// A page whose timers run when the test says so, however late.
let now = 1000
let due
let over
const win = {
	setTimeout: (call, ms) => due.push({ call, ms }),
	clearTimeout: () => (due = []),
}
function late(ms) {
	const { call } = due.shift()
	now += ms
	call()
}

beforeEach(() => {
	mock.restoreAll()
	mock.method(performance, 'now', () => now)
	due = []
	over = 0
})

test('it is over after its time', () => {
	countdown(win, 1000, () => over++)
	for (let step = 1; step <= 5; step++) {
		assert.deepEqual([due.length, due[0].ms, over], [1, 200, 0])
		late(200)
	}
	assert.deepEqual([due.length, over], [0, 1])
})

test('a page that was busy gets time to hear', () => {
	countdown(win, 1000, () => over++)
	late(1500)
	late(1500)
	assert.deepEqual([due.length, over], [1, 0])
})

test('but no more than four times its time', () => {
	countdown(win, 1000, () => over++)
	late(60_000)
	assert.deepEqual([due.length, over], [0, 1])
})

test('it can be stopped', () => {
	countdown(win, 1000, () => over++)()
	assert.deepEqual([due.length, over], [0, 0])
})
