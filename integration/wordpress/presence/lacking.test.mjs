// heartbeatd beside versions of the Presence API plugin that lack some of their capabilities or
// functions.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withPlugin } from '../plugin.mjs'
import { addStandIn } from './standins/standins.mjs'

test('versions of the Presence API plugin that lack parts', { timeout: 300_000 }, async (t) => {
	await withPlugin(t, async ({ site, php }) => {
		addStandIn({ site, php }, '0.17')
		const { admin, author } = site.users

		await t.test('without the capability to see where others are, everybody sees it', () => {
			const claims = (before) => php(`${before}
				return array_map(function ($user) { wp_set_current_user($user); return heartbeatd_push_transport_claims('dashboard')['no_locations'] ?? null; }, array(${admin.id}, ${author.id}));`)
			assert.deepEqual(claims(''), [null, true])
			assert.deepEqual(claims(`remove_filter('map_meta_cap', 'stand_in_map_location', 10);`), [null, null])
		})
	})
})
