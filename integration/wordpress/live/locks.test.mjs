// Post locks as two users see them, in both editors, with core's client, on every transport, and
// with heartbeatd stopped: the results are the same.

import { test } from 'node:test'
import { TRANSPORTS, withLive } from './live.mjs'
import { locks } from './locks.mjs'

test('locks', { timeout: 400_000 }, async (t) => {
	await withLive(t, async ({ person, php, server }) => {
		// Each keeps their browser, and with it what it has cached.
		const anna = await person('editor')
		const ben = await person('admin')
		for (const editor of ['block', 'classic']) {
			for (const client of ['core', ...TRANSPORTS]) {
				await t.test(`${editor} editor, ${client}`, (t) => locks(t, { anna, ben, php, editor, client }))
			}
		}
		await server.stop('SIGKILL')
		for (const editor of ['block', 'classic']) {
			await t.test(`${editor} editor, heartbeatd stopped`, (t) => locks(t, { anna, ben, php, editor, client: 'any' }))
		}
	})
})
