import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BYE, changes, newSelector, known, made, names, pass, settle, world } from './transportselector-world.js'

const REFUSED = (reason = 'POST /open got an answer of another program, with status 403') => ({ code: 1006, retryAfter: 0, reason })
const MINUTE = 60_000

test('invalid JSON in storage is ignored', async () => {
	world.tab.set('heartbeatd-transports', '{"websocket":')
	const c = newSelector()
	c.start()
	await settle()
	assert.equal(c.name, 'websocket')
})

test('with full storage the page remembers', async (t) => {
	await t.test('a refused transport', async () => {
		world.full = true
		world.works = { websocket: false, longpoll: REFUSED() }
		newSelector().start()
		await pass(4 * MINUTE)
		assert.deepEqual(names(), ['websocket', 'longpoll'])
		assert.equal(world.warnings.length, 1)
	})
	await t.test('a failed transport', async () => {
		world.full = true
		made.length = 0
		world.works = { websocket: false, longpoll: true }
		const c = newSelector()
		c.start()
		await settle()
		world.works.websocket = true
		await pass(2 * MINUTE)
		assert.equal(c.name, 'websocket')
	})
})

for (const stored of ['5', '"x"', 'true', '[1]', '{"websocket":5,"longpoll":"x"}', '{"websocket":{"wait":1e13,"until":5e12},"longpoll":{"wait":1e13,"until":5e12}}']) {
	test(`storage with the value ${stored} is ignored`, async () => {
		for (const key of ['heartbeatd-transports', 'heartbeatd-known']) {
			world.browser.set(key, stored)
			world.tab.set(key, stored)
		}
		const c = newSelector()
		c.start()
		await settle()
		assert.equal(c.name, 'websocket')
		assert.deepEqual(changes, ['websocket'])
		world.works = { websocket: false, longpoll: REFUSED() }
		made[0].onClosed(REFUSED())
		await pass(4 * MINUTE)
		assert.ok(made.length < 4, `${made.length} attempts`)
	})
}

test('a transport that became usable while another one was tried is tried, too', async () => {
	world.visible = false
	let fail
	world.works.websocket = new Promise((resolve, reject) => (fail = reject))
	world.othersLinked = true
	const c = newSelector()
	c.start()
	await settle()
	assert.deepEqual(names(), ['websocket'])
	world.visible = true
	c.reconsider()
	fail(BYE(1006))
	await pass(2_000)
	assert.equal(c.name, 'longpoll')
})

test('all pages of the browser wait for growing times before they try a refused transport again', async () => {
	world.works = { websocket: false, longpoll: REFUSED() }
	newSelector().start()
	await pass(145_000)
	assert.deepEqual(names(), ['websocket', 'longpoll'])
	world.tab = new Map() // a page in another tab, with another random delay
	newSelector(undefined, () => 0.5).start()
	await pass(145_000)
	assert.equal(made.length, 2)
	assert.deepEqual(world.warnings, ['heartbeatd: no longpoll for 5 minutes: POST /open got an answer of another program, with status 403'])
	await pass(12 * MINUTE) // the first two pauses of five and ten minutes have ended
	assert.equal(made.length, 6)
	await pass(24 * 60 * MINUTE, 5_000)
	assert.ok(world.warnings.length >= 25 && world.warnings.length <= 30, `${world.warnings.length} times in a day`)
	world.works.longpoll = true
	await pass(61 * MINUTE, 5_000)
	assert.equal(changes.pop(), 'longpoll')
	await pass(10_000)
	assert.equal(JSON.parse(world.browser.get('heartbeatd-transports')).longpoll, undefined, 'a link that lasts ends the pause')
})

test('if long-poll is refused and the WebSocket fails, neither is tried every few seconds', async () => {
	world.works = { websocket: false, longpoll: true }
	const c = newSelector()
	c.start()
	await settle()
	assert.equal(c.name, 'longpoll')
	made[1].onClosed(REFUSED('GET /poll got the answer to another request'))
	assert.equal(c.name, '')
	await pass(145_000)
	assert.deepEqual(names(), ['websocket', 'longpoll', 'websocket'], 'the WebSocket after its pause of a minute')
	c.use(['longpoll'])
	await settle()
	assert.equal(c.name, 'longpoll', 'use() ends the pause')
})

test('a page whose long-poll is refused uses a WebSocket that works', async () => {
	world.works = { longpoll: REFUSED(), websocket: true }
	const c = newSelector(['longpoll', 'websocket'])
	c.start()
	await pass(145_000)
	assert.equal(c.name, 'websocket')
	assert.deepEqual(names(), ['longpoll', 'websocket'])
})

test('after an outage a page whose long-poll is refused returns to its WebSocket within 30 s', async (t) => {
	const sockets = () => names().filter((name) => name === 'websocket').length
	for (const [what, up] of [['while plain requests fail', false], ['while plain requests are answered', true]]) {
		await t.test(`a page that had a WebSocket, ${what}`, async () => {
			world.works = { websocket: true, longpoll: REFUSED() }
			const c = newSelector()
			c.start()
			await pass(20_000)
			world.up = up
			world.works.websocket = false
			world.random = 0.9
			c.link.onClosed(BYE(4001, 500))
			await pass(90_000)
			assert.equal(c.name, '')
			world.up = true
			world.works.websocket = true
			await pass(30_000)
			assert.equal(c.name, 'websocket')
			world.works.websocket = false
			world.random = 1
			await pass(20_000)
			made.length = 0
			c.suspect(c.link)
			await pass(60 * MINUTE, 1000)
			assert.ok(sockets() <= 20, `${sockets()} sockets in an hour of refusals`)
			c.stop()
		})
	}
	await t.test('a page that is opened during the outage', async () => {
		made.length = 0
		world.tab.clear()
		world.browser.clear()
		known('websocket')
		world.works = { websocket: false, longpoll: REFUSED() }
		world.up = false
		const c = newSelector()
		c.start()
		await pass(70_000)
		assert.deepEqual(names(), ['websocket', 'longpoll'])
		world.up = world.works.websocket = true
		await pass(30_000, 50)
		assert.equal(c.name, 'websocket')
	})
})

test('tries transports in order, remembers failures for the tab, and tries better ones later', async () => {
	world.works.websocket = false
	const c = newSelector()
	c.start()
	await settle()
	assert.equal(c.name, 'longpoll')
	const next = newSelector()
	next.start()
	await settle()
	assert.deepEqual(names(), ['websocket', 'longpoll', 'longpoll'], 'the next page of the tab does not try it')
	next.stop()
	world.works.websocket = true
	await pass(62_000)
	assert.equal(c.name, 'websocket')
	assert.ok(made[1].closed, 'the old link is closed once the new one is up')
	assert.deepEqual(changes.filter((name) => name !== '').pop(), 'websocket')
})

test('a climb that fails keeps the link, and the time to the next climb grows', async () => {
	world.works.websocket = false
	const c = newSelector()
	c.start()
	await pass(10 * 60_000)
	assert.equal(c.name, 'longpoll')
	assert.ok(!made.find((link) => link.name === 'longpoll').closed)
	const climbs = names().filter((name) => name === 'websocket').length
	assert.ok(climbs >= 3 && climbs <= 5, `${climbs} attempts in ten minutes`)
})

test('if a climb fails after its session has replaced the link, the page opens that transport again within a second', async () => {
	world.works = { websocket: false, events: false, longpoll: true }
	const c = newSelector(['websocket', 'events', 'longpoll'])
	c.start()
	await settle()
	assert.equal(c.name, 'longpoll')
	world.works.events = undefined // a front buffers the stream
	for (const minutes of [1, 2, 4]) {
		made.length = 0
		const poll = c.link
		await pass(minutes * 60_000 + 1_000)
		assert.deepEqual(names(), ['websocket', 'events'])
		poll.onClosed(BYE(4004))
		await pass(6_100)
		assert.deepEqual(names(), ['websocket', 'events', 'longpoll'])
		assert.equal(c.name, 'longpoll')
	}
	assert.equal(world.asked, 0)
})

test('a transport that has worked in this browser', async (t) => {
	const known = async () => {
		world.works = { websocket: true, longpoll: true }
		const other = newSelector()
		other.start()
		await settle()
		other.stop()
		made.length = 0
	}
	for (const [browser, time] of [['Firefox', 15_000], ['another browser', 5_000]]) {
		await t.test(`has ${time / 1000} s to open in ${browser}, and is tried again after some seconds`, async () => {
			world.firefox = browser === 'Firefox'
			await known()
			world.works.websocket = undefined
			const c = newSelector()
			c.start()
			await pass(time - 200)
			assert.deepEqual(names(), ['websocket'])
			await pass(400)
			assert.equal(c.name, 'longpoll')
			world.works.websocket = true
			await pass(6_000)
			assert.equal(c.name, 'websocket')
			c.stop()
			world.tab.clear()
		})
	}
	await t.test('counts as one that does not work if it fails twice', async () => {
		await known()
		world.works.websocket = false
		const c = newSelector()
		c.start()
		await pass(10 * 60_000)
		assert.equal(c.name, 'longpoll')
		const tries = names().filter((name) => name === 'websocket').length
		assert.ok(tries >= 4 && tries <= 6, `${tries} attempts in ten minutes`)
	})
})

test('a transport that fails while other pages of the browser have links is tried after growing times', async () => {
	world.works.websocket = false
	world.visible = false
	world.othersLinked = true
	const c = newSelector()
	c.start()
	await pass(10 * 60_000)
	assert.ok(made.length >= 3 && made.length <= 5, `${made.length} attempts in ten minutes`)
})

test('a transport that may not be used any more has not failed', async () => {
	const taken = () => {
		world.visible = false
		world.othersLinked = true
		throw BYE(1006)
	}
	world.works = { websocket: false, longpoll: new Promise((resolve) => setTimeout(resolve, 100)).then(taken) }
	const c = newSelector()
	c.start()
	await pass(1_000)
	assert.equal(c.name, '')
	world.works.longpoll = true
	world.visible = true
	c.reconsider()
	await settle()
	assert.equal(c.name, 'longpoll')
})
