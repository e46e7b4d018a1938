// Deposited answers and changes of post locks, as the drop-in takes them from the server.

/* global seen */

import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { pageOf, settings, startFake, ticket } from './fake.mjs'
import { startChromium, suite, until } from '../harness.mjs'

const STOCK = 'stock'
const LOCKS = 'wp-check-locked-posts'
const LOCK = 'wp-refresh-post-lock'

describe('answers in advance', () => {
	let browser
	let cursor = 1 // of the last push
	const t = suite()
	before(async () => {
		browser = await startChromium(t)
	})

	// open opens a page whose ticket has these claims, and whose ticks say which way they came.
	async function open(t, claims, more = () => ({})) {
		const answer = (fields, name) => ({ ticket: ticket(claims), tick: { via: name, ...more(name) } })
		const fake = await startFake(t, { page: () => pageOf(settings({}, { ticket: ticket(claims), locked_text: 'now %s' })), answer })
		const context = await browser.newContext()
		t.after(() => context.close())
		const tab = await context.newPage()
		await tab.goto(fake.url)
		await until('the websocket', () => tab.evaluate(() => wp.heartbeat.transport.name === 'websocket'))
		return { fake, tab }
	}

	const events = (tab, name) => tab.evaluate((wanted) => seen.filter((event) => event.name === wanted).map((event) => event.detail), name)
	const ticks = (tab) => events(tab, 'tick')
	const nextTick = (tab, count) => until(`tick ${count}`, async () => (await ticks(tab)).length >= count)
	async function beat(tab, data = {}) {
		const { length } = await ticks(tab)
		await tab.evaluate((all) => {
			for (const [handle, value] of Object.entries(all)) wp.heartbeat.enqueue(handle, value)
			wp.heartbeat.connectNow()
		}, data)
		await nextTick(tab, length + 1)
		return (await ticks(tab)).pop()
	}

	test('a handle with a deposited value may go over the link', async (t) => {
		const { fake, tab } = await open(t, { deposits: true })
		const ask = async (data = { [STOCK]: 1 }) => (await beat(tab, data)).via
		assert.equal(await ask(), 'post')
		fake.send({ type: 'deposits', handles: [STOCK] })
		await until('the link to be asked', async () => (await ask()) === 'websocket')
		assert.equal(await ask({ [STOCK]: 1, theirs: 1 }), 'post', 'with a handle that only PHP knows')
		fake.cut()
		await until('a second hello', () => fake.hellos.length === 2)
		await until('the websocket', () => tab.evaluate(() => wp.heartbeat.transport.name === 'websocket'))
		assert.equal(await ask(), 'post', 'until the server names it again')
	})

	test('not if another plugin must see such a beat', async (t) => {
		const { fake, tab } = await open(t, {})
		fake.send({ type: 'deposits', handles: [STOCK] }, { type: 'push', data: 1 })
		await until('the frames', async () => (await events(tab, 'push')).length)
		assert.equal((await beat(tab, { [STOCK]: 1 })).via, 'post')
	})

	test('a page beats for a new value if its last beat asked', async (t) => {
		const { fake, tab } = await open(t, { deposits: true })
		await beat(tab, { [STOCK]: 1 })
		fake.send({ type: 'deposits', handles: ['price', STOCK], changed: 'price' }, { type: 'deposits', handles: ['price', STOCK], changed: STOCK, spread_ms: 10 })
		await nextTick(tab, 2)
		assert.equal((await beat(tab)).via, 'websocket')
		fake.send({ type: 'deposits', handles: ['price', STOCK], changed: STOCK, spread_ms: 0 }, { type: 'deposits', handles: [] }, { type: 'push', data: 1 })
		await until('the frames', async () => (await events(tab, 'push')).length)
		await beat(tab)
		assert.equal((await ticks(tab)).length, 4, 'the last beat did not ask')
	})

	test('a list learns from a push who has a lock, and beats without PHP', async (t) => {
		let locked = {}
		const { fake, tab } = await open(t, {}, (name) => (name === 'post' ? locked : {}))
		await tab.evaluate((handle) => jQuery(document).on('heartbeat-send', (event, data) => { data[handle] = ['post-5'] }), LOCKS)
		const change = (lock) => fake.send({ type: 'push', cursor: `e-${++cursor}`, room: 'postType/post:5', data: { heartbeatd: { lock: { at_ms: Date.now(), left_ms: 150000, released: false, spread_ms: 0, ...lock } } } })
		assert.equal((await beat(tab)).via, 'post')
		fake.send({ type: 'presence', room: 'postType/post:5', joined: [{ client_id: 'editor-2', user_id: 2, display_name: 'Bo', avatar_url: '', data: {}, date_gmt: '2026-01-01 00:00:00' }] })
		change({ user: 2, name: 'Bo' })
		await nextTick(tab, 2)
		assert.deepEqual((await ticks(tab)).pop(), { via: 'websocket', [LOCKS]: { 'post-5': { name: 'Bo', text: 'now Bo' } } })
		change({ user: 2, name: 'Bo', released: true, left_ms: 500 })
		await until('the lock to go', async () => !(LOCKS in await beat(tab)))
		change({ user: 1, name: 'Ada' })
		await nextTick(tab, (await ticks(tab)).length + 1)
		assert.ok(!(LOCKS in (await ticks(tab)).pop()), 'the page\'s own user has it')
		assert.equal(fake.posts, 1)
		const { length } = await ticks(tab)
		change({ user: 2, name: 'Bo', at_ms: Date.now() - 60_000 })
		await until('the push', async () => (await events(tab, 'push')).length === 4)
		assert.deepEqual(await beat(tab), { via: 'websocket' }, 'an old change')
		assert.equal((await ticks(tab)).length, length + 1)
		locked = { [LOCKS]: { 'post-5': { name: 'Cy' } } }
		fake.cut()
		await until('a second hello', () => fake.hellos.length === 2)
		assert.deepEqual(await beat(tab), { via: 'post', ...locked }, 'what may have been missed is asked of PHP')
	})

	test('an editor asks PHP when its lock has changed', async (t) => {
		const { fake, tab } = await open(t, {}, (name) => (name === 'post' ? { [LOCK]: { new_lock: '1:1' } } : {}))
		await tab.evaluate((handle) => jQuery(document).on('heartbeat-send', (event, data) => { data[handle] = { post_id: 5, lock: '1:1' } }), LOCK)
		assert.deepEqual([(await beat(tab)).via, (await beat(tab)).via], ['post', 'websocket'])
		fake.send({ type: 'push', cursor: `e-${++cursor}`, room: 'postType/post:5', data: { heartbeatd: { lock: { at_ms: Date.now(), left_ms: 150000, released: false, spread_ms: 0, user: 2, name: 'Bo' } } } })
		await nextTick(tab, 3)
		assert.equal((await ticks(tab)).pop().via, 'post')
	})
})
