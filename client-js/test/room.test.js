import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as rooms from '../src/room.js'

const { EMPTY, createRooms } = rooms
const readPresence = (frame, room = EMPTY) => rooms.readPresence(frame, room)
const applyPresence = (room, frame) => rooms.applyPresence(room, readPresence({ room: 'r', ...frame }, room))
const concernsOthers = (frame, ...args) => Boolean(rooms.concernsOthers(readPresence(frame), ...args))
const contestsLock = (frame, userId) => rooms.contestsLock(readPresence(frame), userId)
const entry = (client_id, rest) => ({ client_id, user_id: 1, display_name: 'Ada', avatar_url: '', data: {}, date_gmt: '2026-01-01 00:00:00', ...rest })
const ids = (room) => room.entries.map((e) => e.client_id)
const snapshot = { room: 'r', snapshot: [entry('a'), entry('b')], total: 2 }

test('a snapshot replaces the entries; changes add, update and remove them', () => {
	let room = applyPresence(EMPTY, { room: 'r', joined: [entry('old')] })
	room = applyPresence(room, snapshot)
	assert.deepEqual(ids(room), ['a', 'b'])
	room = applyPresence(room, { room: 'r', joined: [entry('c')], updated: [entry('a', { data: { n: 1 } })], left: [entry('b')] })
	assert.deepEqual(ids(room), ['a', 'c'])
	assert.deepEqual(room.entries[0].data, { n: 1 })
	assert.equal(room.total, 2)
})

test('a date changes the date of an entry, and whether it is idle; a page does not know others by a date', () => {
	const before = applyPresence(EMPTY, { room: 'r', joined: [entry('a', { idle: true, data: { n: 1 } }), entry('b', { idle: true })] })
	const frame = readPresence({ room: 'r', dates: [{ client_id: 'a', date_gmt: '2026-01-01 00:00:09' }, { client_id: 'b', date_gmt: '2026-01-01 00:00:08', idle: false }, { client_id: 'x', date_gmt: '2026-01-01 00:00:09' }] }, before)
	const after = [entry('a', { idle: true, data: { n: 1 }, date_gmt: '2026-01-01 00:00:09' }), entry('b', { idle: false, date_gmt: '2026-01-01 00:00:08' })]
	assert.deepEqual(frame, { room: 'r', joined: [], updated: after, left: [] })
	assert.deepEqual(rooms.applyPresence(before, frame), { entries: after, total: 2 })
	assert.equal(before.entries[0].date_gmt, '2026-01-01 00:00:00', 'the room before is unchanged')
	assert.equal(Boolean(rooms.concernsOthers(frame, 7, before.entries)), false)
	assert.equal(applyPresence(before, { dates: [{ client_id: 'a', date_gmt: '' }] }).entries[0].date_gmt, '2026-01-01 00:00:00')
})

test('applyPresence does not modify the room', () => {
	const before = applyPresence(EMPTY, snapshot)
	const copy = structuredClone(before)
	applyPresence(before, { room: 'r', joined: [entry('c')], updated: [entry('a', { x: 1 })], left: [entry('b')] })
	assert.deepEqual(before, copy)
	assert.deepEqual(ids(EMPTY), [])
})

test('a repeated frame has no effect', () => {
	const frame = { room: 'r', joined: [entry('c')], left: [entry('a')] }
	const once = applyPresence(applyPresence(EMPTY, snapshot), frame)
	assert.deepEqual(ids(applyPresence(once, frame)), ids(once))
	assert.equal(applyPresence(once, { room: 'r', joined: [entry('c')] }).total, once.total)
})

test('the total of a room with more entries than its snapshot', () => {
	let room = applyPresence(EMPTY, { ...snapshot, total: 300 })
	assert.equal(room.total, 300)
	room = applyPresence(room, { room: 'r', joined: [entry('c')], left: [entry('zz')] })
	assert.equal(room.total, 300)
	room = applyPresence(room, { room: 'r', left: Array.from({ length: 400 }, (_, i) => entry(`x${i}`)) })
	assert.equal(room.total, 3, 'at least the number of entries')
})

test('a value that is not a list of entries counts as an empty list', () => {
	for (const bad of [undefined, null, 'x', 7, {}, [null, 1, 'x', {}]]) {
		assert.deepEqual(readPresence({ room: 'r', joined: bad, updated: bad, left: bad }), { room: 'r', joined: [], updated: [], left: [] })
	}
	assert.deepEqual(readPresence({ room: 'r', snapshot: [null] }), { room: 'r', snapshot: [], total: 0 })
})

test('one bad entry is left out, and no value in the place of a shown text makes String() fail', () => {
	const good = entry('user-1', { data: { screen: 'post', title: 7, n: [1] } })
	const bad = [{ client_id: '' }, { client_id: null }, { date_gmt: undefined }, { data: null }, { data: undefined }]
	assert.deepEqual(readPresence({ room: 'r', joined: bad.map((part) => ({ ...good, ...part })).concat(good) }).joined, [good])

	const hostile = ['{"screen_label":{"toString":"a"},"screen":["a"],"title":null}', '{"__proto__":{"screen_label":{"toString":1}}}', '{"screen":true,"toString":1,"valueOf":1}', '{"screen":1e999}', '[]', '{"screen":[[{"toString":1}]]}']
	for (const text of hostile) {
		const [{ data }] = readPresence({ room: 'r', snapshot: [{ ...good, data: JSON.parse(text) }] }).snapshot
		const copy = Object.assign({}, data)
		for (const name of ['screen', 'screen_label', 'title']) assert.ok(['undefined', 'true', 'Infinity'].includes(String(copy[name])), `${text} ${name}`)
	}
})

test('concernsOthers: whether a frame has a change of another user', () => {
	const other = entry('b', { user_id: 2, data: { screen: 'post' } })
	const known = [entry('a'), other]
	assert.ok(concernsOthers(snapshot, 1, known))
	assert.ok(!concernsOthers({ updated: [entry('a', { data: { n: 1 } })] }, '1', known), 'of the user')
	assert.ok(concernsOthers({ updated: [entry('a')], left: [other] }, 1, known))
	assert.ok(concernsOthers({ joined: [other] }, 1, known))
	assert.ok(!concernsOthers({ updated: [{ ...other, date_gmt: '2026-01-01 00:00:15' }] }, 1, known), 'only a new date')
	assert.ok(concernsOthers({ updated: [{ ...other, data: { screen: 'edit' } }] }, 1, known))
	assert.ok(concernsOthers({ updated: [{ ...other, client_id: 'c' }] }, 1, known), 'of an entry that was not known')
})

test('contestsLock: whether a frame updates the lock of another user', () => {
	assert.ok(contestsLock({ updated: [entry('user-1'), entry('lock-2', { user_id: 2 })] }, 1))
	assert.ok(!contestsLock({ updated: [entry('lock-1'), entry('editor-2', { user_id: 2 })] }, '1'))
	assert.ok(!contestsLock({}, 1))
	assert.ok(!concernsOthers({}, 1, []))
})

// Returns a page that keeps the exceptions of listeners, as a browser reports them.
function pageThatReports(thrown) {
	class Target {
		addEventListener(type, call) {
			this.call = call
		}
		dispatchEvent(event) {
			try {
				this.call(event)
			} catch (e) {
				thrown.push(e)
			}
		}
	}
	return { Event, document: { createElement: () => new Target() } }
}

test('watchers are called for their room until they stop, also if another watcher throws', () => {
	const thrown = []
	const rooms = createRooms(pageThatReports(thrown))
	const heard = []
	rooms.room('r').onChange(() => {
		throw new Error('bug')
	})
	const off = rooms.room('r').onChange((room) => heard.push(room.total))
	rooms.room('other').onChange(() => heard.push('other'))
	rooms.receive(readPresence(snapshot))
	off()
	off()
	rooms.receive(readPresence({ room: 'r', joined: [entry('c')] }))
	assert.deepEqual(heard, [2])
	assert.deepEqual(
		thrown.map(({ message }) => message),
		['bug', 'bug']
	)
	assert.equal(rooms.room('r').entries.length, 3)
	rooms.room('r').entries.pop()
	assert.equal(rooms.room('r').entries.length, 3, 'entries is a copy')
})

test('at most 64 rooms are kept', () => {
	const rooms = createRooms({})
	for (let i = 0; i < 100; i++) rooms.receive(readPresence({ room: `r${i}`, snapshot: [entry('a')], total: 1 }))
	assert.equal(rooms.room('r0').total, 0)
	assert.equal(rooms.room('r99').total, 1)
	assert.equal(
		Array.from({ length: 100 }, (_, i) => rooms.room(`r${i}`).total).reduce((a, b) => a + b),
		64
	)
})

test('at most 1000 entries of a room are kept, and all are counted', () => {
	const many = (from) => Array.from({ length: 900 }, (_, i) => entry(`${from}${i}`))
	const room = applyPresence(applyPresence(EMPTY, { room: 'r', snapshot: many('a'), total: 900 }), { room: 'r', joined: many('b') })
	assert.equal(room.entries.length, 1000)
	assert.equal(room.total, 1800)
})
