import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BYE, changes, newSelector, known, made, names, pass, settle, world } from './transportselector-world.js'

test('opens the first transport that works, and starts once', async () => {
	const c = newSelector()
	assert.equal(c.link, null)
	c.start()
	c.start()
	await settle()
	assert.deepEqual(names(), ['websocket'])
	assert.equal(c.name, 'websocket')
	assert.deepEqual(changes, ['websocket'])
})

test('if no transport opens, it backs off with full jitter up to 30 s', async () => {
	known('websocket')
	world.works = { websocket: false, longpoll: false }
	newSelector().start()
	await pass(10 * 60_000)
	const slow = names().filter((name) => name === 'websocket').length
	assert.ok(slow >= 20 && slow <= 30, `${slow} attempts in ten minutes`)
	world.works.websocket = true
	await pass(30_000)
	assert.equal(names().filter((name) => name === 'websocket').length, slow + 1)
	assert.equal(changes.pop(), 'websocket', 'a failure of all transports is not remembered')
})

test('if no transport has ever worked, it backs off up to five minutes', async () => {
	world.works = { websocket: false, longpoll: false }
	newSelector().start()
	await pass(60 * 60_000, 1000)
	const slow = names().filter((name) => name === 'websocket').length
	assert.ok(slow >= 12 && slow <= 24, `${slow} attempts in an hour`)
})

test('the jitter is full: the delay may be zero', async () => {
	world.works = { websocket: false, longpoll: false }
	world.random = 0
	const c = newSelector()
	c.start()
	await settle()
	world.works.websocket = true
	await pass(50)
	assert.equal(c.name, 'websocket')
})

test('an attempt without an answer is given up after five seconds', async () => {
	world.works.websocket = undefined
	const c = newSelector()
	c.start()
	await pass(4_900)
	assert.equal(c.name, '')
	await pass(200)
	assert.equal(c.name, 'longpoll')
	assert.ok(made[0].closed)
})

test('while heartbeatd is down no transport is tried, and no failure is remembered', async (t) => {
	const outage = async () => {
		made.length = 0
		world.works = { websocket: false, longpoll: false }
		world.up = true
		const c = newSelector()
		world.works.websocket = true
		c.start()
		await pass(20_000)
		assert.equal(c.name, 'websocket')
		world.works = { websocket: false, longpoll: false }
		world.up = false
		made[0].onClosed(BYE(1006))
		return c
	}
	await t.test('one plain request for each attempt', async () => {
		const c = await outage()
		await pass(100_000)
		assert.deepEqual(names(), ['websocket'])
		assert.ok(world.asked >= 5 && world.asked <= 10, `asked ${world.asked} times in 100 s`)
		world.works = { websocket: true, longpoll: true }
		world.up = true
		await pass(31_000)
		assert.deepEqual([c.name, ...names()], ['websocket', 'websocket', 'websocket'])
		c.stop()
	})
	await t.test('the transports are tried after five minutes even if plain requests fail', async () => {
		const c = await outage()
		world.works.websocket = true
		await pass(4 * 60_000)
		assert.equal(c.name, '')
		await pass(2 * 60_000)
		assert.equal(c.name, 'websocket')
		c.stop()
	})
	await t.test('a page that is opened meanwhile sends a plain request after its first attempt', async () => {
		made.length = 0
		world.works = { websocket: false, longpoll: false }
		world.up = false
		const c = newSelector()
		c.start()
		await pass(100_000)
		assert.deepEqual(names(), ['websocket', 'longpoll'])
		world.works = { websocket: true, longpoll: true }
		world.up = true
		await pass(31_000)
		assert.equal(c.name, 'websocket')
	})
	await t.test('stop() during the plain request', async () => {
		const c = await outage()
		world.works.websocket = world.up = true
		await pass(950)
		c.stop()
		await pass(60_000)
		assert.equal(made.length, 1)
	})
})

test('long-polls only in a visible tab', async () => {
	world.works.websocket = false
	world.visible = false
	const c = newSelector()
	c.start()
	await pass(3_000)
	assert.equal(c.name, '')
	assert.ok(!names().includes('longpoll'))
	world.visible = true
	c.reconsider()
	await settle()
	assert.equal(c.name, 'longpoll')
	world.visible = false
	c.reconsider()
	assert.equal(c.name, '')
	assert.ok(made.find((link) => link.name === 'longpoll').closed)
	assert.equal(changes.pop(), '')
})

test('an attempt is given up when the tab is hidden, and is no failure', async () => {
	world.works = { websocket: false, longpoll: undefined }
	world.othersLinked = true // what fails now is remembered
	const c = newSelector()
	c.start()
	await settle()
	assert.deepEqual(names(), ['websocket', 'longpoll'])
	world.visible = false
	c.reconsider()
	assert.ok(made[1].closed)
	await pass(20_000)
	assert.equal(made.length, 2)
	world.visible = true
	world.works.longpoll = true
	c.reconsider()
	await settle()
	assert.equal(c.name, 'longpoll')
})

test('reconnects when the link dies, but not after stop()', async () => {
	const c = newSelector()
	c.start()
	await pass(20_000)
	made[0].onClosed(BYE(1006))
	assert.equal(c.link, null)
	await pass(1_100)
	assert.equal(c.name, 'websocket')
	c.stop()
	assert.ok(made[1].closed)
	await pass(60_000)
	assert.equal(made.length, 2)
	c.start()
	await settle()
	assert.equal(c.name, 'websocket')
})

test('stop() while a link opens', async () => {
	const c = newSelector()
	c.start()
	c.stop()
	await pass(60_000)
	assert.equal(c.link, null)
	assert.ok(made.every((link) => link.closed))
})

test('a transport whose links keep dying early is skipped', async () => {
	const c = newSelector()
	c.start()
	for (let i = 0; i < 3; i++) {
		await pass(5_000)
		made[made.length - 1].onClosed(BYE(1006))
	}
	await pass(8_000)
	assert.equal(c.name, 'longpoll')
})

test('a transport whose links the server closes with a bye is not skipped', async () => {
	const c = newSelector()
	c.start()
	for (const code of [4003, 4003, 4001, 4003, 4003, 4006]) {
		await pass(2_000)
		made[made.length - 1].onClosed(BYE(code, 100))
		c.start()
	}
	await pass(2_000)
	assert.deepEqual(new Set(made.map(({ name }) => name)), new Set(['websocket']))
	assert.equal(c.name, 'websocket')
})

test('a socket that the browser closes because a navigation starts', async (t) => {
	await t.test('is opened again after some seconds, and is no failure', async () => {
		const c = newSelector()
		c.start()
		for (let i = 0; i < 5; i++) {
			await pass(5_000)
			made[made.length - 1].onClosed(BYE(1001))
			await pass(2_900)
			assert.equal(made.length, i + 1, 'a page that is left does not connect')
			await pass(32_000)
			assert.equal(c.name, 'websocket')
			assert.equal(made.length, i + 2)
		}
		assert.deepEqual(new Set(names()), new Set(['websocket']))
	})
	await t.test('while it opens', async () => {
		made.length = 0
		world.works.websocket = BYE(1001)
		const c = newSelector()
		c.start()
		await pass(2_900)
		assert.deepEqual(names(), ['websocket'], 'no other transport is asked')
		world.works.websocket = true
		await pass(1_200)
		assert.equal(c.name, 'websocket')
	})
	await t.test('is opened at once when the page is shown again', async () => {
		made.length = 0
		const c = newSelector()
		c.start()
		await settle()
		made[0].onClosed(BYE(1001))
		c.stop()
		await pass(60_000)
		assert.equal(made.length, 1)
		c.start()
		await settle()
		assert.equal(c.name, 'websocket')
	})
	await t.test('after growing times if it happens again and again', async () => {
		made.length = 0
		known('websocket')
		world.works = { websocket: BYE(1001), longpoll: true }
		newSelector().start()
		await pass(10 * 60_000)
		assert.ok(made.length >= 18 && made.length <= 30, `${made.length} attempts in ten minutes`)
	})
})

test('acts on the code of a close', async (t) => {
	const after = async (code, retryAfter) => {
		made.length = 0
		const c = newSelector()
		c.start()
		await pass(20_000)
		made[0].onClosed(BYE(code, retryAfter))
		return c
	}
	await t.test('4000: does not use the transport again on this page', async () => {
		const c = await after(4000)
		await pass(20 * 60_000)
		assert.deepEqual(names(), ['websocket', 'longpoll'])
		assert.equal(c.name, 'longpoll')
	})
	for (const code of [4001, 4002, 4006]) {
		await t.test(`${code}: reconnects after retryAfter`, async () => {
			const c = await after(code, 7_000)
			await pass(6_900)
			assert.equal(c.name, '')
			await pass(200)
			assert.equal(c.name, 'websocket')
		})
	}
	await t.test('4006 after another transport has failed: does not try that one each time', async () => {
		made.length = 0
		world.works = { websocket: false, longpoll: BYE(4006, 30_000) }
		newSelector().start()
		await pass(10 * 60_000, 1000)
		assert.equal(names().filter((name) => name === 'longpoll').length, 21)
		assert.equal(names().filter((name) => name === 'websocket').length, 4)
	})
	for (const code of [4003, 4007]) {
		await t.test(`${code}: waits for start()`, async () => {
			const c = await after(code, 1)
			await pass(20 * 60_000)
			assert.equal(made.length, 1)
			c.start()
			await settle()
			assert.equal(c.name, 'websocket')
		})
	}
	await t.test('4003 as the answer to a hello: waits for start(), and tries no other transport', async () => {
		made.length = 0
		world.works = { websocket: BYE(4003), longpoll: true }
		const c = newSelector()
		c.start()
		await pass(60_000)
		assert.deepEqual(names(), ['websocket'])
		assert.equal(c.name, '')
	})
	await t.test('4003 to a ticket that was replaced meanwhile: tries again', async () => {
		made.length = 0
		let refuse
		world.works = { websocket: new Promise((resolve, reject) => (refuse = reject)), longpoll: true }
		const c = newSelector()
		c.start()
		await settle()
		c.start()
		world.works.websocket = true
		refuse(BYE(4003))
		await pass(50)
		assert.equal(c.name, 'websocket')
		assert.deepEqual(names(), ['websocket', 'websocket'])
	})
	await t.test('4004 of a link that the page has not replaced, 4005 and unknown codes: as if the link had died', async () => {
		world.works = { websocket: true, longpoll: true }
		for (const code of [4004, 4005, 4999]) {
			const c = await after(code)
			await pass(1_100)
			assert.equal(c.name, 'websocket')
			c.stop()
		}
	})
})

test('suspect() closes and replaces the link, and ignores an older link', async () => {
	const c = newSelector()
	c.start()
	await pass(20_000)
	const old = c.link
	c.suspect(old)
	assert.ok(old.closed)
	assert.equal(c.link, null)
	await pass(1_100)
	c.suspect(old)
	assert.equal(c.name, 'websocket')
})

test('leaving() closes the link, and opens it again if the page stays', async () => {
	const c = newSelector()
	c.leaving()
	c.start()
	await settle()
	c.leaving()
	assert.ok(made[0].closed)
	assert.equal(c.link, null)
	await pass(2_900)
	assert.equal(made.length, 1)
	await pass(1_200)
	assert.equal(c.name, 'websocket')
	c.leaving()
	c.reconsider()
	await settle()
	assert.equal(c.name, 'websocket', 'at once when it is known to stay')
	assert.equal(world.asked, 0)
})

test('use() changes the order at once', async () => {
	const c = newSelector()
	c.start()
	await settle()
	c.use(['longpoll'])
	await settle()
	assert.equal(c.name, 'longpoll')
	c.use([])
	await pass(60_000)
	assert.equal(c.name, '')
	c.use(['websocket', 'longpoll'])
	await settle()
	assert.equal(c.name, 'websocket')
})
