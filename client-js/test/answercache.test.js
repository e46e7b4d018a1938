import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createAnswerCache, postOf, LOCK, LOCKS } from '../src/answercache.js'

const everywhere = () => true

function newCache(lockWindow) {
	const clock = { now: 1000 }
	const cache = createAnswerCache(() => clock.now, lockWindow)
	const recall = (data, rest) => cache.recall({ data, interval: 15, has_focus: true, ...rest })
	return { clock, cache: { ...cache, recall } }
}

const lock = (post_id, lock) => ({ [LOCK]: { post_id, lock } })
const refreshed = { [LOCK]: { new_lock: '2:1' } }

test('entered() removes the answer about a lock, and keeps that about a list', () => {
	const { cache } = newCache()
	cache.learn({ ...lock(5, '1:1'), [LOCKS]: ['post-5'] }, refreshed, everywhere)
	cache.entered()
	assert.deepEqual(cache.recall({ ...lock(5, '1:1'), [LOCKS]: ['post-5'] }), { [LOCKS]: null })
})

test('the answer about a lock is repeated for another 100 seconds after heartbeatd has had it renewed', () => {
	const { clock, cache } = newCache()
	const renewed = (change, row, recent) => cache.lockChanged({ post: '5', at_ms: clock.now, left_ms: 150_000, ...change }, row, recent)
	const repeated = (seconds) => {
		clock.now += 1000 * seconds
		return LOCK in cache.recall(lock(5, '2:1'))
	}
	const learn = () => cache.learn(lock(5, '1:1'), refreshed, everywhere)
	learn()
	assert.ok(repeated(90))
	renewed({}, null, true)
	assert.ok(repeated(90))
	assert.ok(!repeated(10))
	const others = { 'another post': [{ post: '6' }, null, true], 'the lock of another user': [{}, { name: 'Ben' }, true], 'a push that came late': [{}, null, false] }
	for (const [name, args] of Object.entries(others)) {
		learn()
		clock.now += 90_000
		renewed(...args)
		assert.ok(!repeated(10), name)
	}
	learn()
	cache.entered()
	renewed({}, null, true)
	assert.ok(!repeated(0), 'there is no answer to repeat')
})

test("PHP's answer about a lock is repeated for 100 seconds", () => {
	const { clock, cache } = newCache()
	assert.deepEqual(cache.recall(lock(5, '1:1')), {})
	cache.learn(lock(5, '1:1'), refreshed, everywhere)
	assert.deepEqual(cache.recall(lock('5', '2:1')), refreshed)
	assert.deepEqual(cache.recall(lock(5, '1:1')), refreshed, 'an editor that sends its first lock again')
	assert.deepEqual(cache.recall(lock(6, '2:1')), {}, 'another post')
	assert.deepEqual(cache.recall({}), {})
	clock.now += 99_999
	assert.deepEqual(cache.recall(lock(5, '2:1')), refreshed)
	clock.now += 1
	assert.deepEqual(cache.recall(lock(5, '2:1')), {})
	clock.now = 999
	assert.deepEqual(cache.recall(lock(5, '2:1')), {}, 'the clock was set back')
})

test('an answer is repeated only if 20 seconds of the lock are left at the second beat from now', () => {
	const after = (seconds, { clock, cache }, rest) => {
		clock.now = 1000
		cache.learn(lock(5, '1:1'), refreshed, everywhere)
		clock.now += 1000 * seconds
		return LOCK in cache.recall(lock(5, '2:1'), rest)
	}
	const usual = newCache()
	assert.ok(after(99, usual, { interval: '15' }))
	assert.ok(after(9, usual, { interval: 60 }))
	assert.ok(!after(10, usual, { interval: 60 }))
	assert.ok(!after(0, usual, { has_focus: false }), 'without focus the next beat comes in two minutes')
	assert.ok(!after(0, usual, { interval: undefined }), 'the interval is not known')
	const short = newCache(60)
	assert.ok(after(9, short))
	assert.ok(!after(10, short), 'locks last a minute on this site')
})

test('the answer about the locks of a list is repeated for five minutes, also if no post is locked', () => {
	const { clock, cache } = newCache()
	const asked = { [LOCKS]: ['post-5', 'post-6'] }
	cache.learn(asked, {}, everywhere)
	assert.deepEqual(cache.recall(asked), { [LOCKS]: null })
	const locked = { [LOCKS]: { 'post-5': { name: 'x' } } }
	cache.learn(asked, locked, everywhere)
	clock.now += 299_999
	assert.deepEqual(cache.recall(asked), locked)
	clock.now += 1
	assert.deepEqual(cache.recall(asked), {})
	cache.learn(asked, locked, everywhere)
	assert.deepEqual(cache.recall({ [LOCKS]: ['post-5'] }), {}, 'another list')
	cache.learn(asked, locked, (post) => post === '5')
	assert.deepEqual(cache.recall(asked), {}, 'the page does not hear the room of one post')
})

test('a lock error, a missing answer or forget() ends the repeating', () => {
	const { cache } = newCache()
	const known = () => LOCK in cache.recall(lock(5, '2:1'))
	cache.learn(lock(5, '1:1'), refreshed, everywhere)
	cache.learn(lock(5, '2:1'), { [LOCK]: { lock_error: { name: 'x' } } }, everywhere)
	assert.ok(!known())
	cache.learn(lock(5, '1:1'), refreshed, everywhere)
	cache.learn(lock(5, '2:1'), {}, everywhere)
	assert.ok(!known(), 'no answer')
	cache.learn(lock(5, '1:1'), refreshed, everywhere)
	cache.learn({}, {}, everywhere)
	assert.ok(known(), 'a beat without the handle')
	cache.forget()
	assert.ok(!known())
})

test('an answer to a beat that was posted before a change is not kept', () => {
	const { cache } = newCache()
	const known = () => LOCK in cache.recall(lock(5, '2:1'))
	cache.ask()
	cache.forget()
	cache.learn(lock(5, '1:1'), refreshed, everywhere)
	assert.ok(!known())
	cache.ask()
	cache.learn(lock(5, '1:1'), refreshed, everywhere)
	assert.ok(known())
})

test('after a push to a post\'s room no answer is kept for ten seconds', () => {
	const { clock, cache } = newCache()
	const known = () => LOCK in cache.recall(lock(5, '2:1'))
	cache.learn(lock(5, '1:1'), refreshed, everywhere)
	cache.pushed('admin/online')
	cache.pushed(undefined)
	assert.ok(known(), 'the room is not that of a post')
	cache.pushed('postType/post:5')
	assert.ok(!known())
	clock.now += 9_999
	cache.ask()
	cache.learn(lock(5, '1:1'), refreshed, everywhere)
	assert.ok(!known(), 'also if no answer was kept before')
	clock.now += 1
	cache.learn(lock(5, '1:1'), refreshed, everywhere)
	assert.ok(known())
})

test('postOf returns the id of the post of a room', () => {
	assert.equal(postOf('postType/my-type:42'), '42')
	for (const room of ['postType/post:42x', 'postType/a:b:42', 'admin/online', '', undefined]) assert.equal(postOf(room), '')
})

// A list of three posts of which PHP said that the first is locked.
function listOfThree() {
	const { clock, cache: m } = newCache()
	const asked = { [LOCKS]: ['post-5', 'post-6', 'post-7'] }
	m.learn(asked, { [LOCKS]: { 'post-5': { name: 'Ada' } } }, everywhere)
	const change = (post, name, rest) => m.lockChanged({ post, at_ms: clock.now, left_ms: 150_000, released: false, ...rest }, name && { name })
	return { clock, m, asked, change, shown: () => m.recall(asked)[LOCKS] }
}

test('a list shows a lock that was taken or given up, in the order of its rows', () => {
	const { clock, change, shown } = listOfThree()
	change('7', 'Cy')
	change('6', 'Bo')
	change('8', 'Di')
	assert.equal(JSON.stringify(shown()), '{"post-5":{"name":"Ada"},"post-6":{"name":"Bo"},"post-7":{"name":"Cy"}}')
	clock.now += 1
	change('5', null)
	change('6', null)
	assert.deepEqual(shown(), { 'post-7': { name: 'Cy' } })
	clock.now += 1
	change('7', null)
	assert.equal(shown(), null)
	clock.now += 299_997
	assert.equal(shown(), null)
	clock.now += 1
	assert.equal(shown(), undefined, 'PHP is asked after five minutes, whatever was heard')
})

test('a list drops a released lock when its time is over, unless it is taken again', () => {
	const { clock, change, shown } = listOfThree()
	change('5', 'Ada', { left_ms: 5000, released: true })
	clock.now += 4999
	assert.deepEqual(shown(), { 'post-5': { name: 'Ada' } })
	clock.now += 1
	assert.equal(shown(), null)
	change('5', 'Ada')
	change('6', 'Bo', { left_ms: 5000, released: true })
	clock.now += 1
	change('6', 'Bo')
	clock.now += 5000
	assert.deepEqual(shown(), { 'post-5': { name: 'Ada' }, 'post-6': { name: 'Bo' } })
})

test('a list asks PHP when a lock may have expired', () => {
	const { clock, change, shown } = listOfThree()
	change('6', 'Bo', { left_ms: 20_000 })
	clock.now += 19_999
	assert.ok(shown())
	clock.now += 1
	assert.equal(shown(), undefined)
})

test('a list asks PHP when a lock of PHP\'s answer may have expired, unless it was renewed', () => {
	const { clock, m, asked, change, shown } = listOfThree()
	m.learn(asked, { [LOCKS]: { 'post-5': { name: 'Ada' } } }, everywhere, { 'post-5': 20_000 })
	clock.now += 19_999
	assert.ok(shown())
	change('5', 'Ada', { released: undefined })
	clock.now += 149_999
	assert.deepEqual(shown(), { 'post-5': { name: 'Ada' } })
	clock.now += 1
	assert.equal(shown(), undefined)
})

test('a change that arrives after a later one is ignored', () => {
	const { clock, change, shown } = listOfThree()
	change('6', 'Bo', { at_ms: 900 })
	change('6', null, { at_ms: 800 })
	change('5', null, { at_ms: clock.now })
	assert.deepEqual(shown(), { 'post-6': { name: 'Bo' } })
})

test('an editor asks PHP about a lock that has changed, and for ten seconds if it was released', () => {
	const { clock, cache: m } = newCache()
	const known = () => LOCK in m.recall(lock(5, '2:1'))
	const learn = () => {
		m.ask()
		m.learn(lock(5, '1:1'), refreshed, everywhere)
	}
	learn()
	m.lockChanged({ post: '5', at_ms: 0, left_ms: 150_000 }, null)
	assert.ok(known(), 'it was renewed')
	m.lockChanged({ post: '5', at_ms: 1, left_ms: 150_000, released: false }, { name: 'Bo' })
	assert.ok(!known())
	learn()
	assert.ok(known())
	m.lockChanged({ post: '5', at_ms: 2, left_ms: 5000, released: true }, null)
	learn()
	assert.ok(!known())
	clock.now += 10_000
	learn()
	assert.ok(known())
})

test('an answer of PHP to a list is updated with the changes since it was asked', () => {
	const { m, clock, asked, change, shown } = listOfThree()
	change('7', 'Cy')
	m.ask()
	change('6', 'Bo', { left_ms: 5000, released: true })
	m.learn(asked, { [LOCKS]: { 'post-5': { name: 'Ada' } } }, everywhere)
	assert.deepEqual(shown(), { 'post-5': { name: 'Ada' }, 'post-6': { name: 'Bo' } }, 'PHP knew of earlier ones')
	clock.now += 5000
	assert.deepEqual(shown(), { 'post-5': { name: 'Ada' } })
	m.ask()
	m.entered()
	m.learn(asked, {}, everywhere)
	assert.equal(shown(), null, 'a change of the other handle')
	m.ask()
	m.forget()
	m.learn(asked, {}, everywhere)
	assert.equal(shown(), undefined, 'any other news')
})
