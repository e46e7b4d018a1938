import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { LOCK, LOCKS } from '../src/answercache.js'
import { createClient } from '../src/client.js'

const START = Date.UTC(2030, 0, 1)
const ROOM = 'postType/post:5'
const claims = {
	sub: '1', iat: START / 1000, exp: START / 1000 + 3600, fresh_until: START / 1000 + 3600, repeat_until: START / 1000 + 100,
	nonce: createHash('sha256').update('n').digest('hex'), native: ['presence-ping'], rooms: [ROOM], deposits: true,
}
const ticketOf = (all) => 'header.' + Buffer.from(JSON.stringify(all)).toString('base64url') + '.signature'
const target = () => ({ addEventListener: () => {} })
const settle = async () => {
	for (let i = 0; i < 20; i++) await null
}

// Opens the link of a page, whose random numbers are all 0.5. Returns how to receive frames, how to beat,
// and when the page was made to beat, in ms after the start.
async function open(t, more) {
	t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: START })
	t.mock.method(Math, 'random', () => 0.5)
	let socket
	const storage = new Map()
	const win = {
		...target(), setTimeout, clearTimeout, crypto, performance,
		location: { href: 'http://site.example/' },
		document: { ...target(), visibilityState: 'visible', getElementsByTagName: () => [], createElement: () => new EventTarget() },
		Event,
		localStorage: { getItem: (key) => storage.get(key) ?? null, setItem: (key, value) => storage.set(key, value) },
		sessionStorage: { getItem: () => null, setItem: () => {} },
		heartbeatSettings: { nonce: 'n', heartbeatd: { url: '/heartbeat', ticket: ticketOf({ ...claims, ...more }), transports: ['websocket'], locked_text: 'now %s' } },
		WebSocket: class {
			constructor() {
				socket = this
				this.readyState = 1
				this.sent = []
			}
			send(text) {
				this.sent.push(JSON.parse(text))
			}
			close() {}
		},
	}
	const events = []
	const beats = []
	const came = () => void beats.push(Date.now() - START)
	const client = createClient({ win, $: { param: encode }, emit: (name, args) => events.push([name, ...args]), connectNow: came, beatEarly: came })
	client.start()
	const receive = (frame) => socket.onmessage({ data: JSON.stringify(frame) })
	socket.onopen()
	receive({ type: 'welcome', max_body: 1000, cursor: 'e-4' })
	await settle()

	const fieldsOf = (data) => ({ data, interval: 15, _nonce: 'n', has_focus: true, screen_id: 'edit-post' })
	// Begins a beat. Returns what answers it, or null if it is for PHP.
	function begin(data) {
		const fields = fieldsOf(data)
		client.began(fields)
		const plan = client.plan(fields, 'body')
		const answer = plan && plan.send()
		const { id } = socket.sent.at(-1)
		return plan && (async (frame) => {
			receive({ id, ...frame })
			return JSON.parse(await answer)
		})
	}
	// PHP answers a beat.
	function post(data, response) {
		const fields = fieldsOf(data)
		client.began(fields)
		client.posted(fields)
		client.ticked(fields, response, { getResponseHeader: () => ticketOf({ ...claims, iat: claims.iat + 1 }) }, true)
	}
	// Opens another link. Returns its hello.
	async function reopen() {
		client.suspended(true)
		client.suspended(false)
		await settle()
		socket.onopen()
		return socket.sent[0]
	}
	const pushes = () => events.filter(([name]) => name === 'push').map(([, { data }]) => data)
	return { receive, begin, post, reopen, beats, pushes, events, pass: (ms) => t.mock.timers.tick(ms) }
}

// As $.param, for data that are as deep as these.
function encode(data, around) {
	const name = (key) => encodeURIComponent(around ? `${around}[${key}]` : key)
	return Object.entries(data).map(([key, value]) => (Object(value) === value ? encode(value, around ? `${around}[${key}]` : key) : `${name(key)}=${encodeURIComponent(value)}`)).join('&')
}

const tick = (body = {}) => ({ type: 'tick', status: 200, body: JSON.stringify(body) })
const change = (lock) => ({ type: 'push', room: ROOM, data: { heartbeatd: { lock: { at_ms: Date.now(), left_ms: 150000, released: false, spread_ms: 0, ...lock } } } })

test('a push that arrives again is not shown again, and one that comes late is', async (t) => {
	const { receive, pushes } = await open(t)
	for (const seq of [5, 6, 5, 6, 8, 7, 8, 10]) receive({ type: 'push', cursor: 'e-' + seq, data: seq })
	assert.deepEqual(pushes(), [5, 6, 8, 7, 10])
	receive({ type: 'push', cursor: 'f-5', data: 'of another stream' })
	receive({ type: 'push', data: 'without a cursor' })
	receive({ type: 'push', data: 'without a cursor' })
	assert.deepEqual(pushes().slice(5), ['of another stream', 'without a cursor', 'without a cursor'])
})

test('a page is told that it may have missed pushes', async (t) => {
	const { receive, events, pushes } = await open(t)
	receive({ type: 'missed', cursor: 'e-90' })
	assert.deepEqual(events.filter(([name]) => name === 'missed'), [['missed']])
	receive({ type: 'push', cursor: 'e-91', data: 1 })
	assert.deepEqual(pushes(), [1])
})

test('after pushes may have been missed PHP answers what was repeated', async (t) => {
	const { receive, begin, post } = await open(t)
	const beat = { [LOCK]: { post_id: '5', lock: '1:1' } }
	post(beat, { [LOCK]: { new_lock: '2:1' } })
	assert.notEqual(begin(beat), null)
	receive({ type: 'missed', cursor: 'e-90' })
	assert.equal(begin(beat), null)
})

test('the cursor is that of the last frame that has one', async (t) => {
	const { receive, reopen, events } = await open(t)
	const before = events.length
	receive({ type: 'push', cursor: 'e-5', data: 1 })
	receive({ type: 'cursor', cursor: 'e-9' })
	assert.deepEqual(events.slice(before).map(([name]) => name), ['push'], 'a cursor is no event')
	assert.equal((await reopen()).after, 'e-9')
})

test('pages that wait for a deposit beat within a second where heartbeatd answers, else over the whole time', async (t) => {
	const { receive, begin, beats, pass } = await open(t)
	const changed = { type: 'deposits', handles: ['stock'], changed: 'stock', spread_ms: 40_000 }
	receive({ type: 'deposits', handles: ['stock'] })
	await begin({ stock: 1 })(tick())
	receive(changed)
	pass(500)
	assert.deepEqual(beats, [500])
	assert.equal(begin({ stock: 1, other: 1 }), null)
	receive(changed)
	pass(19_999)
	assert.equal(beats.length, 1)
	pass(1)
	assert.deepEqual(beats, [500, 20_500])
})

test('a page has the handles of the last frame', async (t) => {
	const { receive, begin } = await open(t)
	for (const [handles, stock, price] of [[['stock', 7, 'price'], true, true], [['price'], false, true], [undefined, false, false], [null, false, false]]) {
		receive({ type: 'deposits', handles })
		for (const [handle, may] of [['stock', stock], ['price', price], ['7', false], ['null', false]]) assert.equal(Boolean(begin({ [handle]: 1 })), may, `${handles}: ${handle}`)
	}
})

test('after one decline a paced nudge makes the page beat at once, after two it waits', async (t) => {
	const { receive, begin, beats, pass } = await open(t)
	for (const expected of [2, 2]) {
		await begin({})({ type: 'decline' })
		receive({ type: 'nudge', paced: true })
		pass(0)
		receive({ type: 'nudge', paced: true })
		pass(0)
		assert.equal(beats.length, expected)
	}
	await begin({})(tick())
	receive({ type: 'nudge', paced: true })
	pass(0)
	assert.equal(beats.length, 3, 'a beat that is answered ends the series')
})

test('a lock that changes while a beat is under way is in its tick', async (t) => {
	const { receive, begin, post, pass } = await open(t)
	const asked = { [LOCKS]: ['post-5'] }
	post(asked, { [LOCKS]: { 'post-5': { name: 'Ada' } } })
	const answer = begin(asked)
	receive(change({ user: 2, name: 'Bo' }))
	assert.deepEqual(await answer(tick()), { [LOCKS]: { 'post-5': { name: 'Bo', text: 'now Bo' } } })
	const next = begin(asked)
	pass(1)
	receive(change({ user: 0 }))
	assert.deepEqual(await next(tick()), {})
})

test('a save does not make a list or an editor ask PHP, and another push to the room does', async (t) => {
	const { receive, begin, post } = await open(t)
	const asked = { [LOCKS]: ['post-5'], [LOCK]: { post_id: 5 } }
	const known = { [LOCKS]: { 'post-5': { name: 'Ada' } }, [LOCK]: { new_lock: '1:1' } }
	post(asked, known)
	receive({ type: 'push', room: ROOM, data: { heartbeatd: { screen_rev: { key: 'post/5', rev: 2 } } } })
	assert.deepEqual(await begin(asked)(tick()), known)
	for (const data of [{ heartbeatd: { beat_after_ms: 1 } }, { screen_rev: 1 }, { lock: 1 }, 'text', null]) {
		receive({ type: 'push', room: ROOM, data })
		assert.equal(begin(asked), null, JSON.stringify(data))
		post({ [LOCKS]: ['post-5'] }, known)
		assert.ok(begin({ [LOCKS]: ['post-5'] }))
	}
})

test('a change of a lock is taken from a push to the room of a post only', async (t) => {
	const { receive, begin, post } = await open(t)
	const asked = { [LOCKS]: ['post-5'] }
	post(asked, {})
	for (const room of ['admin/online', undefined, 5]) receive({ ...change({ user: 2, name: 'Bo' }), room })
	assert.deepEqual(await begin(asked)(tick()), {})
})

for (const [rows, listed] of [[undefined, true], ['/rows', false]]) {
	test(`a tick of PHP ${listed ? 'gets' : 'does not get'} the list of users, ${listed ? 'as heartbeatd sends it' : 'which another Presence API has not'}`, async (t) => {
		const { receive, post } = await open(t, { rows })
		const entry = (id, data) => ({ client_id: `user-${id}`, user_id: id, display_name: 'x', avatar_url: '', data, date_gmt: `2030-01-01 00:00:0${id}` })
		receive({ type: 'presence', room: 'admin/online', snapshot: [entry(1, { screen: { toString: 1 } }), entry(0, {})], total: 2 })
		const response = {}
		post({ 'presence-ping': { screen: 'post' } }, response)
		assert.deepEqual((response['presence-online'] || []).map(({ user_id: id, screen }) => [id, screen]), listed ? [[1, '']] : [])
		assert.equal('presence-online' in response, listed)
	})
}

test('a hello has at most 16 KiB, whatever plugins name as presence', async (t) => {
	const { post, reopen } = await open(t)
	const large = { list: Array.from({ length: 4000 }, (_, i) => i) }
	post({ 'presence-a': large, 'presence-ping': { screen: 'dashboard', title: 'ж'.repeat(191) }, 'presence-b': large, 'presence-c': 'x'.repeat(4000) }, {})
	const { body } = await reopen()
	assert.match(body, /^data%5Bpresence-ping%5D%5Bscreen%5D=dashboard&/)
	assert.ok(!/presence-[abc]/.test(body), body)
	for (const handles of [{ 'presence-x': Array(200).fill('') }, { 'presence-x': 'x'.repeat(4080) }, Object.fromEntries(Array.from({ length: 400 }, (_, i) => [`presence-${i}`, '']))]) {
		post(handles, {})
		const hello = await reopen()
		assert.match(hello.body, /presence-/)
		assert.ok(JSON.stringify({ ...hello, ticket: 'x'.repeat(2048) }).length < 12_000, JSON.stringify(hello).slice(0, 100))
	}
})
