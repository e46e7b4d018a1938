import assert from 'node:assert/strict'
import { beforeEach, mock, test } from 'node:test'
import { createChooser } from '../src/chooser.js'

// Promises settle between two ticks of the clock.
async function settle() {
	for (let i = 0; i < 20; i++) await null
}
async function pass(ms, step = 50) {
	await settle()
	for (let gone = 0; gone < ms; gone += step) {
		mock.timers.tick(Math.min(step, ms - gone))
		await settle()
	}
}

let made
let changes
let world

beforeEach(() => {
	mock.timers.reset()
	mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_800_000_000_000 })
	made = []
	changes = []
	world = { works: { websocket: true, longpoll: true }, visible: true, up: true, asked: 0, tab: new Map(), browser: new Map(), warnings: [], random: 1 }
})

const storage = (map) => ({ getItem: (key) => map.get(key) ?? null, setItem: (key, value) => map.set(key, value) })

const BYE = (code, retryAfter = 0) => ({ code, retryAfter })

function fakeLink(name, calls) {
	const link = {
		name,
		...calls,
		closed: false,
		open: () =>
			new Promise((resolve, reject) => {
				const how = world.works[name]
				if (how instanceof Promise) how.then(resolve, reject)
				else if (how === true) resolve({ type: 'welcome' })
				else if (how) reject(how)
				else if (how === false) reject(BYE(1006))
			}),
		close: () => (link.closed = true),
	}
	made.push(link)
	return link
}

function chooser(order = ['websocket', 'longpoll'], random = () => world.random) {
	return createChooser({
		order,
		make: fakeLink,
		hello: () => ({}),
		isUp: async () => {
			world.asked++
			return world.up
		},
		may: (name) => name !== 'longpoll' || world.visible,
		othersLinked: () => world.othersLinked,
		onFrame() {},
		onChange: (name) => changes.push(name),
		win: {
			setTimeout: (...args) => setTimeout(...args),
			clearTimeout: (timer) => clearTimeout(timer),
			sessionStorage: storage(world.tab),
			localStorage: storage(world.browser),
			console: { warn: (text) => world.warnings.push(text) },
		},
		random,
	})
}

const names = () => made.map((link) => link.name)

test('takes the first that opens and starts once', async () => {
	const c = chooser()
	assert.equal(c.link, null)
	c.start()
	c.start()
	await settle()
	assert.deepEqual(names(), ['websocket'])
	assert.equal(c.name, 'websocket')
	assert.deepEqual(changes, ['websocket'])
})

test('walks down, remembers for the tab what did not work, climbs back up', async () => {
	world.works.websocket = false
	const c = chooser()
	c.start()
	await settle()
	assert.equal(c.name, 'longpoll')
	const next = chooser()
	next.start()
	await settle()
	assert.deepEqual(names(), ['websocket', 'longpoll', 'longpoll'], 'the next page of the tab does not ask again')
	next.stop()
	world.works.websocket = true
	await pass(62_000)
	assert.equal(c.name, 'websocket')
	assert.ok(made[1].closed, 'the old link is closed once the new one is up')
	assert.deepEqual(changes.filter((name) => name !== '').pop(), 'websocket')
})

test('a climb that fails keeps the link and comes at ever longer intervals', async () => {
	world.works.websocket = false
	const c = chooser()
	c.start()
	await pass(10 * 60_000)
	assert.equal(c.name, 'longpoll')
	assert.ok(!made.find((link) => link.name === 'longpoll').closed)
	const climbs = names().filter((name) => name === 'websocket').length
	assert.ok(climbs >= 3 && climbs <= 5, `${climbs} attempts in ten minutes`)
})

test('with none that opens it backs off with full jitter, to half a minute', async () => {
	world.works = { websocket: false, longpoll: false }
	chooser().start()
	await pass(10 * 60_000)
	const slow = names().filter((name) => name === 'websocket').length
	assert.ok(slow >= 20 && slow <= 30, `${slow} attempts in ten minutes`)
	world.works.websocket = true
	await pass(30_000)
	assert.equal(names().filter((name) => name === 'websocket').length, slow + 1)
	assert.equal(changes.pop(), 'websocket', 'what failed together is not held against the better one')
})

test('jitter is full: with luck nobody waits', async () => {
	world.works = { websocket: false, longpoll: false }
	world.random = 0
	const c = chooser()
	c.start()
	await settle()
	world.works.websocket = true
	await pass(50)
	assert.equal(c.name, 'websocket')
})

test('an attempt that hangs is given up after five seconds', async () => {
	world.works.websocket = undefined
	const c = chooser()
	c.start()
	await pass(4_900)
	assert.equal(c.name, '')
	await pass(200)
	assert.equal(c.name, 'longpoll')
	assert.ok(made[0].closed)
})

test('while heartbeatd is down no transport is tried, and none is to blame', async (t) => {
	const outage = async () => {
		made = []
		world.works = { websocket: false, longpoll: false }
		world.up = true
		const c = chooser()
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
	await t.test('where plain requests do not get through the transports are tried all the same', async () => {
		const c = await outage()
		world.works.websocket = true
		await pass(4 * 60_000)
		assert.equal(c.name, '')
		await pass(2 * 60_000)
		assert.equal(c.name, 'websocket')
		c.stop()
	})
	await t.test('a page that was opened meanwhile asks after its first attempt', async () => {
		made = []
		world.works = { websocket: false, longpoll: false }
		world.up = false
		const c = chooser()
		c.start()
		await pass(100_000)
		assert.deepEqual(names(), ['websocket', 'longpoll'])
		world.works = { websocket: true, longpoll: true }
		world.up = true
		await pass(31_000)
		assert.equal(c.name, 'websocket')
	})
	await t.test('a stop while it asks wins', async () => {
		const c = await outage()
		world.works.websocket = world.up = true
		await pass(950)
		c.stop()
		await pass(60_000)
		assert.equal(made.length, 1)
	})
})

test('a transport that has worked in this browser', async (t) => {
	const known = async () => {
		world.works = { websocket: true, longpoll: true }
		const other = chooser()
		other.start()
		await settle()
		other.stop()
		made = []
	}
	await t.test('has longer to open, and is tried again soon after', async () => {
		await known()
		world.works.websocket = undefined
		const c = chooser()
		c.start()
		await pass(14_800)
		assert.deepEqual(names(), ['websocket'])
		await pass(400)
		assert.equal(c.name, 'longpoll')
		world.works.websocket = true
		await pass(6_000)
		assert.equal(c.name, 'websocket')
	})
	await t.test('counts as one that does not work when it fails again', async () => {
		await known()
		world.works.websocket = false
		const c = chooser()
		c.start()
		await pass(10 * 60_000)
		assert.equal(c.name, 'longpoll')
		const tries = names().filter((name) => name === 'websocket').length
		assert.ok(tries >= 4 && tries <= 6, `${tries} attempts in ten minutes`)
	})
})

test('long-polls only in a visible tab', async () => {
	world.works.websocket = false
	world.visible = false
	const c = chooser()
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

test('what fails while other pages have the links of this browser is not tried all the time', async () => {
	world.works.websocket = false
	world.visible = false
	world.othersLinked = true
	const c = chooser()
	c.start()
	await pass(10 * 60_000)
	assert.ok(made.length >= 3 && made.length <= 5, `${made.length} attempts in ten minutes`)
})

test('a transport that other pages took meanwhile has not failed', async () => {
	const taken = () => {
		world.visible = false
		world.othersLinked = true
		throw BYE(1006)
	}
	world.works = { websocket: false, longpoll: new Promise((resolve) => setTimeout(resolve, 100)).then(taken) }
	const c = chooser()
	c.start()
	await pass(1_000)
	assert.equal(c.name, '')
	world.works.longpoll = true
	world.visible = true
	c.reconsider()
	await settle()
	assert.equal(c.name, 'longpoll')
})

test('reconnects when the link dies; after a stop it does not', async () => {
	const c = chooser()
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

test('a stop while a link opens wins', async () => {
	const c = chooser()
	c.start()
	c.stop()
	await pass(60_000)
	assert.equal(c.link, null)
	assert.ok(made.every((link) => link.closed))
})

test('a link that keeps dying young gives way to the next', async () => {
	const c = chooser()
	c.start()
	for (let i = 0; i < 3; i++) {
		await pass(5_000)
		made[made.length - 1].onClosed(BYE(1006))
	}
	await pass(8_000)
	assert.equal(c.name, 'longpoll')
})

test('a link that the server ends in due form, however often, does not', async () => {
	const c = chooser()
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
	await t.test('is opened again after some seconds, and nothing is held against it', async () => {
		const c = chooser()
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
	await t.test('also while it opens', async () => {
		made = []
		world.works.websocket = BYE(1001)
		const c = chooser()
		c.start()
		await pass(2_900)
		assert.deepEqual(names(), ['websocket'], 'no other transport is asked')
		world.works.websocket = true
		await pass(1_200)
		assert.equal(c.name, 'websocket')
	})
	await t.test('is opened at once when the page is shown again', async () => {
		made = []
		const c = chooser()
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
	await t.test('and a server that keeps closing so is asked ever more rarely', async () => {
		made = []
		world.works = { websocket: BYE(1001), longpoll: true }
		chooser().start()
		await pass(10 * 60_000)
		assert.ok(made.length >= 18 && made.length <= 30, `${made.length} attempts in ten minutes`)
	})
})

test('obeys the parting word', async (t) => {
	const after = async (code, retryAfter) => {
		made = []
		const c = chooser()
		c.start()
		await pass(20_000)
		made[0].onClosed(BYE(code, retryAfter))
		return c
	}
	await t.test('4000: not this transport again on this page', async () => {
		const c = await after(4000)
		await pass(20 * 60_000)
		assert.deepEqual(names(), ['websocket', 'longpoll'])
		assert.equal(c.name, 'longpoll')
	})
	for (const code of [4001, 4002, 4006]) {
		await t.test(`${code}: back after the time it says`, async () => {
			const c = await after(code, 7_000)
			await pass(6_900)
			assert.equal(c.name, '')
			await pass(200)
			assert.equal(c.name, 'websocket')
		})
	}
	for (const code of [4003, 4004, 4007]) {
		await t.test(`${code}: waits to be started again`, async () => {
			const c = await after(code, 1)
			await pass(20 * 60_000)
			assert.equal(made.length, 1)
			c.start()
			await settle()
			assert.equal(c.name, 'websocket')
		})
	}
	await t.test('4003 as the answer to a hello: waits, and asks no other transport', async () => {
		made = []
		world.works = { websocket: BYE(4003), longpoll: true }
		const c = chooser()
		c.start()
		await pass(60_000)
		assert.deepEqual(names(), ['websocket'])
		assert.equal(c.name, '')
	})
	await t.test('4003 to a ticket that was renewed meanwhile: asks again', async () => {
		made = []
		let refuse
		world.works = { websocket: new Promise((resolve, reject) => (refuse = reject)), longpoll: true }
		const c = chooser()
		c.start()
		await settle()
		c.start()
		world.works.websocket = true
		refuse(BYE(4003))
		await pass(50)
		assert.equal(c.name, 'websocket')
		assert.deepEqual(names(), ['websocket', 'websocket'])
	})
	await t.test('4005 and codes nobody knows: as if it had died', async () => {
		world.works = { websocket: true, longpoll: true }
		for (const code of [4005, 4999]) {
			const c = await after(code)
			await pass(1_100)
			assert.equal(c.name, 'websocket')
			c.stop()
		}
	})
})

test('a suspected link is closed and replaced; one of yesterday is nobody', async () => {
	const c = chooser()
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

test('a page that is about to be left closes its link, and opens it again if it stays', async () => {
	const c = chooser()
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
	const c = chooser()
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

test('without storage, or with nonsense in it, it works all the same', async () => {
	world.tab.set('heartbeatd-transports', '{"websocket":')
	const c = chooser()
	c.start()
	await settle()
	assert.equal(c.name, 'websocket')
})

const REFUSED = (reason = 'POST /open got an answer of another program, with status 403') => ({ code: 1006, retryAfter: 0, foreign: reason })
const MINUTE = 60_000

test('what refuses for good is left alone by all pages of the browser, for ever longer', async () => {
	world.works = { websocket: false, longpoll: REFUSED() }
	chooser().start()
	await pass(145_000)
	assert.deepEqual(names(), ['websocket', 'longpoll'])
	world.tab = new Map() // a page in another tab, which wakes at another moment
	chooser(undefined, () => 0.5).start()
	await pass(145_000)
	assert.equal(made.length, 2)
	assert.deepEqual(world.warnings, ['heartbeatd: no longpoll for 5 minutes: POST /open got an answer of another program, with status 403'])
	await pass(12 * MINUTE) // five minutes and ten are over
	assert.equal(made.length, 6)
	await pass(24 * 60 * MINUTE, 5_000)
	assert.ok(world.warnings.length >= 25 && world.warnings.length <= 30, `${world.warnings.length} times in a day`)
	world.works.longpoll = true
	await pass(61 * MINUTE, 5_000)
	assert.equal(changes.pop(), 'longpoll')
	await pass(10_000)
	assert.equal(JSON.parse(world.browser.get('heartbeatd-transports')).longpoll, undefined, 'a good link forgets it')
})

test('a refused long-poll and no socket: no attempt every few seconds', async () => {
	world.works = { websocket: false, longpoll: true }
	const c = chooser()
	c.start()
	await settle()
	assert.equal(c.name, 'longpoll')
	made[1].onClosed(REFUSED('GET /poll got the answer to another request'))
	assert.equal(c.name, '')
	await pass(145_000)
	assert.deepEqual(names(), ['websocket', 'longpoll', 'websocket'], 'the socket after its own minute')
	c.use(['longpoll'])
	await settle()
	assert.equal(c.name, 'longpoll', 'who names a transport wants it tried')
})

test('a refused long-poll keeps no page from a socket that works', async () => {
	world.works = { longpoll: REFUSED(), websocket: true }
	const c = chooser(['longpoll', 'websocket'])
	c.start()
	await pass(145_000)
	assert.equal(c.name, 'websocket')
	assert.deepEqual(names(), ['longpoll', 'websocket'])
})
