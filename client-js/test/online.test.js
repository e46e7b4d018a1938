import assert from 'node:assert/strict'
import { test } from 'node:test'
import { listOnline } from '../src/online.js'

const entry = (user_id, second, more) => ({
	client_id: `user-${user_id}`, user_id, display_name: `User ${user_id}`, avatar_url: '', data: { screen: 'post', screen_label: 'Posts', title: 'x' }, date_gmt: `2026-01-01 00:00:0${second}`, ...more,
})
const user = (user_id, second, more) => ({
	user_id, display_name: `User ${user_id}`, avatar_url: '', screen: 'post', screen_label: 'Posts', date_gmt: `2026-01-01 00:00:0${second}`, idle: undefined, ...more,
})

test('the list is the one that heartbeatd would send, without entries of no user', () => {
	const entries = [entry(1, 1), entry(2, 3, { idle: true }), entry(3, 2, { data: {}, idle: false }), entry(4, 1, { data: { screen: '7' } }), entry(0, 2, {})]
	assert.deepEqual(listOnline(entries), [user(2, 3, { idle: true }), user(3, 2, { screen: '', screen_label: '', idle: false }), user(1, 1), user(4, 1, { screen: '7', screen_label: '' })])
})

test('a screen is text, as in the lists of heartbeatd and PHP', () => {
	// Frames have no other values than texts and numbers.
	for (const [screen, text] of [[7, '7'], [-1.5, '-1.5'], [0, '0'], ['7', '7'], [undefined, '']]) {
		assert.equal(listOnline([entry(1, 1, { data: { screen } })])[0].screen, text)
		assert.equal(listOnline([entry(1, 1, { data: { screen_label: screen } })])[0].screen_label, text)
	}
})
