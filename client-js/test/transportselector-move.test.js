// A node asks its pages to go to another one.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BYE, changes, made, names, newSelector, pass, world } from './transportselector-world.js'

async function linked() {
	const c = newSelector()
	c.start()
	await pass(20_000)
	assert.equal(c.name, 'websocket')
	return c
}

test('a page that moves has its next link before it gives up the last one', async () => {
	const c = await linked()
	let open
	world.works.websocket = new Promise((resolve) => (open = resolve))
	c.move()
	await pass(1_000)
	assert.deepEqual([c.link === made[0], made[0].closed, made.length], [true, false, 2])
	open({ type: 'welcome' })
	await pass(0)
	assert.deepEqual([c.link === made[1], made[0].closed], [true, true])
	assert.deepEqual(changes, ['websocket', 'websocket'])
	world.works.websocket = true
	await pass(120_000)
	assert.equal(made.length, 2, 'it moves once')
})

test('a page that the same node refuses tries again, and keeps its link', async () => {
	const c = await linked()
	world.works.websocket = BYE(4001, 300)
	c.move()
	await pass(1_000)
	assert.equal(c.link, made[0])
	assert.ok(made.length > 3, `${made.length - 1} attempts`)
	world.works.websocket = true
	await pass(400)
	assert.deepEqual([c.link === made.at(-1), made[0].closed], [true, true])
})

test('a page whose next link fails tries the same transport again, also when the last one has ended', async () => {
	const c = await linked()
	world.works = { websocket: false, longpoll: false }
	c.move()
	await pass(2_000)
	assert.equal(c.link, made[0])
	made[0].onClosed(BYE(4001, 100))
	world.works.websocket = true
	await pass(2_000)
	assert.equal(c.name, 'websocket')
	assert.ok(!names().includes('longpoll'), names().join())
})

test('the session that a move ends on the same node does not stop the page', async () => {
	const c = await linked()
	let open
	world.works.websocket = new Promise((resolve) => (open = resolve))
	c.move()
	await pass(0)
	made[0].onClosed(BYE(4004))
	open({ type: 'welcome' })
	await pass(0)
	assert.equal(c.link, made[1])
})

test('a link that ends while the page opens the next one does not interrupt that', async () => {
	const c = await linked()
	let open
	world.works.websocket = new Promise((resolve) => (open = resolve))
	c.move()
	await pass(0)
	made[0].onClosed(BYE(4001, 100))
	await pass(1_000)
	open({ type: 'welcome' })
	await pass(0)
	assert.deepEqual([c.link === made[1], made.length], [true, 2])
})

test('if the next link then fails, the page tries again', async () => {
	const c = await linked()
	let fail
	world.works.websocket = new Promise((resolve, reject) => (fail = reject))
	c.move()
	await pass(0)
	made[0].onClosed(BYE(4001, 100))
	fail(BYE(1006))
	world.works.websocket = true
	await pass(2_000)
	assert.equal(c.name, 'websocket')
	assert.ok(!names().includes('longpoll'), names().join())
})

test('a page that leaves while it moves does not come back', async () => {
	const c = await linked()
	let open
	world.works.websocket = new Promise((resolve) => (open = resolve))
	c.move()
	await pass(0)
	c.leave()
	open({ type: 'welcome' })
	await pass(100)
	assert.deepEqual([c.link === made[0], made[0].left, made[1].closed], [true, true, true])
	made[0].onClosed(BYE(4007))
	await pass(120_000)
	assert.deepEqual([c.link, made.length], [null, 2])
	c.start()
	await pass(0)
	assert.equal(c.name, 'websocket')
})

test('a page that leaves before it has a link opens none', async () => {
	const c = newSelector()
	let open
	world.works.websocket = new Promise((resolve) => (open = resolve))
	c.start()
	c.leave()
	open({ type: 'welcome' })
	await pass(120_000)
	assert.deepEqual([c.link, made.length], [null, 1])
})

test('a page without a link has nothing to move', async () => {
	const c = newSelector()
	c.move()
	await pass(1_000)
	assert.equal(made.length, 0)
})
