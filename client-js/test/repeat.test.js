import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLockMemory, isRoomOf } from '../src/repeat.js'

function memory() {
	const clock = { now: 1000 }
	return { clock, lock: createLockMemory(() => clock.now) }
}

test("repeats PHP's good answer for 50 seconds, to the question it answers next", () => {
	const { clock, lock } = memory()
	assert.equal(lock.recall({ post_id: 5, lock: '1:1' }), undefined)
	lock.learn({ post_id: 5, lock: '1:1' }, { new_lock: '2:1' })
	assert.deepEqual(lock.recall({ post_id: '5', lock: '2:1' }), { new_lock: '2:1' })
	assert.equal(lock.recall({ post_id: 5, lock: '1:1' }), undefined, 'another lock')
	assert.equal(lock.recall({ post_id: 6, lock: '2:1' }), undefined, 'another post')
	assert.equal(lock.recall(undefined), undefined)
	clock.now += 49_999
	assert.ok(lock.recall({ post_id: 5, lock: '2:1' }))
	clock.now += 1
	assert.equal(lock.recall({ post_id: 5, lock: '2:1' }), undefined)
	clock.now = 999
	assert.equal(lock.recall({ post_id: 5, lock: '2:1' }), undefined, 'a clock that was set back')
})

test('a lock error, a nudge or a change in the room ends it', () => {
	const { lock } = memory()
	const known = () => Boolean(lock.recall({ post_id: 5, lock: '2:1' }))
	lock.learn({ post_id: 5, lock: '1:1' }, { new_lock: '2:1' })
	lock.learn({ post_id: 5, lock: '2:1' }, { lock_error: { name: 'x' } })
	assert.ok(!known())
	lock.learn({ post_id: 5, lock: '1:1' }, { new_lock: '2:1' })
	lock.learn({ post_id: 5, lock: '2:1' }, undefined)
	assert.ok(known(), 'no answer to it is not an answer')
	assert.ok(lock.concerns('postType/page:5'))
	assert.ok(!lock.concerns('postType/page:55'))
	assert.ok(!lock.concerns('admin/online'))
	lock.forget()
	assert.ok(!known())
	assert.ok(!lock.concerns('postType/page:5'))
})

test('rooms of posts', () => {
	assert.ok(isRoomOf('postType/my-type:42', 42))
	assert.ok(!isRoomOf('postType/post:42x', 42))
	assert.ok(!isRoomOf('postType/a:b:42', 42))
})
