// Log-ins and nonces that end while a page is open, with every client, and with
// heartbeatd stopped.

import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'node:test'
import { TRANSPORTS, beat, hasLink, linked, newEditor, withLive } from './live.mjs'
import { loggedOut } from './login.mjs'

const constants = { AUTOSAVE_INTERVAL: '5' }

test('sessions and nonces', { timeout: 400_000, concurrency: 4 }, async (t) => {
	await withLive(t, async ({ site, server, person, php }) => {
		const play = (client) => t.test(`logged out elsewhere: ${client}`, (t) => loggedOut(t, { person, php, client, ...newEditor(site, php, `with-${client}`) }))
		await Promise.all(['core', ...TRANSPORTS].map(play))
		await t.test('nonces grow old and expire', () => nonces(person))
		await server.stop('SIGKILL')
		await play('any')
	}, { constants })
})

// All clients side by side: each half of a nonce's life ends for all at once.
const HALF = 10

async function nonces(person) {
	const pages = []
	for (const client of ['core', ...TRANSPORTS]) {
		// A page that nobody nudges, as the dashboard is when posts are opened or closed.
		const page = await (await person('editor', { client, nonceLife: 2 * HALF })).open('/wp-admin/tools.php')
		pages.push({ client, page })
		await linked(page, client)
		await beat(page)
		await watch(page)
	}
	// A machine that is busy elsewhere can be too slow for a half: then it is played again.
	for (let attempt = 1; !(await playHalves(pages)); attempt++) {
		assert.ok(attempt < 5, 'five times the machine was too slow to beat thrice in a half')
	}
	for (const { client, page } of pages) {
		await linked(page, client)
		await page.context().close()
	}
}

// playHalves beats through the halves of a nonce's life, and returns false when a
// half was over before all had beaten in it: what they saw then says nothing.
async function playHalves(pages) {
	const refreshed = ['heartbeat_nonce', 'rest_nonce']
	const usual = { keys: ['server_time', 'wp-auth-check'], newNonce: false, expired: 0 }
	const all = () => Promise.all(pages.map(({ page }) => step(page)))
	const same = (steps, expected, what) => steps.forEach((step, i) => assert.deepEqual(step, expected, `${what}: ${pages[i].client}`))

	// From here on everybody's nonce is as old as everybody else's.
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

// The second that ends a half belongs to it.
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

// One beat, and what it brought. Core takes the nonce out of the tick.
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
