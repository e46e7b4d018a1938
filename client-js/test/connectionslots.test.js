import assert from 'node:assert/strict'
import { beforeEach, mock, test } from 'node:test'
import { createSlots } from '../src/connectionslots.js'

// Lets promises settle between two ticks of the clock.
async function settle() {
	for (let i = 0; i < 20; i++) await null
}
async function pass(ms) {
	await settle()
	for (let gone = 0; gone < ms; gone += 50) {
		mock.timers.tick(Math.min(50, ms - gone))
		await settle()
	}
}

let storage
let pages

beforeEach(() => {
	mock.timers.reset()
	mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_800_000_000_000 })
	storage = new Map()
	pages = []
})

// Returns a page that tries to long-poll as the selector does: at once, and when it is called back.
function newPage(id, { localStorage, protocol = 'http/1.1', url = '/heartbeat' } = {}) {
	const page = { id, link: null, stopped: false, due: [], storage: () => {} }
	const told = (key) => pages.filter((other) => other !== page).forEach((other) => other.storage({ key }))
	const win = {
		performance: { getEntriesByType: () => [{ nextHopProtocol: protocol }] },
		location: new URL('https://example.org/wp-admin/'),
		setTimeout: (call, ms) => setTimeout(() => (page.stopped ? page.due.push(call) : call()), ms),
		clearTimeout: (timer) => clearTimeout(timer),
		addEventListener: (name, listener) => (page[name] = listener),
		localStorage: localStorage || {
			getItem: (key) => storage.get(key) ?? null,
			setItem: (key, value) => told(storage.set(key, value) && key),
			removeItem: (key) => told(storage.delete(key) && key),
		},
	}
	const slots = createSlots({ win, url, id, freed: () => page.poll(), random: () => 0 })
	const create = () => ({ open: async () => 'welcome', close() {} })
	page.poll = async () => {
		if (!slots.available()) return
		const link = slots.withSlot(create, { onClosed: () => (page.link = null) })
		page.opening = link
		await link.open({}).then(() => (page.link = link), () => link.close())
	}
	// Opens another link and closes the old one, as for a better transport.
	page.replace = async () => {
		const old = page.link
		await page.poll()
		old.close()
	}
	page.stop = () => {
		page.opening.close()
		page.link = null
	}
	page.full = slots.full
	page.available = slots.available
	pages.push(page)
	return page
}

const polling = () => pages.filter((page) => page.link && !page.stopped).map(({ id }) => id)

async function open(...ids) {
	for (const id of ids) {
		newPage(id).poll()
		await pass(300)
	}
}

test('two pages poll, and a third one when one of them closes', async () => {
	await open('a', 'b', 'c', 'd')
	assert.deepEqual(polling(), ['a', 'b'])
	assert.deepEqual(pages.map((page) => page.full()), [false, false, true, true])
	await pass(60_000)
	assert.deepEqual(polling(), ['a', 'b'])
	pages[0].stop()
	await pass(300)
	assert.equal(polling().length, 2)
	assert.ok(!polling().includes('a'))
})

test('at most two of the pages that start at the same moment poll', async () => {
	for (const id of ['a', 'b', 'c', 'd', 'e', 'f', 'g']) newPage(id).poll()
	await pass(250)
	assert.ok(polling().length >= 1 && polling().length <= 2, String(polling()))
	pages.filter((page) => !page.link).forEach((page) => page.poll())
	await pass(250)
	assert.equal(polling().length, 2)
})

test('a page whose slot another page takes at the same time takes the other slot', async () => {
	newPage('b').poll()
	await settle()
	storage.set('heartbeatd-longpoll-1', `a ${Date.now() + 15_000}`) // a has not seen b's lease yet
	await pass(500)
	assert.deepEqual(polling(), ['b'])
	assert.match(storage.get('heartbeatd-longpoll-2'), /^b /)
})

test('a slot is available to the page that is taking it', async () => {
	await open('a')
	const page = newPage('b')
	page.poll()
	await settle()
	assert.equal(page.available(), true)
	await pass(300)
	assert.deepEqual(polling(), ['a', 'b'])
})

test('a page that crashed keeps its slot for fifteen seconds', async () => {
	await open('a', 'b', 'c')
	pages[0].stopped = true
	await pass(9_000)
	assert.deepEqual(polling(), ['b'])
	await pass(12_000)
	assert.deepEqual(polling(), ['b', 'c'])
})

test('a page that was frozen closes its link if another page has taken its slot', async () => {
	await open('a', 'b', 'c')
	pages[0].stopped = true
	await pass(30_000)
	assert.deepEqual(polling(), ['b', 'c'])
	pages[0].stopped = false
	pages[0].due.forEach((call) => call())
	await pass(300)
	assert.deepEqual(polling(), ['b', 'c'])
	assert.equal(pages[0].link, null)
})

test('a page that closes its link while it takes a slot releases the slot', async () => {
	const page = newPage('a')
	page.poll()
	await pass(100)
	page.stop()
	await pass(300)
	assert.equal(page.link, null)
	assert.equal(storage.size, 0)
	await open('b', 'c')
	assert.deepEqual(polling(), ['b', 'c'])
})

test('a lease that ends too late, as after the clock was set back, is ignored', async () => {
	storage.set('heartbeatd-longpoll-1', `x ${Date.now() + 3_600_000}`)
	storage.set('heartbeatd-longpoll-2', 'nonsense')
	await open('a', 'b')
	assert.deepEqual(polling(), ['a', 'b'])
})

test('a page does not poll if localStorage is forbidden or full', async () => {
	const forbidden = () => {
		throw new Error('forbidden')
	}
	for (const getItem of [forbidden, () => null]) {
		const page = newPage('a', { localStorage: { getItem, setItem: forbidden, removeItem: forbidden } })
		page.poll()
		await pass(1_000)
		assert.equal(page.link, null)
		assert.equal(page.full(), false)
	}
})

test('a page that changes its link keeps its slot', async () => {
	await open('a', 'b', 'c')
	await pages[0].replace()
	await pass(30_000)
	assert.deepEqual(polling(), ['a', 'b'])
	pages[0].stop()
	await pass(300)
	assert.deepEqual(polling(), ['b', 'c'])
})

test('over HTTP/2 and HTTP/3 every page may poll, if heartbeatd is on the host of the page', async () => {
	for (const protocol of ['h2', 'h3', 'h3-29']) {
		for (const id of ['a', 'b', 'c', 'd']) newPage(id, { protocol }).poll()
		await pass(300)
		assert.deepEqual(polling(), ['a', 'b', 'c', 'd'])
		assert.equal(storage.size, 0)
		pages.splice(0)
	}
	for (const url of ['https://other.example.org/heartbeat', 'https://example.org:8443/heartbeat']) {
		storage.clear()
		for (const id of ['a', 'b', 'c']) {
			newPage(id, { protocol: 'h2', url }).poll()
			await pass(300)
		}
		assert.deepEqual(polling(), ['a', 'b'])
		pages.splice(0)
	}
})
