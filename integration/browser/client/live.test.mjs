// What the drop-in adds to core's client: events for frames without a request, rooms, the
// transport, and which beats go over the link or to PHP with which fields.

/* global actions, headers, order, rooms */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ticket } from './fake.mjs'
import { beat, entry, events, heard, openPages, via } from './pages.mjs'
import { until } from '../harness.mjs'

describe('links', () => {
	const open = openPages()

	for (const name of ['websocket', 'events', 'longpoll']) {
		test(`presence, push and nudge arrive over ${name}`, async (t) => {
			const { fake, tab } = await open(t, { answer: via, live: { transports: [name] } })
			await tab.evaluate(() => {
				window.actions = []
				window.rooms = []
				for (const each of ['presence', 'push', 'transport', 'active-posts']) wp.hooks.addAction(`heartbeat.${each}`, 't', (...args) => actions.push([each, ...args]))
				window.off = wp.heartbeat.room('admin/online').onChange((room) => rooms.push([room.total, room.entries.length]))
			})
			fake.send({ type: 'presence', room: 'admin/online', snapshot: [entry('user-2'), entry('user-3')], total: 300 })
			fake.send({ type: 'presence', room: 'admin/online', left: [entry('user-3')] })
			fake.send({ type: 'active-posts', posts: [{ post_id: 5 }] })
			fake.send({ type: 'push', cursor: 'e-7', room: 'postType/post:5', data: { a: [1] } }, { type: 'push', data: 'all' })
			await heard(tab, 'push', 2)
			assert.deepEqual(await events(tab, 'presence'), [
				{ room: 'admin/online', snapshot: [entry('user-2'), entry('user-3')], total: 300 },
				{ room: 'admin/online', joined: [], updated: [], left: [entry('user-3')] },
			])
			assert.deepEqual(await events(tab, 'push'), [{ room: 'postType/post:5', data: { a: [1] } }, { data: 'all' }])
			assert.deepEqual((await tab.evaluate(() => actions)).map(([action]) => action), ['presence', 'presence', 'active-posts', 'push', 'push'])
			assert.deepEqual((await tab.evaluate(() => actions))[2][1], { posts: [{ post_id: 5 }] })
			assert.deepEqual(await tab.evaluate(() => rooms), [[300, 2], [299, 1]])
			assert.equal(fake.beats + fake.posts, 0, 'nothing of this is a beat')
			fake.send({ type: 'nudge', spread_ms: 10 }, { type: 'nudge', spread_ms: 10 })
			await heard(tab, 'tick')
			fake.cut()
			await until('a second hello', () => fake.hellos.length === 2)
			assert.equal(fake.hellos[1].after, 'e-7')
			assert.equal(fake.hellos[1].conn, fake.hellos[0].conn)
			fake.cut()
			await until('a third', () => fake.hellos.length === 3)
			assert.equal(fake.hellos[2].after, 'e-7', 'the welcome does not skip what was missed')
			fake.hello = () => ({ type: 'welcome', session: String(fake.hellos.length), cursor: 'f-2', max_body: 1e6 })
			for (const count of [4, 5]) {
				await until('the link', () => tab.evaluate((wanted) => wp.heartbeat.transport.name === wanted, name))
				fake.cut()
				await until(`hello ${count}`, () => fake.hellos.length === count)
			}
			assert.equal(fake.hellos[4].after, 'f-2', 'a new epoch begins anew')
		})
	}

	test('an exception of a handler is reported at once', async (t) => {
		const { fake, tab } = await open(t, { live: { transports: ['longpoll'] } })
		await tab.evaluate(() => {
			window.order = []
			window.addEventListener('error', (event) => order.push(event.message))
			jQuery(document).on('heartbeat-push', (event, { data }) => {
				order.push(data)
				throw new Error(`bug ${data}`)
			})
			wp.heartbeat.room('r').onChange(({ total }) => {
				order.push(`room ${total}`)
				throw new Error('bug in a room')
			})
			jQuery(document).on('heartbeat-presence', () => order.push('presence'))
		})
		// The last two are in one answer to a poll.
		fake.send({ type: 'push', data: 1 }, { type: 'push', data: 2 }, { type: 'presence', room: 'r', snapshot: [], total: 3 })
		await until('the room', () => tab.evaluate(() => order.includes('presence')))
		assert.deepEqual(await tab.evaluate(() => order), [1, 'Uncaught Error: bug 1', 2, 'Uncaught Error: bug 2', 'room 3', 'Uncaught Error: bug in a room', 'presence'])
	})

	test('transport events name each link, and use() changes it', async (t) => {
		const { fake, tab } = await open(t, { answer: via })
		await tab.evaluate(() => wp.heartbeat.transport.use(['longpoll']))
		await heard(tab, 'transport', 3)
		assert.equal((await beat(tab)).via, 'longpoll')
		await tab.evaluate(() => wp.heartbeat.transport.use([]))
		assert.equal((await beat(tab)).via, 'post')
		await tab.evaluate(() => wp.heartbeat.transport.use(['events']))
		await heard(tab, 'transport', 5)
		assert.equal((await beat(tab)).via, 'events')
		await tab.evaluate(() => wp.heartbeat.transport.use(['websocket', 'longpoll', 'nonsense']))
		await until('the socket', () => tab.evaluate(() => wp.heartbeat.transport.name === 'websocket'))
		assert.deepEqual(await events(tab, 'transport'), ['websocket', 'post', 'longpoll', 'post', 'events', 'post', 'websocket'])
		assert.equal(new Set(fake.hellos.map((hello) => hello.conn)).size, 1)
	})

	test('native handles go over the link; a beat with others is posted, followed by a note and its newer ticket', async (t) => {
		const { fake, tab } = await open(t, { answer: via })
		assert.equal((await beat(tab, { 'presence-ping': { screen: 'dashboard' } })).via, 'websocket')
		assert.equal((await beat(tab, { 'presence-ping': { screen: 'dashboard' }, mine: 1 })).via, 'post')
		await until('the ticket', () => fake.frames.length === 4)
		assert.deepEqual(fake.frames.map(({ type }) => type), ['beat', 'note', 'ticket', 'note'])
		assert.equal(fake.frames[3].body, fake.frames[1].body, 'the newer ticket may open a room that the last did not')
		const note = new URLSearchParams(fake.frames[1].body)
		assert.equal(note.get('data[presence-ping][screen]'), 'dashboard')
		assert.equal(note.get('has_focus'), 'true')
		assert.equal(note.get('data[mine]'), null)
		fake.cut()
		await until('a new link', () => fake.hellos.length === 2)
		assert.equal(fake.hellos[1].body, fake.frames[1].body, 'a new link begins with what the last beat said')
		assert.equal(fake.hellos[1].ticket, fake.frames[2].ticket)
	})

	test('a page is present before its first beat', async (t) => {
		const announce = (screen) => `wp.heartbeat.transport.announce({ 'presence-ping': { screen: '${screen}' }, 'wp-refresh-post-lock': { post_id: 5 }, mine: 1 })`
		const { fake, tab } = await open(t, { after: announce('upload') })
		const said = () => new URLSearchParams(fake.frames.at(-1)?.body)
		const hears = (screen) => until(screen, () => said().get('data[presence-ping][screen]') === screen)
		await hears('upload')
		await tab.evaluate(announce('edit-page'))
		await hears('edit-page')
		assert.deepEqual([...said().keys()], ['data[presence-ping][screen]', 'data[wp-refresh-post-lock][post_id]', 'screen_id', 'has_focus', 'idle'])
		assert.equal(said().get('screen_id'), 'dashboard')
		assert.equal(fake.beats + fake.posts, 0)
	})

	test('a page sends a note when its user becomes idle or active', async (t) => {
		const { fake, tab } = await open(t, {
			answer: via, clock: true,
			after: `document.addEventListener('DOMContentLoaded', () => document.body.append(document.createElement('iframe')))`,
		})
		assert.equal(new URLSearchParams(fake.hellos[0].body).get('idle'), '0', 'a page that was just loaded is active')
		await tab.evaluate(() => {
			wp.heartbeat.interval(3600) // no beat but the test's: the clock runs faster than answers come
			wp.heartbeat.transport.announce({ 'presence-ping': { screen: 'upload' } })
		})
		const notes = () => fake.frames.filter(({ type }) => type === 'note').map(({ body }) => new URLSearchParams(body))
		const told = async (idle, count) => {
			await until(`note ${count}`, () => notes().length === count)
			assert.deepEqual([notes().at(-1).get('idle'), notes().at(-1).get('data[presence-ping][screen]')], [idle, 'upload'])
		}
		await told('0', 1)
		await tab.clock.runFor(28_000)
		await tab.mouse.move(10, 10)
		await tab.clock.runFor(28_000)
		assert.equal(notes().length, 1)
		await tab.clock.runFor(3_000)
		await told('1', 2)
		await tab.clock.runFor(20_000)
		const frame = tab.frames()[1]
		await frame.evaluate(() => {
			document.body.click()
			window.focus()
		})
		await beat(tab, { 'presence-ping': { screen: 'upload' } })
		assert.equal(notes().length, 2, 'a click of a script is no input')
		await tab.keyboard.press('a')
		await told('0', 3)
		await tab.clock.runFor(31_000)
		await told('1', 4)
		const { beats } = fake
		await beat(tab, { 'presence-ping': { screen: 'upload' } })
		assert.equal(fake.beats, beats + 1)
		assert.doesNotMatch(fake.frames.findLast(({ type }) => type === 'beat').body, /idle/, 'beats are as core\'s')
		fake.cut()
		await tab.clock.runFor(5_000)
		await until('a new link', () => fake.hellos.length === 2)
		assert.equal(new URLSearchParams(fake.hellos[1].body).get('idle'), '1')
		await tab.evaluate(() => {
			for (const state of ['hidden', 'visible']) {
				Object.defineProperty(document, 'visibilityState', { configurable: true, value: state })
				Object.defineProperty(document, 'hidden', { configurable: true, value: state === 'hidden' })
				document.dispatchEvent(new Event('visibilitychange'))
			}
		})
		await until('both notes', () => notes().length === 6)
		assert.deepEqual(notes().slice(4).map(String), ['', String(notes()[2])], 'hidden, and shown again')
	})

	test('data of any kind goes over the link', async (t) => {
		const { fake, tab } = await open(t, { answer: via })
		const odd = 'a b+c%20d%2Be & é 李 \u2028 ??=? \r\n'
		assert.equal((await beat(tab, { n: { text: odd, no: false, none: null, list: [odd, [1]], empty: [], map: {} } })).via, 'websocket')
		const sent = new URLSearchParams(fake.frames[0].body)
		assert.equal(sent.get('data[n][text]'), odd)
		await tab.evaluate(() => wp.heartbeat.enqueue('n', { x: undefined, y: [undefined] }))
		assert.equal((await beat(tab)).via, 'websocket')
	})

	test('a beat without a tick, with a decline, larger than max_body or on a dying socket is posted', async (t) => {
		let how = () => null
		const { fake, tab } = await open(t, { maxBody: 400, answer: (fields, name) => (name === 'post' ? via(fields, name) : how()) })
		how = () => ({ decline: true })
		assert.equal((await beat(tab)).via, 'post')
		assert.equal((await beat(tab, { n: 'x'.repeat(400) })).via, 'post')
		assert.equal(fake.beats, 1)
		how = () => void fake.cut()
		assert.equal((await beat(tab)).via, 'post')
		await until('a new link', () => fake.sessions.size)
		how = () => null
		const from = Date.now()
		assert.equal((await beat(tab)).via, 'post')
		assert.ok(Date.now() - from >= 2400, 'the link has its time')
		assert.deepEqual(await events(tab, 'error'), [])
		assert.deepEqual(await events(tab, 'connection-lost'), [])
	})

	test('wp-auth-check: false and nonces_expired close the link until there is a good ticket', async (t) => {
		const ticks = { out: { 'wp-auth-check': false }, expired: { nonces_expired: true, heartbeat_nonce: 'n1' } }
		const fresh = ticket({ nonce: 'n1' })
		const { fake, tab } = await open(t, { answer: (fields, name) => ({ tick: { via: name, ...ticks[fields['data[n]']] }, ticket: fresh }) })
		assert.equal((await beat(tab, { n: 'out' })).via, 'websocket')
		await until('no link', () => !fake.sessions.size)
		assert.equal((await beat(tab, { n: 'out' })).via, 'post')
		assert.equal(fake.hellos.length, 1)
		assert.equal((await beat(tab, { n: 'expired' })).via, 'post')
		await until('a link', () => fake.sessions.size)
		assert.equal(fake.hellos[1].ticket, fresh)
		assert.equal((await beat(tab, { n: '1' })).via, 'websocket')
	})

	test('headers of a posted beat, and of one over the link', async (t) => {
		let asked
		const { fake, tab } = await open(t, {
			answer(fields, name, request) {
				if (name === 'post') asked = request.headers['heartbeat-connection']
				return via(fields, name)
			},
		})
		await tab.evaluate(() => jQuery(document).on('heartbeat-tick', (event, tick, status, xhr) => {
			window.headers = [xhr.getResponseHeader('content-type'), xhr.getResponseHeader('x-heartbeatd-ticket')]
		}))
		await beat(tab, { mine: 1 })
		assert.match((await tab.evaluate(() => headers))[1], /^h\./)
		assert.equal(asked, fake.hellos[0].conn)
		await beat(tab)
		assert.deepEqual(await tab.evaluate(() => headers), ['application/json; charset=UTF-8', null])
	})

	test('a page whose ticket is refused waits for the next one', async (t) => {
		const { fake, tab } = await open(t, { up: false, answer: via, hello: (frame) => (frame.ticket.endsWith('.good') ? null : { type: 'bye', code: 4003 }) })
		await until('a hello', () => fake.hellos.length === 1)
		fake.answer = (fields, name) => ({ tick: { via: name }, ticket: ticket().replace(/\.[^.]*$/, '.good') })
		assert.equal((await beat(tab)).via, 'post')
		await until('a link', () => fake.sessions.size)
		assert.equal(fake.hellos.length, 2)
	})

	test('a page without a ticket gets one with its first beat', async (t) => {
		const { fake, tab } = await open(t, { up: false, answer: via, live: { ticket: undefined } })
		assert.equal((await beat(tab)).via, 'post')
		await until('a link', () => fake.sessions.size)
		assert.equal((await beat(tab)).via, 'websocket')
	})

	test('leave() sends a leave, and the server closes the link', async (t) => {
		const { fake, tab } = await open(t)
		await tab.evaluate(() => wp.heartbeat.transport.leave())
		await until('the leave', () => fake.frames.some(({ type }) => type === 'leave'))
		fake.send({ type: 'bye', code: 4007, reason: '' })
		await until('post', () => tab.evaluate(() => wp.heartbeat.transport.name === 'post'))
	})

	test('a duplicated tab has a connection id of its own', async (t) => {
		const { fake, tab } = await open(t)
		await tab.evaluate(() => void window.open(location.href))
		await until('two links', () => fake.sessions.size === 2)
		assert.notEqual(fake.hellos[0].conn, fake.hellos[1].conn)
	})

	test('wp.heartbeat has nine enumerable methods', async (t) => {
		const { tab } = await open(t)
		const nine = ['connectNow', 'dequeue', 'disableSuspend', 'enqueue', 'getQueuedItem', 'hasConnectionError', 'hasFocus', 'interval', 'isQueued']
		assert.deepEqual(await tab.evaluate(() => Object.keys(wp.heartbeat).sort()), nine)
	})
})
