import assert from 'node:assert/strict'
import { test } from 'node:test'
import { listOnline } from '../src/online.js'

const entry = (user_id, second, more) => ({
	client_id: `user-${user_id}`, user_id, display_name: `User ${user_id}`, avatar_url: '', data: { screen: 'post', screen_label: 'Posts', title: 'x' }, date_gmt: `2026-01-01 00:00:0${second}`, ...more,
})
const user = (user_id, second, more) => ({
	user_id, display_name: `User ${user_id}`, avatar_url: '', screen: 'post', screen_label: 'Posts', date_gmt: `2026-01-01 00:00:0${second}`, idle: undefined, ...more,
})

test('the list is the one that heartbeatd would send', () => {
	const entries = [entry(1, 1), entry(2, 3, { idle: true }), entry(3, 2, { data: null, idle: false }), entry(4, 1, { data: { screen: 7 } })]
	assert.deepEqual(listOnline(entries), [user(2, 3, { idle: true }), user(3, 2, { screen: '', screen_label: '', idle: false }), user(1, 1), user(4, 1, { screen: '7', screen_label: '' })])
})

test('data that no page of WordPress writes does not fail', () => {
	const hostile = { screen: { toString: 1 }, screen_label: ['x'] }
	const entries = [entry(1, 3, { data: hostile }), entry(0, 2, { data: { screen: 'front' } }), entry(2, 1, { data: { screen: 'x'.repeat(500), screen_label: true } })]
	assert.deepEqual(listOnline(entries), [user(1, 3, { screen: '', screen_label: '' }), user(2, 1, { screen: 'x'.repeat(191), screen_label: '' })], 'nor is an entry of no user in the list')
})
