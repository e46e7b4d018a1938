import assert from 'node:assert/strict'
import { test } from 'node:test'
import { watchActivity } from '../src/activity.js'

// Node's own EventTarget cannot dispatch an event that is trusted.
class Doc {
	visibilityState = 'visible'
	frames = []
	listeners = {}
	getElementsByTagName = () => this.frames
	addEventListener(type, listener) {
		this.listeners[type] = (this.listeners[type] ?? new Set()).add(listener)
	}
	dispatch(event) {
		this.listeners[event.type]?.forEach((listener) => listener(event))
	}
}

// Returns a page. `told` has the value of idle at each change.
function pageOf(t) {
	t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1700000000000 })
	const doc = new Doc()
	const told = []
	const activity = watchActivity({ document: doc, setTimeout: (...args) => setTimeout(...args) }, () => told.push(activity.idle))
	const wait = (seconds) => {
		for (let i = 0; i < seconds; i++) t.mock.timers.tick(1000)
	}
	return { doc, told, activity, wait, input: (type = 'mousemove', target = doc, isTrusted = true) => target.dispatch({ type, isTrusted }) }
}

test('a user is idle after 30 s without input, and active with the next input', (t) => {
	const { told, activity, wait, input } = pageOf(t)
	wait(29)
	assert.deepEqual([activity.idle, told], [false, []], 'active after loading')
	wait(1)
	assert.deepEqual([activity.idle, told], [true, [true]])
	wait(300)
	assert.deepEqual(told, [true], 'once')
	for (const type of ['mousemove', 'mousedown', 'keydown', 'wheel', 'touchstart', 'touchmove', 'click']) {
		told.length = 0
		input(type)
		input(type)
		assert.deepEqual(told, [false], type)
		wait(27)
		input(type)
		wait(29)
		assert.deepEqual(told, [false], `${type}, and again`)
		wait(1)
		assert.deepEqual(told, [false, true], `idle 30 s after ${type}`)
	}
	told.length = 0
	input('mouseover')
	assert.deepEqual(told, [], 'mouseover is not input: the page may move under the pointer')
})

test('events of scripts are not input', (t) => {
	const { doc, told, wait, input } = pageOf(t)
	const frame = new Doc()
	doc.frames.push({ contentDocument: frame })
	wait(20)
	for (const target of [doc, frame]) input('click', target, false)
	wait(10)
	assert.deepEqual(told, [true])
	for (const target of [doc, frame]) input('click', target, false)
	assert.deepEqual(told, [true])
	input('click', frame)
	assert.deepEqual(told, [true, false])
})

test('input in iframes counts, also if they are added or reloaded later', (t) => {
	const { doc, told, wait, input } = pageOf(t)
	const frame = { contentDocument: new Doc() }
	doc.frames.push({ contentDocument: null }, { get contentDocument() { throw new Error('another origin') } }, frame)
	for (let i = 0; i < 2; i++) {
		wait(5)
		input('keydown', frame.contentDocument)
		wait(29)
		assert.deepEqual(told, [])
		frame.contentDocument = new Doc()
		input()
	}
})

test('input in an iframe counts after document.open(), which removes its listeners', (t) => {
	const { doc, told, wait, input } = pageOf(t)
	const frame = new Doc()
	doc.frames.push({ contentDocument: frame })
	wait(5)
	frame.listeners = {}
	wait(20)
	input('keydown', frame)
	wait(29)
	assert.deepEqual(told, [])
})

test('a hidden page ignores input, and is active when it is shown', (t) => {
	const { doc, told, activity, wait, input } = pageOf(t)
	doc.visibilityState = 'hidden'
	wait(20)
	input()
	wait(10)
	assert.deepEqual(told, [true])
	input()
	assert.equal(activity.idle, true)
	doc.visibilityState = 'visible'
	activity.seen()
	assert.deepEqual([activity.idle, told], [false, [true]], 'seen() does not call changed()')
	wait(30)
	assert.deepEqual(told, [true, true])
})

test('if the clock is set back, the user is idle after at most 30 s', (t) => {
	const { told, wait } = pageOf(t)
	wait(10)
	const real = Date.now
	t.mock.method(Date, 'now', () => real() - 3600000)
	wait(36)
	assert.deepEqual(told, [true])
})
