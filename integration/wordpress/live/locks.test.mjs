// Post locks as two users see them, in both editors, with core's client, on every transport, and
// with heartbeatd stopped: the results are the same.

import { test } from 'node:test'
import { TRANSPORTS, withLive } from './live.mjs'
import { locks } from './locks.mjs'

test('locks', { timeout: 400_000, concurrency: 2 }, async (t) => {
	await withLive(t, async ({ person, php, ask, server }) => {
		// Both editors run at the same time: the scenarios mostly wait. Each user keeps the
		// browser profile, so files stay cached.
		const editors = []
		for (const editor of ['block', 'classic']) editors.push({ editor, anna: await person('editor'), ben: await person('admin') })
		const inBoth = (play) => Promise.all(editors.map(play))
		await inBoth(async (parts) => {
			for (const client of ['core', ...TRANSPORTS]) {
				await t.test(`${parts.editor} editor, ${client}`, (t) => locks(t, { ...parts, php, ask, client }))
			}
		})
		await server.stop('SIGKILL')
		await inBoth((parts) => t.test(`${parts.editor} editor, heartbeatd stopped`, (t) => locks(t, { ...parts, php, ask, client: 'any' })))
	})
})
