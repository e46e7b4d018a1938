import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createAnswerCache, postOf, LOCK, LOCKS } from '../src/answercache.js'

const everywhere = () => true

function memory(lockWindow) {
	const clock = { now: 1000 }
	const memory = createAnswerCache(() => clock.now, lockWindow)
	const recall = (data, rest) => memory.recall({ data, interval: 15, has_focus: true, ...rest })
	return { clock, memory: { ...memory, recall } }
}

const lock = (post_id, lock) => ({ [LOCK]: { post_id, lock } })
const refreshed = { [LOCK]: { new_lock: '2:1' } }

test('a lock that somebody else is there with is asked about, a list is not', () => {
	const { memory: m } = memory()
	m.learn({ ...lock(5, '1:1'), [LOCKS]: ['post-5'] }, refreshed, everywhere)
	m.contested()
	assert.deepEqual(m.recall({ ...lock(5, '1:1'), [LOCKS]: ['post-5'] }), { [LOCKS]: null })
})

test("repeats PHP's good answer about a lock for 100 seconds", () => {
	const { clock, memory: m } = memory()
	assert.deepEqual(m.recall(lock(5, '1:1')), {})
	m.learn(lock(5, '1:1'), refreshed, everywhere)
	assert.deepEqual(m.recall(lock('5', '2:1')), refreshed)
	assert.deepEqual(m.recall(lock(5, '1:1')), refreshed, 'an editor that asks with the lock it began with')
	assert.deepEqual(m.recall(lock(6, '2:1')), {}, 'another post')
	assert.deepEqual(m.recall({}), {})
	clock.now += 99_999
	assert.deepEqual(m.recall(lock(5, '2:1')), refreshed)
	clock.now += 1
	assert.deepEqual(m.recall(lock(5, '2:1')), {})
	clock.now = 999
	assert.deepEqual(m.recall(lock(5, '2:1')), {}, 'a clock that was set back')
})

test('the next beat but one finds the lock with 20 seconds left', () => {
	const after = (seconds, m, rest) => {
		m.clock.now = 1000
		m.memory.learn(lock(5, '1:1'), refreshed, everywhere)
		m.clock.now += 1000 * seconds
		return LOCK in m.memory.recall(lock(5, '2:1'), rest)
	}
	const usual = memory()
	assert.ok(after(99, usual, { interval: '15' }))
	assert.ok(after(9, usual, { interval: 60 }))
	assert.ok(!after(10, usual, { interval: 60 }))
	assert.ok(!after(0, usual, { has_focus: false }), 'whose page beats in two minutes again')
	assert.ok(!after(0, usual, { interval: undefined }), 'nobody knows when')
	const short = memory(60)
	assert.ok(after(9, short))
	assert.ok(!after(10, short), 'a site whose locks live a minute')
})

test('repeats which posts of a list are locked, and that none is, for 100 seconds', () => {
	const { clock, memory: m } = memory()
	const asked = { [LOCKS]: ['post-5', 'post-6'] }
	m.learn(asked, {}, everywhere)
	assert.deepEqual(m.recall(asked), { [LOCKS]: null })
	const locked = { [LOCKS]: { 'post-5': { name: 'x' } } }
	m.learn(asked, locked, everywhere)
	clock.now += 99_999
	assert.deepEqual(m.recall(asked), locked)
	clock.now += 1
	assert.deepEqual(m.recall(asked), {})
	m.learn(asked, locked, everywhere)
	assert.deepEqual(m.recall({ [LOCKS]: ['post-5'] }), {}, 'another list')
	m.learn(asked, locked, (post) => post === '5')
	assert.deepEqual(m.recall(asked), {}, 'a room that is not heard')
})

test('a lock error, a nudge or a change in a room ends it', () => {
	const { memory: m } = memory()
	const known = () => LOCK in m.recall(lock(5, '2:1'))
	m.learn(lock(5, '1:1'), refreshed, everywhere)
	m.learn(lock(5, '2:1'), { [LOCK]: { lock_error: { name: 'x' } } }, everywhere)
	assert.ok(!known())
	m.learn(lock(5, '1:1'), refreshed, everywhere)
	m.learn(lock(5, '2:1'), {}, everywhere)
	assert.ok(!known(), 'no answer')
	m.learn(lock(5, '1:1'), refreshed, everywhere)
	m.learn({}, {}, everywhere)
	assert.ok(known(), 'a beat that did not ask')
	m.forget()
	assert.ok(!known())
})

test('an answer that is older than what was heard meanwhile is not kept', () => {
	const { memory: m } = memory()
	const known = () => LOCK in m.recall(lock(5, '2:1'))
	m.ask()
	m.forget()
	m.learn(lock(5, '1:1'), refreshed, everywhere)
	assert.ok(!known())
	m.ask()
	m.learn(lock(5, '1:1'), refreshed, everywhere)
	assert.ok(known())
})

test('a push to the room has PHP asked for ten seconds', () => {
	const { clock, memory: m } = memory()
	const known = () => LOCK in m.recall(lock(5, '2:1'))
	m.learn(lock(5, '1:1'), refreshed, everywhere)
	m.pushed('admin/online')
	m.pushed(undefined)
	assert.ok(known(), 'of no post\'s room')
	m.pushed('postType/post:5')
	assert.ok(!known())
	clock.now += 9_999
	m.ask()
	m.learn(lock(5, '1:1'), refreshed, everywhere)
	assert.ok(!known(), 'whether anything was known or not')
	clock.now += 1
	m.learn(lock(5, '1:1'), refreshed, everywhere)
	assert.ok(known())
})

test('rooms of posts', () => {
	assert.equal(postOf('postType/my-type:42'), '42')
	for (const room of ['postType/post:42x', 'postType/a:b:42', 'admin/online', '', undefined]) assert.equal(postOf(room), '')
})
