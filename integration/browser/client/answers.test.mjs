// Which beats go to PHP, how often, and which of PHP's answers the drop-in repeats.

/* global beats */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ticket } from './fake.mjs'
import { beat, entry, events, heard, openPages, via } from './pages.mjs'
import { until } from '../harness.mjs'

describe('answers of PHP', () => {
	const open = openPages()

	test('where PHP answers, paced nudges bring beats forward and cost none more', async (t) => {
		const { fake, tab } = await open(t, { answer: via, clock: true })
		await tab.evaluate(() => {
			const start = Date.now()
			window.beats = []
			jQuery(document).on('heartbeat-send', (event, data) => {
				data.theirs = 1
				beats.push(Math.round((Date.now() - start) / 1000))
			})
		})
		let nudges = 0
		const nudge = async (paced) => {
			fake.send({ type: 'nudge', spread_ms: 0, paced }, { type: 'push', data: 0 })
			await heard(tab, 'push', ++nudges)
			await tab.clock.runFor(1)
		}
		const answered = (count) => until(`tick ${count}`, async () => (await events(tab, 'tick')).length === count)
		for (const count of [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]) {
			await tab.clock.runFor(5000)
			await nudge(true)
			await answered(count)
		}
		assert.deepEqual(await tab.evaluate(() => beats), [5, 20, 35, 50], 'as many as without: at 15, 30, 45 and 60')
		await nudge(false)
		await answered(5)
		await tab.clock.runFor(14_000)
		assert.equal(fake.posts, 5)
		await tab.evaluate(() => wp.heartbeat.interval(5))
		await answered(6)
		assert.equal(fake.beats, 0)
	})

	test("PHP's answer about a lock is repeated until the room changes or a nudge arrives", async (t) => {
		const LOCK = 'wp-refresh-post-lock'
		const lock = '1:1'
		const answer = (fields, name) => ({ tick: { via: name, ...(name === 'post' ? { [LOCK]: { new_lock: lock } } : {}) } })
		const { fake, tab } = await open(t, { answer })
		const ask = (value = lock) => beat(tab, { [LOCK]: { post_id: 5, lock: value } })
		const again = { via: 'websocket', [LOCK]: { new_lock: '1:1' } }
		assert.equal((await ask()).via, 'post')
		assert.deepEqual(await ask(), again)
		fake.send({ type: 'presence', room: 'postType/post:5', updated: [entry('editor-1', 1)] })
		fake.send({ type: 'presence', room: 'admin/online', joined: [entry('user-2')] })
		await heard(tab, 'presence', 2)
		assert.deepEqual(await ask(), again, 'our own entry and rooms of no post change nothing')
		fake.send({ type: 'presence', room: 'postType/post:5', joined: [entry('editor-2')] })
		await heard(tab, 'presence', 3)
		assert.equal((await ask()).via, 'post')
		assert.deepEqual(await ask(), again)
		fake.send({ type: 'nudge', spread_ms: 0 })
		await until('the nudged beat', async () => (await events(tab, 'tick')).length === 6)
		assert.equal((await ask()).via, 'post')
		assert.deepEqual(await ask('0:1'), again, 'PHP does not look at the lock')
		const later = { date_gmt: '2026-01-01 00:00:15' }
		fake.send({ type: 'presence', room: 'postType/post:5', updated: [{ ...entry('editor-2'), ...later }] })
		await heard(tab, 'presence', 4)
		assert.deepEqual(await ask(), again, 'that others beat again changes nothing')
		fake.send({ type: 'presence', room: 'postType/post:5', updated: [{ ...entry('editor-2'), data: { screen: 'x' } }] })
		await heard(tab, 'presence', 5)
		assert.equal((await ask()).via, 'post')
		fake.send({ type: 'presence', room: 'postType/post:5', joined: [entry('lock-2')] })
		await heard(tab, 'presence', 6)
		assert.equal((await ask()).via, 'post')
		fake.send({ type: 'presence', room: 'postType/post:5', updated: [{ ...entry('lock-2'), ...later }] })
		await heard(tab, 'presence', 7)
		assert.equal((await ask()).via, 'post', 'while somebody else is there with the lock')
	})

	test("PHP's answer about a lock is not repeated if the lock could expire", async (t) => {
		const LOCK = 'wp-refresh-post-lock'
		const answer = (fields, name) => ({ tick: { via: name, ...(name === 'post' ? { [LOCK]: { new_lock: '1:1' } } : {}) } })
		const { tab } = await open(t, { answer, live: { lock_window: 20 } })
		const ask = (tab) => beat(tab, { [LOCK]: { post_id: 5, lock: '1:1' } })
		assert.equal((await ask(tab)).via, 'post')
		assert.equal((await ask(tab)).via, 'post', 'a site whose locks live 20 s')
		const { fake, tab: other } = await open(t, { answer })
		assert.equal((await ask(other)).via, 'post')
		fake.answer = async (fields, name) => {
			if (name !== 'post') await other.evaluate(() => (document.hasFocus = () => false))
			return answer(fields, name)
		}
		assert.equal((await ask(other)).via, 'post', 'the focus was lost before the tick came')
	})

	test('answers are repeated only until repeat_until of the ticket', async (t) => {
		const LOCK = 'wp-refresh-post-lock'
		let claims = { repeat_until: undefined }
		const answer = (fields, name) => ({ ticket: ticket(claims), tick: { via: name, ...(name === 'post' && `data[${LOCK}][post_id]` in fields ? { [LOCK]: { new_lock: '1:1' } } : {}) } })
		const { tab } = await open(t, { answer })
		const ask = async (data = { [LOCK]: { post_id: 5, lock: '1:1' } }) => (await beat(tab, data)).via
		assert.deepEqual([await ask(), await ask()], ['post', 'post'])
		claims = {}
		assert.deepEqual([await ask(), await ask()], ['post', 'websocket'])
		claims = { repeat_until: undefined }
		assert.equal(await ask({ theirs: 1 }), 'post')
		assert.equal(await ask(), 'post')
		claims = {}
		assert.equal(await ask({ theirs: 1 }), 'post')
		assert.deepEqual([await ask(), await ask()], ['post', 'websocket'], 'what was said meanwhile is not repeated')
		claims = { repeat_until: Math.floor(Date.now() / 1000) - 1 }
		assert.equal(await ask({ theirs: 1 }), 'post')
		assert.deepEqual([await ask(), await ask()], ['post', 'post'])
	})

	test('the answer about the locks of a list is repeated, also if no post is locked', async (t) => {
		const LOCKS = 'wp-check-locked-posts'
		let locked = {}
		const answer = (fields, name) => ({ tick: { via: name, ...(name === 'post' ? locked : {}) } })
		const { fake, tab } = await open(t, { answer })
		const ask = (...rows) => beat(tab, { [LOCKS]: rows })
		assert.deepEqual(await ask('post-5'), { via: 'post' })
		assert.deepEqual(await ask('post-5'), { via: 'websocket' })
		locked = { [LOCKS]: { 'post-5': { name: 'B' } } }
		fake.send({ type: 'nudge', spread_ms: 60000 })
		await until('PHP asked', async () => (await ask('post-5')).via === 'post')
		assert.deepEqual(await ask('post-5'), { via: 'websocket', ...locked })
		assert.equal((await ask('post-5', 'post-7')).via, 'post')
		assert.equal((await ask('post-5', 'post-7')).via, 'post', 'the room of one of them is not heard')
	})

	test('after PHP has failed, every beat goes to PHP until it answers', async (t) => {
		const { fake, tab } = await open(t, { answer: via })
		assert.equal((await beat(tab)).via, 'websocket')
		fake.answer = (fields, name) => (name === 'post' ? { status: 500, body: 'no' } : { tick: { via: name } })
		const fails = (handle) => tab.evaluate((name) => new Promise((done) => {
			jQuery(document).one('heartbeat-error', () => done())
			if (name) wp.heartbeat.enqueue(name, 1)
			wp.heartbeat.connectNow()
		}), handle)
		await fails('theirs')
		await fails() // heartbeatd could answer it, and would say that all is well
		fake.answer = via
		assert.equal((await beat(tab)).via, 'post')
		assert.equal((await beat(tab)).via, 'websocket')
	})
})
