import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTicketRequests } from '../src/ticketrequests.js'

function tab() {
	const items = {}
	const sessionStorage = { getItem: (key) => items[key] ?? null, setItem: (key, value) => (items[key] = value) }
	return { open: () => createTicketRequests({ sessionStorage }), items }
}

// beat posts one beat, to a site that answers with one status with a ticket and another without.
function beat(page, withTicket, without) {
	const asked = page.may()
	page.answered(asked, asked ? withTicket : without)
	return asked
}

test('a beat after a 5xx asks for no ticket; after a success the next one asks again', () => {
	const page = tab().open()
	assert.ok(beat(page, 200))
	assert.ok(beat(page, 502))
	assert.ok(!beat(page, 200, 502))
	assert.ok(!beat(page, 200, 0), 'no answer tells nothing')
	assert.ok(!beat(page, 200, 200))
	assert.ok(beat(page, 403), 'what is no 5xx has had room')
	assert.ok(beat(page, 200))
})

test('after failures a page asks twice, and its tab once an hour', (t) => {
	t.mock.timers.enable({ apis: ['Date'], now: 1e12 })
	const { open } = tab()
	const failures = (page) => Array.from({ length: 20 }, () => beat(page, 502, 200)).filter(Boolean).length
	const page = open()
	assert.equal(failures(page), 2)
	assert.equal(failures(open()), 0)
	t.mock.timers.tick(3_599_999)
	assert.equal(failures(open()), 0)
	t.mock.timers.tick(1)
	assert.equal(failures(page), 0, 'the page that has asked twice')
	assert.equal(failures(open()), 1)
	assert.equal(failures(open()), 0)
	t.mock.timers.setTime(1e12)
	assert.equal(failures(open()), 1, 'a clock that was set back')
})

test('a site that is down sometimes is asked again', () => {
	const page = tab().open()
	for (let i = 0; i < 10; i++) {
		beat(page, 503)
		beat(page, 200, 503)
		beat(page, 200, 200)
		assert.ok(beat(page, 200))
	}
	assert.ok(page.may())
})

test('pages ask if storage is forbidden or has invalid values', () => {
	const forbidden = createTicketRequests({ get sessionStorage() { throw new Error('forbidden') } })
	assert.ok(forbidden.may())
	beat(forbidden, 502)
	beat(forbidden, 502, 200)
	assert.ok(forbidden.may())
	const nonsense = tab()
	for (const text of ['null', '7', '"x"', '{"until":"soon","inVain":{}}', '{']) {
		nonsense.items['heartbeatd-tickets'] = text
		assert.ok(nonsense.open().may(), text)
	}
})
