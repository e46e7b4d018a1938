// The essential tests in WebKitGTK. In it the classic editor hangs with core's script, so it is
// left out.

import { test } from 'node:test'
import { startWebKit } from '../../browser/webkit.mjs'
import { everyTransport, fallBackAndReturn, withoutWebSocket } from './essentials.mjs'
import { withLive } from './live.mjs'

test('WebKitGTK', { timeout: 300_000 }, async (t) => {
	await withLive(t, async (parts) => {
		await t.test('beats go over every transport, and users see each other', () => everyTransport(parts))
		await t.test('a page without a WebSocket long-polls, and returns to it', () => withoutWebSocket(parts))
		await t.test('beats go to PHP while heartbeatd is down, and over the link afterwards', (t) => fallBackAndReturn(t, parts))
	}, { startBrowser: startWebKit })
})
