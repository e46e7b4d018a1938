// Prints how long it takes until another user sees a change, with a stand-in of the Presence API
// plugin alone and beside heartbeatd:
//
//	node --test integration/wordpress/presence/standins/table.mjs
//	HEARTBEATD_VERSIONS='0.17 0.18' HEARTBEATD_MODES=beside node --test integration/wordpress/presence/standins/table.mjs

import { test } from 'node:test'
import { measure, table } from './measure.mjs'
import { VERSIONS, withStandIn } from './standins.mjs'

const versions = process.env.HEARTBEATD_VERSIONS?.split(' ') ?? VERSIONS
const modes = process.env.HEARTBEATD_MODES?.split(' ') ?? ['alone', 'beside']

test('what another user sees', async (t) => {
	const columns = {}
	for (const version of versions) {
		for (const mode of modes) {
			await withStandIn(t, version, async (parts) => {
				columns[`${version} ${mode}`] = await measure(parts)
			}, { alone: mode === 'alone' })
		}
	}
	console.log(table(columns))
})
