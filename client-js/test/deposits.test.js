import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createDeposits } from '../src/deposits.js'

test('a page has the handles of the last frame, until its link changes', () => {
	const deposits = createDeposits()
	deposits.receive({ handles: ['stock', 7, 'price'] })
	assert.ok(deposits.has('stock') && deposits.has('price') && !deposits.has(7) && !deposits.has('x'))
	deposits.receive({ handles: ['price'] })
	assert.ok(!deposits.has('stock') && deposits.has('price'))
	deposits.receive({})
	assert.ok(!deposits.has('price'))
	deposits.receive({ handles: ['stock'] })
	deposits.forget()
	assert.ok(!deposits.has('stock'))
})
