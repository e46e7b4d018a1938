// The essential tests of this folder in Firefox, with one site and one browser.

import { test } from 'node:test'
import { startFirefox } from '../../browser/harness.mjs'
import { keepsPage } from './bfcache.mjs'
import { everyTransport, fallBackAndReturn, withoutWebSocket } from './essentials.mjs'
import { newEditor, withLive } from './live.mjs'
import { locks } from './locks.mjs'
import { loggedOut } from './login.mjs'

const constants = { AUTOSAVE_INTERVAL: '5' }

test('Firefox', { timeout: 500_000 }, async (t) => {
	await withLive(t, async (parts) => {
		const { site, php, person } = parts
		await t.test('beats go over every transport, and users see each other', () => everyTransport(parts))
		await t.test('a page without a WebSocket long-polls, and returns to it', () => withoutWebSocket(parts))
		const [anna, ben] = [await person('editor'), await person('admin')]
		for (const [editor, client] of [['block', 'websocket'], ['classic', 'longpoll']]) {
			await t.test(`locks: ${editor} editor, ${client}`, (t) => locks(t, { anna, ben, php, editor, client }))
		}
		await t.test('the back/forward cache: websocket, in all ways', () => keepsPage(parts, 'websocket'))
		for (const client of ['core', 'events', 'longpoll']) {
			await t.test(`the back/forward cache: ${client}`, () => keepsPage(parts, client, ['a link of the menu']))
		}
		await t.test('the log-in dialog', (t) => loggedOut(t, { person, php, client: 'websocket', ...newEditor(site, php, 'corinna') }))
		// This is the last one: PHP's calls to heartbeatd pause after it.
		await t.test('beats go to PHP while heartbeatd is down, and over the link afterwards', (t) => fallBackAndReturn(t, parts))
	}, { constants, startBrowser: startFirefox })
})
