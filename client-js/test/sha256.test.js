import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { sha256 } from '../src/sha256.js'

test('the hash is that of node:crypto for all lengths around the block size', () => {
	for (let length = 0; length < 200; length++) {
		const text = 'é0123456789abcdef'.repeat(13).slice(0, length)
		assert.equal(sha256(text), createHash('sha256').update(text).digest('hex'), `length ${length}`)
	}
})
