// heartbeatd beside versions of the Presence API plugin that lack some of their functions or
// capabilities.

import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { withPlugin } from '../plugin.mjs'
import { logIn } from './person.mjs'
import { addStandIn } from './standins/standins.mjs'

test('versions of the Presence API plugin that lack parts', { timeout: 300_000 }, async (t) => {
	await withPlugin(t, async ({ site, php, ask }) => {
		addStandIn({ site, php }, '0.17')
		const { admin, author } = site.users

		await t.test('without the capability to see where others are, everybody sees it', () => {
			const claims = (before) => php(`${before}
				return array_map(function ($user) { wp_set_current_user($user); return heartbeatd_push_transport_claims('dashboard')['no_locations'] ?? null; }, array(${admin.id}, ${author.id}));`)
			assert.deepEqual(claims(''), [null, true])
			assert.deepEqual(claims(`remove_filter('map_meta_cap', 'stand_in_map_location', 10);`), [null, null])
		})

		await t.test('with a recording switch, that plugin respects the choice of a user', async () => {
			const one = await logIn(site, 'author')
			const profile = async () => (await fetch(`${site.url}/wp-admin/profile.php`, { headers: { cookie: one.cookie } })).text()
			const isChecked = async () => /id="heartbeatd_recording" value="1"\s+checked/.test(await profile())
			const records = () => php(`wp_set_current_user(${author.id}); return array(wp_set_presence('r', 'c', array(), array('user_id' => ${author.id})), heartbeatd_presence_is_recording());`)
			assert.deepEqual([await isChecked(), records()], [true, [true, true]])
			php(`return update_user_meta(${author.id}, 'wp_presence_recording', '0');`)
			assert.match(await profile(), /id="heartbeatd_recording"/, 'the user can choose again')
			assert.deepEqual([await isChecked(), records()], [false, [false, false]])
			assert.equal(php(`wp_set_current_user(${admin.id}); return wp_presence_recording_enabled();`), true)
			php(`delete_user_meta(${author.id}, 'wp_presence_recording'); return wp_remove_user_presence(${author.id});`)
		})

		await t.test('without the function for the rows of all rooms, the removal of a user\'s rows reports each of the rooms', async () => {
			for (const file of ['functions', 'surfaces']) {
				const path = `${site.dir}/wp-content/plugins/stand-in-fragments/${file}.php`
				writeFileSync(path, readFileSync(path, 'utf8').replaceAll('wp_get_presence_by_room_prefix', 'stand_in_by_room_prefix'))
			}
			const rooms = await ask(`
				foreach (array('shop/orders', 'shop/returns') as $room) wp_set_presence($room, 'agent-1', array(), array('user_id' => ${author.id}));
				wp_set_presence('shop/others', 'agent-2', array(), array('user_id' => ${admin.id}));
				$told = array();
				add_filter('pre_http_request', function ($r, $args, $url) use (&$told) { if (strpos($url, '/presence/changed')) $told[] = array_column(json_decode($args['body'], true)['rooms'], 'room'); return $r; }, 10, 3);
				heartbeatd_report_changed_rooms(); heartbeatd_flush(); $told = array();
				wp_remove_user_presence(${author.id});
				heartbeatd_report_changed_rooms(); heartbeatd_flush();
				return array_merge(...$told);`)
			assert.deepEqual([...new Set(rooms)].sort(), ['admin/online', 'shop/orders', 'shop/returns'])
		})
	})
})
