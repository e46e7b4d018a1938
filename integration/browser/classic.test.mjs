// The classic beat by POST: heartbeatd's demo site and a live WordPress answer with the same
// status, headers and bytes, except for times and nonces.

import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { withSite } from '../setup/use-site.mjs'
import { demoUser, startHeartbeatd, suite } from './harness.mjs'

const cases = {
	'a beat without data': { nonce: 'good' },
	'a beat with an unknown handle': { nonce: 'good', fields: { 'data[unknown-handle][a]': '1' } },
	'data that is no array': { nonce: 'good', fields: { data: 'text' } },
	'an odd screen id': { nonce: 'good', fields: { screen_id: 'Dash Board/ö' } },
	'a wrong nonce': { nonce: 'abcdef0123' },
	'a nonce of the wrong length': { nonce: 'abc' },
	'an empty nonce': { nonce: '' },
	'no nonce': {},
	'a nonce that is an array': { fields: { '_nonce[]': 'x' } },
	'logged out': { nonce: 'good', cookie: '' },
	'logged out, without a nonce': { cookie: '' },
	'logged out, with data': { cookie: '', fields: { 'data[unknown-handle]': '1' } },
	'a cookie that was tampered with': { nonce: 'good', cookie: (cookie) => cookie.replace(/.$/, (c) => (c === '0' ? '1' : '0')) },
	'a cookie that is not one': { nonce: 'good', cookie: (cookie) => cookie.replace(/=.*/, '=nonsense') },
	'an unknown action': { nonce: 'good', fields: { action: 'no-such-action' } },
	'an empty action': { nonce: 'good', fields: { action: '' } },
	'an action that is an array': { nonce: 'good', fields: { action: null, 'action[]': 'heartbeat' } },
	'the action in the query alone': { nonce: 'good', query: 'action=heartbeat', fields: { action: null } },
	'another action in the query': { nonce: 'good', query: 'action=no-such-action' },
	'the action in the query alone, logged out': { query: 'action=heartbeat', fields: { action: null }, cookie: '' },
	'an unknown action, logged out': { cookie: '', fields: { action: 'no-such-action' } },
	'an empty nonce, logged out': { cookie: '', nonce: '' },
	'a PUT': { method: 'PUT', nonce: 'good' },
	'a HEAD': { method: 'HEAD', query: 'action=heartbeat' },
	'no body': { body: '' },
	'a GET': { method: 'GET', query: 'action=heartbeat' },
	'a GET with the nonce': { method: 'GET', query: 'action=heartbeat&_nonce=good', nonce: 'good' },
	'a GET, logged out': { method: 'GET', query: 'action=heartbeat', cookie: '' },
	'a body that is not a form': { type: 'application/json', body: '{"action":"heartbeat"}' },
}

// Headers of the answer; the web server adds all others.
const WEB_SERVER = new Set(['server', 'date', 'connection', 'keep-alive', 'transfer-encoding', 'content-length', 'x-powered-by', 'content-encoding'])
// The header that heartbeatd adds, for pages with a link.
const OURS = 'x-heartbeatd-ticket'

function request(ajaxurl, user, { method = 'POST', query, nonce, cookie, fields, body, type = 'application/x-www-form-urlencoded; charset=UTF-8' }) {
	const form = { interval: '60', _nonce: nonce === 'good' ? user.nonce : nonce, action: 'heartbeat', screen_id: 'dashboard', has_focus: 'true', ...fields }
	const pairs = Object.entries(form).filter(([, value]) => value != null)
	return fetch(ajaxurl + (query ? `?${query.replace('_nonce=good', `_nonce=${user.nonce}`)}` : ''), {
		method,
		headers: { 'Content-Type': type, Cookie: cookieOf(user, cookie) },
		body: method === 'GET' || method === 'HEAD' ? undefined : (body ?? new URLSearchParams(pairs).toString()),
	})
}

// send returns the answer, with the values replaced that always differ.
async function send(ajaxurl, user, options) {
	const answer = await request(ajaxurl, user, options)
	const headers = [...answer.headers].filter(([name]) => !WEB_SERVER.has(name) && name !== OURS).map((pair) => pair.join(': ')).sort()
	return { status: answer.status, headers, body: comparable(await answer.text()) }
}

function cookieOf(user, cookie) {
	return typeof cookie === 'function' ? cookie(user.cookie) : (cookie ?? user.cookie)
}

function comparable(body) {
	return body.replace(/("server_time":)\d+/, '$1TIME').replace(/(_nonce":)"[0-9a-f]{10}"/g, '$1"NONCE"')
}

// wordpressUser logs in and reads the nonce from an admin page.
async function wordpressUser(site, { login, password }) {
	const form = new URLSearchParams({ log: login, pwd: password, testcookie: '1' })
	const answer = await fetch(`${site.url}/wp-login.php`, {
		method: 'POST', redirect: 'manual', body: form, headers: { Cookie: 'wordpress_test_cookie=WP%20Cookie%20check' },
	})
	const cookie = answer.headers.getSetCookie().map((line) => line.split(';')[0]).filter((line) => !line.endsWith('= ')).join('; ')
	const page = await (await fetch(`${site.url}/wp-admin/index.php`, { headers: { Cookie: cookie } })).text()
	const nonce = page.match(/heartbeatSettings = \{"nonce":"([0-9a-f]{10})"/)[1]
	return { nonce, cookie: cookie.split('; ').find((one) => one.startsWith('wordpress_logged_in_')) }
}

describe('the classic beat', () => {
	let server, alice, bob
	const wordpress = {}

	const t = suite()
	before(async () => {
		server = await startHeartbeatd(t)
		alice = await demoUser(server, 1)
		bob = await demoUser(server, 2)
		await withSite(async (site) => {
			const user = await wordpressUser(site, site.users.editor)
			for (const [name, beat] of Object.entries(cases)) {
				wordpress[name] = await send(`${site.url}/wp-admin/admin-ajax.php`, user, beat)
			}
		})
	})

	const beat = (user, options) => send(`${server.url}/wp-admin/admin-ajax.php`, user, options)
	const ping = { nonce: 'good', fields: { 'data[presence-ping][screen]': 'dashboard' } }

	for (const [name, options] of Object.entries(cases)) {
		test(`${name}: the answer is WordPress's`, async () => {
			assert.deepEqual(await beat(alice, options), wordpress[name])
		})
	}

	test('a presence ping gets who is online, with the fields of the Presence API', async () => {
		const started = Math.floor(Date.now() / 1000)
		const answer = await raw(alice, ping)
		const tick = JSON.parse(answer)
		assert.deepEqual(Object.keys(tick), ['presence-online', 'wp-auth-check', 'server_time'])
		assert.equal(tick['wp-auth-check'], true)
		assert.ok(tick.server_time >= started && tick.server_time <= Date.now() / 1000)
		const [entry, ...others] = tick['presence-online']
		assert.deepEqual(others, [])
		assert.deepEqual(Object.keys(entry), ['user_id', 'display_name', 'avatar_url', 'screen', 'screen_label', 'date_gmt'])
		assert.equal(entry.user_id, 1)
		assert.equal(entry.screen, 'dashboard')
		assert.match(entry.date_gmt, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/)
		assert.doesNotMatch(answer, /[^\\]\//, 'PHP escapes every slash')
		assert.match(answer, /^[\x20-\x7e]*$/, 'PHP escapes everything beyond ASCII')
	})

	test('a second user is in the first one\'s next tick', async () => {
		await raw(bob, ping)
		const online = JSON.parse(await raw(alice, ping))['presence-online']
		assert.deepEqual(online.map((entry) => entry.user_id).sort(), [1, 2])
	})

	test('the new nonce in the answer to a refused beat is valid', async () => {
		const refused = JSON.parse(await raw(alice, { nonce: 'abcdef0123' }))
		assert.equal(refused.nonces_expired, true)
		assert.ok(!('server_time' in refused))
		const renewed = JSON.parse(await raw({ ...alice, nonce: refused.heartbeat_nonce }, { nonce: 'good' }))
		assert.equal(renewed['wp-auth-check'], true)
	})

	test('one user\'s nonce is refused with another\'s cookie', async () => {
		const tick = JSON.parse(await raw({ ...alice, cookie: bob.cookie }, { nonce: 'good' }))
		assert.equal(tick.nonces_expired, true)
	})

	// raw is the unchanged body.
	async function raw(user, options) {
		const answer = await request(`${server.url}/wp-admin/admin-ajax.php`, user, options)
		assert.equal(answer.status, 200)
		return answer.text()
	}
})
