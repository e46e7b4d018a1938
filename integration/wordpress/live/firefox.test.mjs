// What the other tests of this folder show in Chromium, the essential part of it, in
// Firefox: one site and one browser for all.

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
		await t.test('every transport carries beats, and people see each other', () => everyTransport(parts))
		await t.test('without a WebSocket a page long-polls, and returns', () => withoutWebSocket(parts))
		const [anna, ben] = [await person('editor'), await person('admin')]
		for (const [editor, client] of [['block', 'websocket'], ['classic', 'longpoll']]) {
			await t.test(`locks: ${editor} editor, ${client}`, (t) => locks(t, { anna, ben, php, editor, client }))
		}
		for (const client of ['core', 'websocket', 'longpoll']) {
			await t.test(`the back/forward cache: ${client}`, () => keepsPage(parts, client))
		}
		await t.test('the log-in dialog', (t) => loggedOut(t, { person, php, client: 'websocket', ...newEditor(site, php, 'corinna') }))
		// The last one: PHP's calls to heartbeatd pause after it.
		await t.test('heartbeatd ends and is back: beats go to PHP meanwhile', (t) => fallBackAndReturn(t, parts))
	}, { constants, startBrowser: startFirefox })
})
