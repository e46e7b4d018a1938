// The little that must work in every browser, in WebKitGTK. Its pages of the classic editor
// hang with core's own script of that screen, so they are left out.

import { test } from 'node:test'
import { startWebKit } from '../../browser/webkit.mjs'
import { everyTransport, fallBackAndReturn, withoutWebSocket } from './essentials.mjs'
import { withLive } from './live.mjs'

test('WebKitGTK', { timeout: 300_000 }, async (t) => {
	await withLive(t, async (parts) => {
		await t.test('every transport carries beats, and people see each other', () => everyTransport(parts))
		await t.test('without a WebSocket a page long-polls, and returns', () => withoutWebSocket(parts))
		await t.test('heartbeatd ends and is back: beats go to PHP meanwhile', (t) => fallBackAndReturn(t, parts, ['websocket', 'longpoll']))
	}, { startBrowser: startWebKit })
})
