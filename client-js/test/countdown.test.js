import assert from 'node:assert/strict'
import { beforeEach, mock, test } from 'node:test'
import { countdown } from '../src/countdown.js'

// The page's timers run when the test calls late().
let now = 1000
let due
let expired
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
	expired = 0
})

test('it expires after its time', () => {
	countdown(win, 1000, () => expired++)
	for (let step = 1; step <= 5; step++) {
		assert.deepEqual([due.length, due[0].ms, expired], [1, 200, 0])
		late(200)
	}
	assert.deepEqual([due.length, expired], [0, 1])
})

test('a page that was busy gets more time', () => {
	countdown(win, 1000, () => expired++)
	late(1500)
	late(1500)
	assert.deepEqual([due.length, expired], [1, 0])
})

test('a busy page gets at most four times the time', () => {
	countdown(win, 1000, () => expired++)
	late(60_000)
	assert.deepEqual([due.length, expired], [0, 1])
})

test('it can be stopped', () => {
	countdown(win, 1000, () => expired++)()
	assert.deepEqual([due.length, expired], [0, 0])
})
