import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sha256 } from '../src/sha256.js'
import { isAlive, isNative, mayRepeat, readTicket } from '../src/ticket.js'

const IAT = 1_800_000_000
const NOW = IAT * 1000
const half = () => 0.5

const claims = (rest) => ({
	sub: '1',
	iat: IAT,
	exp: IAT + 3600,
	fresh_until: IAT + 1800,
	nonce: sha256('n0'),
	native: ['presence-ping', 'a'],
	...rest,
})
const jwt = (value) => `h.${Buffer.from(JSON.stringify(value)).toString('base64url')}.s`
const ticket = (rest, random = half, now = NOW) => readTicket(jwt(claims(rest)), now, random)

test('readTicket reads claims in any alphabet, and returns null for other text', () => {
	assert.equal(ticket({ name: 'Zoë 李 ~~~???' }).claims.name, 'Zoë 李 ~~~???')
	for (const bad of [undefined, null, '', 'x', 'a.b.c', 'a.!!.c', jwt(null), jwt('text'), jwt({}), jwt({ exp: 'soon' }), 7]) {
		assert.equal(readTicket(bad, NOW, half), null)
	}
})

test('a beat is native if every handle, the nonce and the times allow it', () => {
	const t = ticket()
	assert.ok(isNative(t, [], 'n0', NOW))
	assert.ok(isNative(t, ['a', 'presence-ping'], 'n0', NOW))
	assert.ok(!isNative(t, ['a', 'wp_autosave'], 'n0', NOW))
	assert.ok(!isNative(t, [], 'n1', NOW))
	assert.ok(!isNative(t, [], undefined, NOW))
	assert.ok(!isNative(ticket({ native: undefined }), [], 'n0', NOW))
	assert.ok(!isNative(ticket({ native: 'a' }), [], 'n0', NOW))
	assert.ok(!isNative(ticket({ nonce: undefined }), [], 'n0', NOW))
	assert.ok(!isNative(null, [], 'n0', NOW))
})

test('a beat is native only in the first half of the nonce and in about the first ten minutes of the ticket', () => {
	const at = (t, seconds) => isNative(t, [], 'n0', NOW + seconds * 1000)
	assert.ok(at(ticket({ fresh_until: IAT + 60 }), 59))
	assert.ok(!at(ticket({ fresh_until: IAT + 60 }), 60))
	assert.ok(
		at(
			ticket({}, () => 0),
			479
		)
	)
	assert.ok(
		!at(
			ticket({}, () => 0),
			480
		)
	)
	assert.ok(
		at(
			ticket({}, () => 0.999),
			719
		)
	)
	assert.ok(
		!at(
			ticket({}, () => 0.999),
			720
		)
	)
	assert.ok(!at(ticket(), -1), 'a clock that was set back')
})

test('a page with a wrong clock counts from the arrival of its ticket', () => {
	const wrong = NOW - 86_400_000
	const t = ticket({}, half, wrong)
	assert.ok(isNative(t, [], 'n0', wrong + 60_000))
	assert.ok(!isNative(t, [], 'n0', wrong + 601_000))
	assert.ok(isAlive(t, wrong + 3_599_000))
	assert.ok(!isAlive(t, wrong + 3_600_000))
})

test('answers may be repeated until the time that the ticket names', () => {
	const t = ticket({ repeat_until: IAT + 100 }, half, NOW - 86_400_000)
	assert.ok(mayRepeat(t, NOW - 86_400_000 + 99_999))
	assert.ok(!mayRepeat(t, NOW - 86_400_000 + 100_000))
	assert.ok(!mayRepeat(ticket(), NOW), 'PHP cannot end it')
	assert.ok(!mayRepeat(ticket({ repeat_until: 'soon' }), NOW))
	assert.ok(!mayRepeat(null, NOW))
})

test('a new nonce is compared with the ticket again', () => {
	const t = ticket()
	assert.ok(isNative(t, [], 'n0', NOW))
	assert.ok(!isNative(t, [], 'n1', NOW))
	assert.ok(isNative(t, [], 'n0', NOW))
})
