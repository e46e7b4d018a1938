// What the other tests of this folder show in Chromium, the essential part of it, in
// Firefox: one site and one browser for all.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startFirefox } from '../../browser/harness.mjs'
import { TRANSPORTS, hasLink, linked, newEditor, since, until, withLive } from './live.mjs'
import { locks } from './locks.mjs'
import { loggedOut } from './login.mjs'

const constants = { AUTOSAVE_INTERVAL: '5' }

test('Firefox', { timeout: 400_000 }, async (t) => {
	await withLive(t, async (parts) => {
		const { site, php, person } = parts
		await t.test('every transport carries beats, and people see each other', () => everyTransport(parts))
		const [anna, ben] = [await person('editor'), await person('admin')]
		for (const [editor, client] of [['block', 'websocket'], ['classic', 'longpoll']]) {
			await t.test(`locks: ${editor} editor, ${client}`, (t) => locks(t, { anna, ben, php, editor, client }))
		}
		await t.test('the log-in dialog', (t) => loggedOut(t, { person, php, client: 'websocket', ...newEditor(site, php, 'corinna') }))
		// The last one: PHP's calls to heartbeatd pause after it.
		await t.test('heartbeatd ends and is back: beats go to PHP meanwhile', (t) => fallBackAndReturn(t, parts))
	}, { constants, startBrowser: startFirefox })
})

async function everyTransport({ site, php, person }) {
	const pages = {}
	for (const client of TRANSPORTS) {
		const { login } = newEditor(site, php, `by-${client}`)
		pages[client] = await (await person(login, { client })).open('/wp-admin/')
		await linked(pages[client], client)
		await answered(pages[client])
	}
	for (const [client, page] of Object.entries(pages)) {
		assert.equal((await answered(page)).byPHP, !hasLink(client), client)
		await until(`everybody on the page by ${client}`, async () => {
			if (!hasLink(client)) await answered(page)
			return page.evaluate((names) => names.every((name) => document.querySelector('#heartbeatd-who').innerText.includes(name)), TRANSPORTS.map((name) => `by-${name}`))
		})
	}
	await Promise.all(Object.values(pages).map((page) => page.context().close()))
}

async function fallBackAndReturn(t, { server, php, person }) {
	const pages = {}
	for (const client of ['websocket', 'longpoll']) {
		pages[client] = await (await person('editor', { client })).open('/wp-admin/')
		await linked(pages[client], client)
		await answered(pages[client])
	}
	await server.stop('SIGKILL')
	for (const [client, page] of Object.entries(pages)) {
		const { byPHP, errors } = await answered(page)
		assert.deepEqual([byPHP, errors], [true, 0], client)
	}
	await server.restart()
	const back = since()
	// PHP has seen that heartbeatd was down, and would see every beat for half a minute.
	php(`update_option('heartbeatd_failures', array()); return 1;`)
	for (const [client, page] of Object.entries(pages)) {
		await linked(page, client)
		t.diagnostic(`${client} again after ${back()} ms`)
		const { errors } = await until(`beats over ${client} again`, async () => {
			const tick = await answered(page)
			return !tick.byPHP && tick
		})
		assert.equal(errors, 0, client)
		await page.context().close()
	}
}

// answered has a page beat, and tells who answered: over a link no web server's header
// comes with a tick. errors are what the page heard of from its first such beat on.
const answered = (page) => page.evaluate(() => new Promise((done) => {
	if (window.errors === undefined) {
		window.errors = 0
		jQuery(document).on('heartbeat-error heartbeat-connection-lost', () => window.errors++)
	}
	jQuery(document).one('heartbeat-tick', (event, tick, status, jqXHR) => done({ byPHP: Boolean(jqXHR.getResponseHeader('X-Content-Type-Options')), errors: window.errors }))
	wp.heartbeat.connectNow()
}))
