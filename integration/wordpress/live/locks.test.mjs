// Post locks as two users see them, in both editors, with core's client, on every transport, and
// with heartbeatd stopped: the results are the same. The editors do not know the transport, so each
// transport is used with one of them.

import { test } from 'node:test'
import { withLive } from './live.mjs'
import { locks } from './locks.mjs'

const CLIENTS = { block: ['core', 'websocket', 'post'], classic: ['core', 'events', 'longpoll'] }

test('locks', { timeout: 400_000 }, async (t) => {
	await withLive(t, async ({ person, php, server }) => {
		// Each keeps their browser, and with it what it has cached.
		const anna = await person('editor')
		const ben = await person('admin')
		for (const [editor, clients] of Object.entries(CLIENTS)) {
			for (const client of clients) {
				await t.test(`${editor} editor, ${client}`, (t) => locks(t, { anna, ben, php, editor, client }))
			}
		}
		await server.stop('SIGKILL')
		await t.test('classic editor, heartbeatd stopped', (t) => locks(t, { anna, ben, php, editor: 'classic', client: 'any' }))
	})
})
