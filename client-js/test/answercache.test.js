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

test('contested() removes the answer about a lock, and keeps that about a list', () => {
	const { cache } = newCache()
	cache.learn({ ...lock(5, '1:1'), [LOCKS]: ['post-5'] }, refreshed, everywhere)
	cache.contested()
	assert.deepEqual(cache.recall({ ...lock(5, '1:1'), [LOCKS]: ['post-5'] }), { [LOCKS]: null })
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

test('the answer about the locks of a list is repeated for 100 seconds, also if no post is locked', () => {
	const { clock, cache } = newCache()
	const asked = { [LOCKS]: ['post-5', 'post-6'] }
	cache.learn(asked, {}, everywhere)
	assert.deepEqual(cache.recall(asked), { [LOCKS]: null })
	const locked = { [LOCKS]: { 'post-5': { name: 'x' } } }
	cache.learn(asked, locked, everywhere)
	clock.now += 99_999
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
