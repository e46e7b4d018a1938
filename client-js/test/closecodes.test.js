import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import * as codes from '../src/closecodes.js'

test('the close codes are those of the server', () => {
	const source = readFileSync(new URL('../../transport/bye.go', import.meta.url), 'utf8')
	const found = [...source.matchAll(/^\tCode(\w+) += (\d+)/gm)]
	const named = found.map(([, name, code]) => [name.replace(/\B[A-Z]/g, '_$&').toUpperCase(), Number(code)])
	assert.ok(named.length >= 8)
	assert.deepEqual({ ...codes }, Object.fromEntries(named))
})
