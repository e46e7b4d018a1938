// Sessions end and nonces expire while a page is open, with every client, and with heartbeatd
// stopped: then pages post, as they do without a link. Server-sent events tell a page of the end of its
// session as long-polls do.

import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'node:test'
import { TRANSPORTS, beat, hasLink, linked, newEditor, withLive } from './live.mjs'
import { loggedOut } from './login.mjs'

const constants = { AUTOSAVE_INTERVAL: '5' }

test('sessions and nonces', { timeout: 400_000, concurrency: 4 }, async (t) => {
	await withLive(t, async ({ site, server, person, php }) => {
		const play = (client) => t.test(`logged out elsewhere: ${client}`, (t) => loggedOut(t, { person, php, client, ...newEditor(site, php, `with-${client}`) }))
		await Promise.all(['core', 'websocket', 'longpoll'].map(play))
		await t.test('nonces are renewed in their second half, and expire', () => nonces(person))
		await server.stop('SIGKILL')
		await play('any')
	}, { constants })
})

// All clients run at the same time, and each half of a nonce's life ends for all of them at once.
const HALF = 10

async function nonces(person) {
	const pages = []
	for (const client of ['core', ...TRANSPORTS]) {
		// This screen gets no nudges. The dashboard gets them when posts are opened or closed.
		const page = await (await person('editor', { client, nonceLife: 2 * HALF })).open('/wp-admin/tools.php')
		pages.push({ client, page })
		await linked(page, client)
		await beat(page)
		await watch(page)
	}
	// A busy machine may be too slow for a half: then the test runs again.
	for (let attempt = 1; !(await playHalves(pages)); attempt++) {
		assert.ok(attempt < 5, 'in five attempts the machine was too slow for the beats of a half')
	}
	for (const { client, page } of pages) {
		await linked(page, client)
		await page.context().close()
	}
}

// playHalves beats in each half of a nonce's life. It returns false if a half ended before all
// pages had beaten in it: then the results are not valid.
async function playHalves(pages) {
	const refreshed = ['heartbeat_nonce', 'rest_nonce']
	const usual = { keys: ['server_time', 'wp-auth-check'], newNonce: false, expired: 0 }
	const all = () => Promise.all(pages.map(({ page }) => step(page)))
	const same = (steps, expected, what) => steps.forEach((step, i) => assert.deepEqual(step, expected, `${what}: ${pages[i].client}`))

	// From here on all nonces have the same age.
	await nextHalf()
	let now = half()
	await all()
	await all()
	for (const { client, page } of pages) await linked(page, client)
	const before = await posted(pages)
	const fresh = await all()
	const after = await posted(pages)
	if (half() !== now) return false
	same(fresh, usual, 'in its first half')
	assert.deepEqual(pages.map(({ client }, i) => [client, after[i] - before[i]]), pages.map(({ client }) => [client, hasLink(client) ? 0 : 1]))

	await nextHalf()
	now++
	const [old, renewed] = [await all(), await all()]
	if (half() !== now) return false
	same(old, { keys: [...refreshed, 'server_time', 'wp-auth-check'], newNonce: true, expired: 0 }, 'in its second half')
	same(renewed, usual, 'the new one')

	await nextHalf()
	await nextHalf()
	now += 2
	const [expired, next] = [await all(), await all()]
	if (half() !== now) return false
	same(expired, { keys: ['heartbeat_nonce', 'nonces_expired', 'rest_nonce'], newNonce: true, expired: 1 }, 'expired')
	same(next, usual, 'the next one')
	return true
}

// The last second belongs to the half that it ends.
const half = () => Math.floor((Date.now() - 1000) / (1000 * HALF))
const nextHalf = () => sleep(1000 * HALF - ((Date.now() - 1000) % (1000 * HALF)) + 200)

const watch = (page) => page.evaluate(() => {
	window.expired = 0
	window.posted = 0
	jQuery(document).on('heartbeat-nonces-expired', () => window.expired++)
	const send = XMLHttpRequest.prototype.send
	XMLHttpRequest.prototype.send = function (body) {
		if (/action=heartbeat/.test(body)) window.posted++
		return send.call(this, body)
	}
})

const posted = (pages) => Promise.all(pages.map(({ page }) => page.evaluate(() => window.posted)))

// Beats once, and returns what the tick had. Core removes the nonce from the tick.
async function step(page) {
	const nonce = () => page.evaluate(() => heartbeatSettings.nonce)
	const expired = () => page.evaluate(() => window.expired)
	const [nonceBefore, expiredBefore] = [await nonce(), await expired()]
	const answer = await page.evaluate(() => new Promise((done) => {
		jQuery(document).one('heartbeat-tick', (event, tick, status, jqXHR) => done(Object.keys(JSON.parse(jqXHR.responseText))))
		wp.heartbeat.connectNow()
	}))
	return {
		keys: answer.filter((key) => !key.startsWith('presence-')).sort(),
		newNonce: (await nonce()) !== nonceBefore,
		expired: (await expired()) - expiredBefore,
	}
}
