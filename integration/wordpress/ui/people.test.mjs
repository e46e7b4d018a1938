// The store of users (people.js) and the code that renders them, without a site.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import vm from 'node:vm'

const source = readFileSync(new URL('../heartbeatd/assets/people.js', import.meta.url), 'utf8')
const createPeople = () => {
	const window = {}
	vm.runInNewContext(source, { window })
	return window.heartbeatdUi.createPeople
}
const plain = (value) => JSON.parse(JSON.stringify(value))

const NOW = Date.UTC(2026, 10, 23, 5, 20, 0)
const at = (secondsAgo) => new Date(NOW - 1000 * secondsAgo).toISOString().slice(0, 19).replace('T', ' ')
const entry = (id, name, more = {}) => ({ client_id: `user-${id}`, user_id: id, display_name: name, avatar_url: '', data: { screen: 'dashboard', screen_label: 'Dashboard' }, date_gmt: at(1), ...more })

// A fake wp.heartbeat, whose rooms the test sets.
function stage({ link = 'websocket', me, serverTime } = {}) {
	const callbacks = {}
	const rooms = {}
	const clock = { now: NOW }
	const heartbeat = {
		transport: { name: link },
		room: (name) => ({
			get entries() { return rooms[name]?.entries ?? [] },
			get total() { return rooms[name]?.total ?? 0 },
			onChange: (call) => { callbacks[name] = call },
		}),
	}
	const people = createPeople()({ heartbeat, me, serverTime, clock: () => clock.now })
	const told = []
	return {
		people, told, heartbeat, clock,
		watch: (room) => people.watch(room, (seen) => told.push(plain(seen))),
		fill(room, entries, total = entries.length) {
			rooms[room] = { entries, total }
			callbacks[room]?.(rooms[room])
		},
	}
}

test('watchers are not called before there is data', () => {
	const { told, people, watch } = stage()
	watch('admin/online')
	people.update()
	assert.deepEqual(told, [])
})

test('watchers are called once, and again only after a visible change', () => {
	const s = stage()
	s.watch('admin/online')
	s.fill('admin/online', [entry(2, 'Ben'), entry(1, 'Anna')])
	assert.deepEqual(s.told, [{ people: [
		{ id: 1, name: 'Anna', avatar: '', screen: 'Dashboard', idle: false },
		{ id: 2, name: 'Ben', avatar: '', screen: 'Dashboard', idle: false },
	], total: 2 }])
	s.fill('admin/online', [entry(1, 'Anna', { date_gmt: at(0) }), entry(2, 'Ben')])
	assert.equal(s.told.length, 1, 'a later date alone is nothing to see')
	s.fill('admin/online', [entry(1, 'Anna', { data: { screen: 'edit', screen_label: 'Posts' } }), entry(2, 'Ben')])
	assert.equal(s.told.at(-1).people[0].screen, 'Posts')
	s.fill('admin/online', [entry(2, 'Ben')])
	assert.deepEqual(s.told.at(-1).people.map(({ name }) => name), ['Ben'])
	assert.equal(s.told.length, 3)
})

test('data that another user has written cannot stop the page from showing the room', () => {
	const s = stage()
	s.watch('admin/online')
	const screens = [{ toString: 1, valueOf: 1 }, ['a'], true, null, 0, '<b>x</b>']
	s.fill('admin/online', screens.map((screen, i) => entry(i + 1, `P${i}`, { data: { screen_label: screen, screen } })))
	assert.deepEqual(s.told.at(-1).people.map(({ screen }) => screen), ['', '', '', '', '0', '<b>x</b>'])
	s.fill('admin/online', [entry(1, 'A', { data: { screen_label: {}, screen: 'edit' } }), entry(0, '', { client_id: 'import' })])
	assert.deepEqual(s.told.at(-1).people.map(({ id, screen }) => [id, screen]), [[1, 'edit']], 'an entry without a user is no person')
})

test('a later watcher gets the current data', () => {
	const s = stage()
	s.fill('admin/online', [entry(1, 'Anna')])
	s.watch('admin/online')
	s.watch('admin/online')
	assert.equal(s.told.length, 2)
})

test('users without a report are idle after 30 s of the server\'s clock', () => {
	const s = stage({ serverTime: NOW + 3600_000 })
	s.watch('admin/online')
	s.fill('admin/online', [entry(1, 'Anna', { date_gmt: at(-3600) })])
	assert.equal(s.told.at(-1).people[0].idle, false)
	s.clock.now += 30_000
	s.people.update()
	assert.equal(s.told.length, 1)
	s.clock.now += 1_000
	s.people.update()
	assert.equal(s.told.at(-1).people[0].idle, true)
	s.people.tick({ server_time: NOW / 1000 + 3600 })
	s.people.update()
	assert.equal(s.told.at(-1).people[0].idle, false, 'a tick sets the clock')
})

test('a report of idle has precedence over the date', () => {
	const s = stage()
	s.watch('admin/online')
	s.fill('admin/online', [entry(1, 'Anna', { idle: false, date_gmt: at(60) }), entry(2, 'Ben', { idle: true, date_gmt: at(0) })])
	const idle = () => s.told.at(-1).people.map((person) => person.idle)
	assert.deepEqual(idle(), [false, true])
	s.clock.now += 3600_000
	s.people.update()
	s.fill('admin/online', [entry(1, 'Anna', { idle: false, date_gmt: at(30) }), entry(2, 'Ben', { idle: true, date_gmt: at(-3600) })])
	assert.equal(s.told.length, 1)
	s.fill('admin/online', [entry(1, 'Anna', { idle: true, date_gmt: at(30) }), entry(2, 'Ben', { idle: false, date_gmt: at(-3600) })])
	assert.deepEqual(idle(), [true, false])
	s.fill('admin/online', [entry(1, 'Anna', { idle: true }), entry(1, 'Anna', { client_id: 'x', idle: false, date_gmt: at(60) })])
	assert.deepEqual(idle(), [false], 'idle if all entries are')
})

test('an editor and its lock are one user, with the newest screen', () => {
	const s = stage()
	s.watch('postType/post:4')
	s.fill('postType/post:4', [
		entry(1, 'Anna', { client_id: 'lock-1', date_gmt: at(40) }),
		entry(1, 'Anna', { client_id: 'editor-1', data: { screen: 'post' } }),
		entry(0, 'Nobody'),
	])
	assert.deepEqual(s.told[0].people, [{ id: 1, name: 'Anna', avatar: '', screen: 'post', idle: false }])
})

test('the user of the page is online before the first beat and while the tab is hidden', () => {
	const me = { ...entry(7, 'Me'), date_gmt: at(600) }
	const s = stage({ me })
	s.watch('admin/online')
	s.watch('postType/post:4')
	s.fill('admin/online', [entry(1, 'Anna')])
	s.fill('postType/post:4', [])
	assert.deepEqual(s.told.map(({ people }) => people.map(({ name, idle }) => [name, idle])), [[['Anna', false], ['Me', false]], []])
	s.fill('admin/online', [entry(1, 'Anna'), entry(7, 'Me', { date_gmt: at(31) })])
	assert.deepEqual(s.told.at(-1).people.map(({ idle }) => idle), [false, true], 'once there, the room knows')
})

test('at most 200 entries are kept, and all are counted', () => {
	const s = stage()
	s.watch('admin/online')
	const many = Array.from({ length: 1000 }, (_, i) => entry(i + 1, `P${i}`))
	s.fill('admin/online', many, 5000)
	assert.equal(s.told[0].people.length, 200)
	assert.equal(s.told[0].total, 5000)
})

test('ticks are used only without a link', () => {
	const s = stage({ link: 'post' })
	s.watch('admin/online')
	s.watch('postType/post:4')
	s.watch('postType/post:5')
	const person = { user_id: 1, display_name: 'Anna', avatar_url: '', screen: 'edit', screen_label: 'Posts', date_gmt: at(2) }
	const data = {}
	s.people.beforeBeat(data)
	assert.deepEqual(plain(data), { 'presence-active-posts-ping': true })
	s.people.tick({ 'presence-online': [person], 'presence-online-total': 250, 'presence-active-posts': [
		{ post_id: 4, post_type: 'post', editors: [{ user_id: 1, display_name: 'Anna', avatar_url: '', status: 'idle' }] },
	] })
	assert.deepEqual(s.told.map(({ people, total }) => [people.map(({ name, screen, idle }) => [name, screen, idle]), total]),
		[[[['Anna', 'Posts', false]], 250], [[['Anna', '', true]], 1], [[], 0]])
	s.people.tick({})
	assert.equal(s.told.length, 3, 'a tick that says nothing changes nothing')
	s.people.tick({ 'presence-online': [{ ...person, idle: true }], 'presence-online-total': 250 })
	assert.equal(s.told.at(-1).people[0].idle, true)
	s.people.tick({ 'presence-online': [person], 'presence-online-total': 250 })
	s.told.length = 3
	s.heartbeat.transport.name = 'longpoll'
	s.people.tick({ 'presence-online': [] })
	assert.equal(s.told.length, 3)
	const silent = {}
	s.people.beforeBeat(silent)
	assert.deepEqual(plain(silent), {})
})

test('a tick without a link has only the rooms of posts; a watcher can stop', () => {
	const s = stage({ link: 'post' })
	const stop = s.watch('postType/post:4')
	s.watch('shop/orders')
	s.people.tick({ 'presence-active-posts': [{ post_id: 4, post_type: 'post', editors: [{ user_id: 1, display_name: 'Anna' }] }] })
	assert.deepEqual(s.told.map(({ people }) => people.length), [1], 'nothing about a room that ticks do not have')
	stop()
	s.people.tick({ 'presence-active-posts': [] })
	assert.equal(s.told.length, 1)
})

test('editors are those with an editor\'s entry, and those that ticks name', () => {
	const s = stage()
	s.watch('postType/post:4')
	s.fill('postType/post:4', [entry(1, 'Anna', { client_id: 'editor-1' }), entry(1, 'Anna', { client_id: 'lock-1' }), entry(2, 'Ben', { client_id: 'agent-2' })])
	assert.deepEqual(plain(s.people.editors('postType/post:4')), [1])
	s.heartbeat.transport.name = 'post'
	s.people.tick({ 'presence-active-posts': [{ post_id: 4, post_type: 'post', editors: [{ user_id: 1 }, { user_id: 3 }] }] })
	assert.deepEqual(plain(s.people.editors('postType/post:4')), [1, 3])
})

test('a page without posts does not ask for active posts; core\'s client is enough', () => {
	const window = {}
	vm.runInNewContext(source, { window })
	const people = window.heartbeatdUi.createPeople({ heartbeat: {} })
	const told = []
	people.watch('admin/online', (seen) => told.push(seen))
	const data = {}
	people.beforeBeat(data)
	people.tick({ 'presence-online': [{ user_id: 1, display_name: 'Anna', date_gmt: at(2) }] })
	assert.deepEqual([plain(data), told.length], [{}, 1])
})

test('rooms that the client gets later are used; a link without rooms is ignored', () => {
	const s = stage()
	const { room } = s.heartbeat
	delete s.heartbeat.room
	s.watch('admin/online')
	s.people.tick({ 'presence-online': [{ user_id: 1, display_name: 'Anna', date_gmt: at(2) }] })
	assert.deepEqual(s.told.map(({ people }) => people.map(({ name }) => name)), [['Anna']])
	s.heartbeat.room = room
	s.people.ready()
	s.people.ready()
	s.fill('admin/online', [entry(1, 'Anna'), entry(2, 'Ben')])
	s.people.tick({ 'presence-online': [] })
	assert.deepEqual(s.told.at(-1).people.map(({ name }) => name), ['Anna', 'Ben'])
})
