// When a page of the front end asks WordPress for a ticket (front.js), with a fake clock.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import vm from 'node:vm'

const source = readFileSync(new URL('../heartbeatd/assets/front.js', import.meta.url), 'utf8')
const MINUTE = 60_000
const settled = () => new Promise((resolve) => setImmediate(resolve))

// A page whose heartbeatd is up or down, and accepts tickets or not. `answer` is WordPress's.
async function open({ up = true, accepts = true, stored, session = 's', answer = { status: 200, ticket: 't', expires_in: 3600 } } = {}) {
	const page = { now: 1e12, up, accepts, answer, tickets: [], fetched: 0, probed: 0, storage: new Map(stored ? [['heartbeatd-ticket', JSON.stringify(stored)]] : []) }
	const actions = []
	const listeners = []
	let checks
	const link = {
		transport: { name: 'post', announce: () => {} },
		isUp: async () => (page.probed++, page.up),
		useTicket(text) {
			page.tickets.push(text)
			if (page.accepts && page.up) page.connect('websocket')
		},
	}
	page.connect = (name) => {
		link.transport.name = name
		actions.forEach((action) => action(name))
	}
	const document = { visibilityState: 'visible', getElementById: () => null, addEventListener: (type, listener) => type === 'visibilitychange' && listeners.push(listener) }
	const window = {
		document, heartbeatdLink: link, addEventListener: () => {}, setTimeout: () => 0, clearTimeout: () => {},
		setInterval: (call) => { checks = call },
		sessionStorage: { getItem: (key) => page.storage.get(key) ?? null, setItem: (key, value) => page.storage.set(key, value), removeItem: (key) => page.storage.delete(key) },
		wp: { hooks: { addAction: (name, namespace, action) => name === 'heartbeat.transport' && actions.push(action) } },
		heartbeatdFront: { title: 'Page', ticket_url: '/ticket', nonce: 'n', session },
		fetch: async () => {
			page.fetched++
			return { ok: page.answer.status === 200, status: page.answer.status, json: async () => page.answer }
		},
	}
	page.show = async (state) => {
		document.visibilityState = state
		listeners.forEach((listener) => listener())
		await settled()
	}
	// wait lets minutes pass; the page checks every five.
	page.wait = async (minutes) => {
		for (let i = 0; i < minutes; i++) {
			page.now += MINUTE
			if ((page.now / MINUTE) % 5 < 1) await checks()
		}
		await settled()
	}
	vm.runInNewContext(source, { window, Date: { now: () => page.now }, JSON, Object, Promise, Boolean })
	await settled()
	return page
}

test('a page asks once, and again before the ticket expires', async () => {
	const page = await open()
	assert.deepEqual([page.probed, page.fetched, page.tickets], [1, 1, ['t']])
	await page.wait(45)
	assert.equal(page.fetched, 1)
	page.answer = { ...page.answer, ticket: 'next' }
	await page.wait(14)
	assert.deepEqual([page.fetched, page.tickets, page.probed], [2, ['t', 'next'], 1])
	assert.equal(JSON.parse(page.storage.get('heartbeatd-ticket')).text, 'next')
})

test('while heartbeatd is down WordPress is not asked', async () => {
	const page = await open({ up: false })
	await page.wait(60)
	await page.show('hidden')
	await page.show('visible')
	assert.equal(page.fetched, 0)
	assert.ok(page.probed > 5 && page.probed < 20, `${page.probed}`)
	page.up = true
	await page.wait(6)
	assert.deepEqual([page.fetched, page.tickets], [1, ['t']])
})

test('a hidden page requests nothing, and a page that is shown ten times probes once', async () => {
	const page = await open({ up: false })
	const { probed } = page
	await page.show('hidden')
	await page.wait(60)
	assert.equal(page.probed, probed)
	for (let i = 0; i < 10; i++) await page.show('visible')
	assert.equal(page.probed, probed + 1)
})

test('after a refusal the page asks no more', async () => {
	const page = await open({ answer: { status: 403 } })
	await page.wait(120)
	assert.deepEqual([page.fetched, page.tickets], [1, []])
})

test('an error of WordPress, and tickets that bring no link, are tried three times', async () => {
	for (const options of [{ answer: { status: 502 } }, { accepts: false }]) {
		const page = await open(options)
		await page.wait(120)
		assert.equal(page.fetched, 3)
		assert.equal(page.storage.size, 0)
	}
})

test('the tab\'s next page uses the ticket of the same session, once', async () => {
	const stored = { session: 's', text: 'kept', until: 1e12 + 30 * MINUTE }
	const page = await open({ stored })
	assert.deepEqual([page.fetched, page.probed, page.tickets, page.storage.size], [0, 0, ['kept'], 1])
	const refused = await open({ stored, accepts: false })
	assert.deepEqual([refused.tickets, refused.storage.size], [['kept'], 0])
	for (const other of [{ ...stored, session: 'other' }, { ...stored, until: 1e12 + 5 * MINUTE }]) {
		const fresh = await open({ stored: other })
		assert.deepEqual([fresh.fetched, fresh.tickets], [1, ['t']])
	}
})
