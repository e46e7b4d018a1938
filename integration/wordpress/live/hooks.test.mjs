// A plugin that uses every documented hook, in PHP and in JavaScript, and does not know
// heartbeatd, gets the same data in the same order with every client as with core's.

import assert from 'node:assert/strict'
import { fileURLToPath } from 'node:url'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { test } from 'node:test'
import { addPlugin, claimsOf, nativeHandles } from '../plugin.mjs'
import { TRANSPORTS, beat, hasLink, linked, until, withLive } from './live.mjs'

const BEATS = 4
const INTERVAL = 3

test('plugins that use Heartbeat', { timeout: 300_000 }, async (t) => {
	await withLive(t, async ({ site, server, browser, php, person }) => {
		const parts = { site, browser, person }
		for (const name of ['every-hook', 'greedy']) addPlugin(site, fileURLToPath(new URL(`plugins/${name}`, import.meta.url)))
		activate(php, 'every-hook')
		await t.test('every hook in the admin gets the same data', async () => {
			const hooks = await compare(parts, ['core', ...TRANSPORTS], inTheAdmin)
			assert.deepEqual(hooks, ['check_ajax_referer', 'heartbeat_received', 'heartbeat_send', 'heartbeat_tick', 'wp_ajax_heartbeat', 'wp_doing_ajax', 'wp_refresh_nonces'])
		})
		await t.test('every hook of logged-out pages gets the same data', async () => {
			const hooks = await compare(parts, ['core', 'any'], loggedOut)
			assert.deepEqual(hooks, ['heartbeat_nopriv_received', 'heartbeat_nopriv_send', 'heartbeat_nopriv_tick', 'wp_doing_ajax'])
		})
		deactivate(php, 'every-hook')

		await t.test('a plugin that answers every beat gets every beat', () => greedy(php, person))

		await server.stop('SIGKILL')
		activate(php, 'every-hook')
		await t.test('every hook in the admin gets the same data, heartbeatd stopped', () => compare(parts, ['core', 'any'], inTheAdmin))
	})
})

const activate = (php, name) => php(`require_once ABSPATH . 'wp-admin/includes/plugin.php'; return activate_plugin('${name}/${name}.php');`)
const deactivate = (php, name) => php(`require_once ABSPATH . 'wp-admin/includes/plugin.php'; deactivate_plugins('${name}/${name}.php');`)

// compare runs play with each client, expects the result of the first one, and returns the names
// of the hooks.
async function compare(parts, clients, play) {
	const one = async (client) => {
		rmSync(logOf(parts.site, client), { force: true })
		const events = await play(parts, client)
		return { client, events, hooks: hooksOf(parts.site, client) }
	}
	// Two at a time: with more, an answer may take longer than the interval, and arrive after
	// the next beat.
	const played = []
	for (let i = 0; i < clients.length; i += 2) played.push(...await Promise.all(clients.slice(i, i + 2).map(one)))
	const [core, ...others] = played
	assert.equal(core.events.filter(([name]) => name === 'heartbeat-tick').length, BEATS)
	for (const { client, events, hooks } of others) {
		assert.deepEqual(events, core.events, `${client}: events`)
		assert.deepEqual(hooks, core.hooks, `${client}: hooks`)
	}
	return [...new Set(core.hooks.map(([hook]) => hook))].sort()
}

async function inTheAdmin({ person }, client) {
	const user = await person('editor', { client })
	const page = await user.open('/wp-admin/')
	assert.equal(await page.evaluate(() => wp.heartbeat.interval()), INTERVAL)
	await page.evaluate(() => {
		window.sentAt = []
		jQuery(document).on('heartbeat-send', () => window.sentAt.push(performance.now()))
	})
	const events = await eventsOf(page, client)
	await linked(page, client)
	// The beats have the plugin's interval.
	const times = await page.evaluate(() => window.sentAt)
	times.slice(1).forEach((time, i) => assert.ok(Math.abs(time - times[i] - 1000 * INTERVAL) < 1000, `${client}: sent at ${times}`))
	await user.close()
	return events
}

async function loggedOut({ site, browser }, client) {
	const context = await browser.newContext()
	await context.addCookies([{ name: 'live_client', value: client, url: site.url }])
	const page = await context.newPage()
	await page.goto(`${site.url}/`)
	const events = await eventsOf(page, client)
	await context.close()
	return events
}

// Returns the events of the first beats, and after them the answers to the plugin's other
// requests, which may arrive in between.
async function eventsOf(page, client) {
	const ticks = (notes) => notes.filter(([name]) => name === 'heartbeat.tick').length
	const notes = await until(`${client}: the beats`, async () => {
		const notes = await page.evaluate(() => window.everyHookNotes ?? [])
		return ticks(notes) >= BEATS && notes.some(([name]) => /bad/.test(name)) && notes
	}, 40)
	const isAnswer = ([name]) => name.startsWith('answer')
	const events = notes.filter((note) => !isAnswer(note))
	const end = events.findIndex((_, i) => ticks(events.slice(0, i + 1)) === BEATS) + 1
	return usual([...events.slice(0, end), ...notes.filter(isAnswer).sort()])
}

const logOf = (site, client) => `${site.dir}/wp-content/every-hook-${client}.log`

// Returns the calls of hooks in the first beats, and after them those in other requests.
function hooksOf(site, client) {
	assert.ok(existsSync(logOf(site, client)), client)
	const lines = readFileSync(logOf(site, client), 'utf8').trim().split('\n').map((line) => JSON.parse(line))
	const beats = lines.filter(([hook]) => /heartbeat|refresh_nonces/.test(hook))
	const ticks = beats.flatMap(([hook], i) => (/_tick$/.test(hook) ? [i] : []))
	const rest = lines.filter(([hook, action]) => hook === 'check_ajax_referer' || (hook === 'wp_doing_ajax' && action === 'every_hook'))
	return usual([...beats.slice(0, ticks[2] + 1), ...rest.sort((one, other) => String(one).localeCompare(String(other)))])
}

// usual replaces values that differ between pages, and leaves out presence.
function usual(value, key) {
	if (Array.isArray(value)) return value.map((item) => usual(item))
	if (value && typeof value === 'object') {
		return Object.fromEntries(Object.entries(value).filter(([name]) => !name.startsWith('presence-')).map(([name, item]) => [name, usual(item, name)]))
	}
	if (/nonce$/.test(key)) return 'a nonce'
	return key === 'server_time' ? 'a time' : value
}

// One callback on heartbeat_received that does not look at what was asked: PHP sees every
// beat for which core runs it. Those of a dashboard have no handles of core.
async function greedy(php, person) {
	php(`return wp_insert_post(array('post_title' => 'In the list', 'post_status' => 'publish'));`)
	const before = await person('admin', { client: 'websocket' })
	const page = await before.open('/wp-admin/')
	await linked(page, 'websocket')
	await beat(page)
	assert.deepEqual(await native(page), nativeHandles)
	await before.close()
	activate(php, 'greedy')
	for (const client of ['core', 'websocket', 'post']) {
		const user = await person('admin', { client })
		const page = await user.open('/wp-admin/edit.php')
		await linked(page, client)
		for (let i = 0; i < 3; i++) assert.ok((await beat(page)).greedy > 0, client)
		await page.goto(new URL('/wp-admin/', page.url()).href)
		await linked(page, client)
		for (let i = 0; i < 3; i++) assert.equal('greedy' in await beat(page), false, client)
		if (client === 'core') {
			await user.close()
			continue
		}
		assert.deepEqual(await native(page), nativeHandles.filter((handle) => handle.startsWith('presence-')), client)
		await page.goto(new URL('/wp-admin/options-general.php?page=heartbeatd', page.url()).href)
		assert.match(await page.innerText('#heartbeatd-report'), /PHP must see beats with handles of WordPress or of another plugin in which greedy_received in plugins\/greedy\/greedy\.php:7 on the hook heartbeat_received/)
		if (hasLink(client)) await linked(page, client)
		await user.close()
	}
	deactivate(php, 'greedy')
}

// Returns the native handles of the ticket of a page that is opened now. After a slow call to
// heartbeatd, tickets have none for a while.
const native = (page) => until('a ticket with native handles', async () => {
	await page.reload()
	return claimsOf(await page.evaluate(() => heartbeatSettings.heartbeatd.ticket)).native
}, 60)
