import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BYE, changes, made, newSelector, pass, settle, world } from './transportselector-world.js'

test('the close of a replaced link does not close the new one', async () => {
	world.works.websocket = false
	const c = newSelector()
	c.start()
	await settle()
	const [, poll] = made
	let welcome
	world.works.websocket = new Promise((resolve) => (welcome = resolve))
	await pass(61_000)
	assert.equal(made[2].name, 'websocket')
	poll.onClosed(BYE(4004)) // before the welcome comes
	await settle()
	assert.equal(made[2].closed, false)
	welcome({ type: 'welcome' })
	await settle()
	assert.equal(c.name, 'websocket')
})

test('a climb keeps its link until the test of the better one has passed', async () => {
	world.works = { events: false, longpoll: true }
	const c = newSelector(['events', 'longpoll'])
	c.start()
	await settle()
	assert.equal(made[0].asked, true, 'without a link there is no test')
	let fail
	world.works.events = true
	world.tests = new Promise((resolve, reject) => (fail = reject))
	await pass(61_000)
	const held = made[2]
	assert.deepEqual([held.name, held.asked, c.name], ['events', undefined, 'longpoll'])
	fail(BYE(1006))
	await settle()
	assert.deepEqual([held.closed, held.asked], [true, undefined])
	world.tests = Promise.resolve()
	await pass(60_000)
	assert.equal(made.length, 3, 'the next climb is later')
	await pass(61_000)
	assert.deepEqual([made[3].asked, c.name], [true, 'events'])
	assert.deepEqual(changes, ['longpoll', 'events'])
})
