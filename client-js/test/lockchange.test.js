import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rowOf } from '../src/lockchange.js'

test('a row of a list shows who has the lock, in the page\'s language, unless it is the page\'s own user', () => {
	const ada = { user: 7, name: "$& 'Ada'", avatar_src: 'a', avatar_src_2x: 'b' }
	assert.equal(JSON.stringify(rowOf(ada, '8', '%s is currently editing')), JSON.stringify({ name: "$& 'Ada'", text: "$& 'Ada' is currently editing", avatar_src: 'a', avatar_src_2x: 'b' }))
	assert.deepEqual(rowOf({ user: 7, name: 'Ada' }, '8', '100%% %1$s'), { name: 'Ada', text: '100% Ada' })
	assert.equal(rowOf(ada, '7', '%s'), null)
	assert.equal(rowOf({ user: 0 }, '8', '%s'), null)
})
