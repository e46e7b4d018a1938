// How soon a page has its link again after heartbeatd was restarted or killed several times.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BYE, known, made, newSelector, pass, world } from './transportselector-world.js'

test('a restart soon after a long outage: the page is back within seconds', async () => {
	known('websocket')
	world.works = { websocket: false, longpoll: false }
	world.up = false
	const c = newSelector()
	c.start()
	await pass(120_000)
	world.works.websocket = world.up = true
	while (!c.name) await pass(1_000)
	world.works.websocket = world.up = false
	made.at(-1).onClosed(BYE(4001, 700))
	await pass(3_000)
	assert.equal(c.name, '')
	world.works.websocket = world.up = true
	await pass(4_000)
	assert.equal(c.name, 'websocket')
})

test('a heartbeatd that has ended three times soon after its start: the page is back within 30 s', async () => {
	const c = newSelector(['websocket', 'events', 'longpoll'])
	for (let i = 0; i < 3; i++) {
		world.works = { websocket: true }
		world.up = true
		c.start()
		while (!c.name) await pass(1_000)
		world.works = { websocket: false, events: false, longpoll: false }
		world.up = false
		made.at(-1).onClosed(BYE(1006))
	}
	await pass(20 * 60_000, 1000)
	world.works = { websocket: true }
	world.up = true
	await pass(31_000)
	assert.equal(c.name, 'websocket')
})
