// What callers of the newer versions of the Presence API use, on a live WordPress without that
// plugin: arguments, lifetimes, actions, the recording switch, the privacy tools.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '../../browser/harness.mjs'
import { addMuPlugin, claimsOf, withPlugin } from '../plugin.mjs'
import { logIn } from './person.mjs'

const route = '/wp-presence/v1/presence'

test('newer versions of the Presence API', { timeout: 600_000 }, async (t) => {
	await withPlugin(t, async ({ site, php }) => {
		const { admin, editor, author } = site.users
		const post = php(`return wp_insert_post(array('post_title' => 'Together', 'post_status' => 'publish', 'post_author' => ${editor.id}));`)
		const room = `postType/post:${post}`
		const names = (entries) => entries.map(({ client_id }) => client_id)
		const list = () => php(`return heartbeatd_presence_list_all(array());`)
		t.beforeEach(() => php(`foreach (heartbeatd_presence_list_all(array()) as $e) wp_remove_presence($e['room'], $e['client_id']); return 1;`))

		await t.test('arguments: arrays, and the older forms', () => {
			const all = ['gse-1', 'gse-2', 'older', 'other']
			const gse = ['gse-1', 'gse-2']
			const recent = ['gse-1', 'gse-2', 'other']
			const gets = {
				"'r'": all, "'r', array()": all, "'r', null": all, "'r', null, ''": all, "'r', array('timeout' => null)": all, "'r', array('timeout' => 60)": all, "'r', 60": all, "'r', 3600": all,
				"'r', array('client_prefix' => 'gse-')": gse, "'r', null, 'gse-'": gse, "'r', 30, 'gse-'": gse, "'r', array('timeout' => 30, 'client_prefix' => 'gse-')": gse,
				"'r', 30": recent, "'r', array('timeout' => 30)": recent, "'r', null, 'g_e-'": [],
			}
			// In one process: the entries are as old as they say.
			const [set, got, byPrefix, recentByPrefix] = php(`return array( array(
				wp_set_presence('r', 'gse-1', array('n' => 1), array('user_id' => ${editor.id})),
				wp_set_presence('r', 'gse-2', array('n' => 2), ${author.id}),
				wp_set_presence('r', 'other', array(), array('user_id' => ${editor.id}, 'expires_in' => 600)),
				wp_set_presence('r', 'older', array(), ${editor.id}, gmdate('Y-m-d H:i:s', time() - 40), 3600),
			), array( ${Object.keys(gets).map((args) => `wp_get_presence(${args})`).join(', ')} ), wp_get_presence_by_room_prefix('r'), wp_get_presence_by_room_prefix('r', 30) );`)
			assert.deepEqual(set, [true, true, true, true])
			Object.entries(gets).forEach(([args, ids], i) => assert.deepEqual(names(got[i]).sort(), ids, args))
			assert.deepEqual([names(byPrefix).sort(), byPrefix.at(-1).client_id, names(recentByPrefix).sort()], [all, 'older', recent], 'the newest first')
		})

		await t.test('entries of a given user, of no user and of the current user', async () => {
			const user = (code) => php(`${code}; return wp_get_presence('r')[0]->user_id;`)
			assert.equal(user(`wp_set_presence('r', 'cron', array('done' => 3))`), 0, 'nobody is logged in')
			assert.equal(user(`wp_set_current_user(${author.id}); wp_set_presence('r', 'cron', array('done' => 4), array('user_id' => 0))`), 0)
			assert.equal(user(`wp_set_current_user(${author.id}); wp_remove_presence('r', 'cron'); wp_set_presence('r', 'cron', array('done' => 4))`), author.id)

			php(`wp_set_presence('admin/online', 'import-1', array('screen' => 'import')); return wp_set_presence('${room}', 'import-1', array('done' => 3));`)
			const one = await logIn(site, 'editor')
			const read = await one.rest('GET', route, { room: 'admin/online' })
			const imported = read.body.find(({ client_id }) => client_id === 'import-1')
			assert.deepEqual({ ...imported, date_gmt: '' }, { room: 'admin/online', client_id: 'import-1', user_id: 0, display_name: '', avatar_url: '', data: { screen: 'import' }, date_gmt: '' })
			const tick = await one.beat({ 'presence-ping': { screen: 'dashboard' }, 'presence-active-posts-ping': true })
			assert.deepEqual([tick['presence-online'].map(({ user_id }) => user_id), tick['presence-active-posts']], [[one.id], []], 'nobody without a name is shown')
			const rooms = (await one.rest('GET', `${route}/rooms`)).body
			assert.deepEqual(rooms.map(({ room: name, user_count: count }) => [name, count]), [['admin/online', 1], [room, 0], ['r', 1]].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1)))
			assert.equal((await one.rest('DELETE', route, { room, client_id: 'import-1' })).status, 403)
			assert.equal(php(`return wp_remove_presence('${room}', 'import-1');`), true)
		})

		await t.test('errors', () => {
			const code = (args, id = 'c') => php(`$r = wp_set_presence('r', '${id}', array(), array('wp_error' => true, ${args})); return is_wp_error($r) ? $r->get_error_code() : $r;`)
			assert.equal(code(`'user_id' => ${editor.id}`), true)
			assert.equal(code(`'user_id' => ${author.id}`), 'presence_write_failed', 'it belongs to another user')
			assert.equal(code(`'user_id' => 999999`, 'd'), 'presence_write_failed')
			assert.equal(code(`'user_id' => 1`, '_lock'), 'presence_write_failed', 'a reserved id')
			for (const date of ['tomorrow', '2026-02-31 00:00:00', '2026-01-01', '']) assert.equal(code(`'date_gmt' => '${date}'`), 'presence_invalid_date_gmt', date)
			for (const life of ['0', '-1', "'x'", 'array()', '0.5']) assert.equal(code(`'expires_in' => ${life}`), 'presence_invalid_expires_in', life)
			assert.equal(php(`return wp_set_presence('r', 'x', array(), array('expires_in' => 0));`), false)
			assert.equal(php(`$r = wp_presence_exchange('r', 'x', array(), array('expires_in' => 0, 'wp_error' => true)); return $r->get_error_code();`), 'presence_invalid_expires_in')
			assert.deepEqual(names(php(`return wp_presence_exchange('r', 'x', array(), array('expires_in' => 0));`)), ['c'], 'the room all the same')
		})

		await t.test('entries have lifetimes of their own, in PHP, REST and ticks alike', async () => {
			const one = await logIn(site, 'editor')
			const online = `'admin/online'`
			const set = (id, args) => assert.equal(php(`return wp_set_presence(${online}, '${id}', array(), array('user_id' => ${id.split('-')[1]}, ${args}));`), true)
			const gone = php(`return array_map(fn ($n) => wp_insert_user(array('user_login' => "gone$n", 'user_pass' => 'x', 'role' => 'author')), array(1, 2, 3));`)
			set(`long-${gone[0]}`, `'expires_in' => 9999`)
			set(`short-${gone[1]}`, `'expires_in' => 25`)
			set(`past-${gone[2]}`, `'expires_in' => 10, 'date_gmt' => gmdate('Y-m-d H:i:s', time() - 20)`)
			const there = async () => {
				const data = { 'presence-ping': { screen: 'dashboard' } }
				const answers = [
					php(`return wp_get_presence(${online});`).map(({ user_id }) => user_id),
					(await one.rest('GET', route, { room: 'admin/online' })).body.map(({ user_id }) => user_id),
					// After a slow call to heartbeatd, ticks have no presence for a while.
					(await until('a tick with presence', async () => (await one.beat(data))['presence-online'], 60)).map(({ user_id }) => user_id),
				]
				return answers.map((ids) => gone.map((id) => ids.includes(id)))
			}
			const alike = (state) => [state, state, state]
			assert.deepEqual(await there(), alike([true, true, false]), 'the last one had expired')
			await until('the short one to expire', async () => (await there()).every(([, is]) => !is), 90)
			assert.deepEqual(await there(), alike([true, false, false]))
			const [{ expires_gmt: expires, date_gmt: date }] = list().filter(({ client_id }) => client_id === `long-${gone[0]}`)
			assert.equal((Date.parse(`${expires}Z`) - Date.parse(`${date}Z`)) / 1000, 3600, 'an hour is the limit')
			assert.equal(php(`add_filter('wp_presence_max_expires_in', fn () => 120); wp_set_presence('r', 'c', array(), 0, null, 3600); return strtotime(wp_get_presence_room_next_expiry(array('r'))['r'] . ' UTC') - time();`) <= 120, true)
			assert.equal(php(`wp_set_presence('r', 'd', array(), 0, gmdate('Y-m-d H:i:s', time() + 900)); return wp_get_presence('r', null, 'd')[0]->date_gmt <= gmdate('Y-m-d H:i:s');`), true, 'a later date becomes now')
		})

		await t.test('the TTL applies to what PHP writes, and an invalid TTL is reported', async () => {
			const one = await logIn(site, 'author')
			const life = (code) => php(`${code}; wp_set_presence('r', 'c', array(), ${editor.id}); $e = heartbeatd_presence_list_all(array('room' => 'r'))[0]; return isset($e['expires_gmt']) ? strtotime($e['expires_gmt']) - strtotime($e['date_gmt']) : null;`)
			assert.equal(life(''), null, 'the default of heartbeatd')
			assert.ok([300, 301].includes(life(`add_filter('wp_presence_default_ttl', fn () => 300)`)))
			for (const ttl of ['0', '-5', '3601', "'x'", 'null']) {
				const [notice, used] = php(`$said = array(); add_filter('doing_it_wrong_trigger_error', '__return_false'); add_action('doing_it_wrong_run', function ($f, $m) use (&$said) { $said[] = $m; }, 10, 2); add_filter('wp_presence_default_ttl', fn () => ${ttl}); wp_set_presence('r', 'c', array(), ${editor.id}); return array(implode(' ', $said), empty(heartbeatd_presence_list_all(array('room' => 'r'))[0]['expires_gmt']));`)
				assert.match(notice, /lifetime of presence entries: it must be a number of seconds from 1 to 3600\. Entries live for 60 seconds/, ttl)
				assert.equal(used, true, ttl)
			}
			addMuPlugin(site, 'ttl', `define('WP_PRESENCE_DEFAULT_TTL', 25);`)
			assert.equal(php(`return WP_PRESENCE_DEFAULT_TTL;`), 25)
			php(`return wp_set_presence('r', 'by-php', array(), ${editor.id});`)
			assert.equal((await one.rest('POST', route, { room: 'r', client_id: 'by-rest' })).status, 200)
			await one.beat({ 'presence-ping': { screen: 'dashboard' } })
			const ids = ['by-php', 'by-rest', `user-${one.id}`]
			const lifetimes = () => list().filter(({ client_id: id }) => ids.includes(id)).map(({ expires_gmt: expires, date_gmt: date }) => (Date.parse(`${expires}Z`) - Date.parse(`${date}Z`)) / 1000)
			await until('all three', () => lifetimes().filter((seconds) => [25, 26].includes(seconds)).length === 3)
				.catch((error) => assert.fail(`${error.message}: ${lifetimes()}`))
			await until('all three to expire', () => lifetimes().length === 0, 90)
			addMuPlugin(site, 'ttl', '')
		})

		await t.test('exchange, leave, parse, versions and the next expiry', () => {
			assert.deepEqual(names(php(`return wp_presence_exchange('r', 'a', array('n' => 1), ${editor.id});`)), ['a'])
			assert.deepEqual(names(php(`return wp_presence_exchange('r', 'b-1', array(), array('user_id' => ${author.id}, 'client_prefix' => 'b-', 'expires_in' => 600));`)), ['b-1'])
			const versions = () => php(`return wp_get_presence_room_versions(array('r', 'nobody'));`)
			const { r: first, nobody } = versions()
			assert.deepEqual([typeof first, nobody], ['string', null])
			php(`return wp_set_presence('r', 'a', array('n' => 1), ${editor.id});`)
			assert.equal(versions().r, first, 'a renewal changes nothing')
			php(`return wp_set_presence('r', 'a', array('n' => 2), ${editor.id});`)
			assert.notEqual(versions().r, first)
			const [expiry, seconds] = php(`wp_set_presence('r', 'a', array('n' => 2), ${editor.id}); $e = wp_get_presence_room_next_expiry(array('r', 'nobody')); return array($e, strtotime($e['r'] . ' UTC') - time());`)
			assert.equal(expiry.nobody, null)
			assert.ok(seconds > 50 && seconds <= 60, `${expiry.r}: ${seconds}`)
			assert.deepEqual(names(php(`return wp_presence_leave('r', 'a');`)), ['b-1'])
			assert.deepEqual(names(php(`return wp_presence_leave('r', 'b-1', array('client_prefix' => 'x'));`)), [])
			assert.deepEqual(php(`return array_map('wp_presence_parse_room', array('${room}', 'postType/wp_template:7', 'admin/online', 'postType/post:x', ''));`),
				[{ post_type: 'post', post_id: post }, { post_type: 'wp_template', post_id: 7 }, false, false, false])
			assert.deepEqual(php(`return array(wp_presence_is_available(), wp_presence_recording_enabled(), wp_presence_is_agent_user(1), wp_presence_feature_enabled('post-locks'), wp_presence_feature_enabled('admin-bar'), (function () { update_option('wp_presence_features', array('admin-bar' => false)); return wp_presence_feature_enabled('admin-bar'); })(), (function () { delete_option('wp_presence_features'); add_filter('wp_presence_feature_enabled', fn ($on, $key) => 'x' !== $key, 10, 2); return wp_presence_feature_enabled('x'); })(), (function () { add_filter('wp_presence_is_agent_user', '__return_true'); return wp_presence_is_agent_user(1); })());`), [true, true, false, false, true, false, false, true])
		})

		await t.test('actions', async () => {
			const fired = (code) => php(`$fired = array(); foreach (array('set_presence', 'removed_presence', 'removed_user_presence', 'wp_presence_admin_room_changed', 'wp_presence_collaboration_started', 'wp_presence_collaboration_ended', 'wp_presence_room_changed') as $a) add_action($a, function (...$args) use (&$fired, $a) { $fired[] = array($a, array_map(fn ($v) => is_array($v) && isset($v[0]->client_id) ? array_column($v, 'client_id') : $v, $args)); }, 10, 9); ${code}; return $fired;`)
			assert.deepEqual(fired(`wp_set_presence('r', 'c', array('n' => 1), ${editor.id}); wp_set_presence('r', '', array()); wp_remove_presence('r', 'c'); wp_remove_presence('r', 'c')`), [
				['set_presence', ['r', 'c', { n: 1 }, editor.id]], ['removed_presence', ['r', 'c']],
			])
			assert.deepEqual(fired(`wp_set_presence('admin/online', 'c', array()); wp_remove_presence('admin/online', 'c')`).map(([name]) => name),
				['set_presence', 'wp_presence_admin_room_changed', 'removed_presence', 'wp_presence_admin_room_changed'])
			assert.deepEqual(fired(`wp_remove_user_presence(${editor.id}); wp_set_presence('r', 'c', array(), ${editor.id}); wp_remove_user_presence(${editor.id})`).slice(1), [['removed_user_presence', [editor.id]], ['wp_presence_admin_room_changed', ['']]])
			const set = (id, user) => `wp_set_presence('${room}', '${id}', array(), ${user.id})`
			const together = fired([set('editor-1', admin), set('agent-9', author), set('editor-2', editor), set('editor-3', author), `wp_remove_presence('${room}', 'editor-3')`, `wp_remove_presence('${room}', 'editor-2')`].join('; ')).filter(([name]) => name.includes('collaboration'))
			assert.deepEqual(together.map(([name, [where, ids]]) => [name, where, ids.sort()]), [
				['wp_presence_collaboration_started', room, ['agent-9', 'editor-1', 'editor-2']],
				['wp_presence_collaboration_ended', room, ['agent-9', 'editor-1']],
			])
			const update = (fields) => fired(`wp_update_post(array('ID' => ${post}, ${fields}))`)
			assert.deepEqual(update(`'post_title' => 'New'`), [['wp_presence_room_changed', [room]]])
			assert.deepEqual(update(`'post_content' => 'words'`), [])
			assert.deepEqual(update(`'post_status' => 'draft'`), [['wp_presence_room_changed', [room]]])
			const empty = php(`return wp_insert_post(array('post_title' => 'Nobody', 'post_status' => 'publish'));`)
			assert.deepEqual(fired(`wp_update_post(array('ID' => ${empty}, 'post_title' => 'x'))`), [])
		})

		await t.test('the recording switch', async () => {
			const one = await logIn(site, 'editor')
			const ticket = async () => claimsOf((await one.rawBeat({})).headers.get('x-heartbeatd-ticket')).unrecorded
			const states = () => php(`$r = wp_set_presence('r', 'c', array(), array('wp_error' => true)); return array(wp_presence_recording_enabled(), wp_presence_is_available(), is_wp_error($r) ? $r->get_error_code() : $r, wp_set_presence('r', 'c', array()));`)
			const off = [false, false, 'presence_recording_disabled', false]
			const on = [true, true, true, true]
			assert.deepEqual([states(), await ticket()], [on, undefined])
			const revokes = php(`update_option('wp_presence_recording', '0'); return array_column(heartbeatd_queue(), 0);`)
			assert.deepEqual(revokes, ['/revoke'], 'open pages get new tickets')
			assert.deepEqual([states(), await ticket()], [off, true])
			const refused = await one.rest('POST', route, { room: 'r', client_id: 'mine' })
			assert.deepEqual([refused.status, refused.body.code], [501, 'rest_presence_recording_disabled'])
			php(`return wp_remove_user_presence(${one.id});`)
			const tick = await one.beat({ 'presence-ping': { screen: 'dashboard' } })
			assert.deepEqual(tick['presence-online'], [], 'a list, but no entry')
			await logIn(site, 'editor')
			php(`return update_option('wp_presence_recording', '1');`)
			await logIn(site, 'author') // writes an entry in the same way, after the response
			await until('the entry of another user', () => list().some(({ user_id }) => user_id === author.id))
			assert.deepEqual(list().filter(({ user_id }) => user_id === one.id), [])
			assert.deepEqual(states(), on)
			addMuPlugin(site, 'off', `add_filter('wp_presence_recording_enabled', fn ($on, $user) => $on && $user !== ${editor.id}, 10, 2);`)
			assert.deepEqual([await ticket(), php(`return array(wp_set_presence('r', 'e', array(), ${editor.id}), wp_set_presence('r', 'a', array(), ${author.id}));`)], [true, [false, true]], 'one user is not recorded')
			addMuPlugin(site, 'off', '')
			const revoked = (code) => php(`${code}; return array_map(fn ($call) => array($call[0], $call[1]['user'] ?? null), array_values(heartbeatd_queue()));`)
			const key = `${editor.id}, 'wp_presence_recording'`
			for (const code of [`add_user_meta(${key}, '0')`, `update_user_meta(${key}, '1')`, `update_user_meta(${key}, '0')`]) assert.deepEqual(revoked(code), [['/revoke', editor.id]], code)
			assert.deepEqual([await ticket(), php(`return array(wp_set_presence('r', 'e', array(), ${editor.id}), wp_set_presence('r', 'a', array(), ${author.id}), wp_set_presence('r', 'n', array(), 0));`)], [true, [false, true, true]], 'a user has chosen not to be recorded')
			assert.equal(php(`add_filter('wp_presence_recording_enabled', '__return_true'); return wp_set_presence('r', 'e', array(), ${editor.id});`), false, 'no filter overrides the choice')
			assert.deepEqual(php(`wp_set_current_user(${editor.id}); return array(wp_presence_recording_enabled(), wp_presence_is_available());`), [false, true])
			assert.deepEqual(revoked(`delete_user_meta(${key})`), [['/revoke', editor.id]])
			assert.equal(await ticket(), undefined)
			const field = async () => (await (await fetch(`${site.url}/wp-admin/profile.php`, { headers: { cookie: one.cookie } })).text()).includes('id="heartbeatd_recording"')
			assert.equal(await field(), true)
			php(`return update_option('wp_presence_recording', '0');`)
			assert.equal(await field(), false, 'nothing to choose')
			php(`return update_option('wp_presence_recording', '1');`)
		})

		await t.test('personal data: the exporter and the eraser', () => {
			php(`wp_set_presence('r', 'a', array('note' => '<b>x</b>'), ${editor.id}); return wp_set_presence('s', 'b', array(), ${author.id});`)
			const call = (what, email) => php(`$all = apply_filters('wp_privacy_personal_data_${what}s', array()); return call_user_func($all['presence-api']['callback'], '${email}', 1);`)
			const mail = php(`return get_userdata(${editor.id})->user_email;`)
			const { data, done } = call('exporter', mail)
			assert.deepEqual([done, data.length, data[0].group_id], [true, 1, 'presence-api'])
			assert.deepEqual(data[0].data.filter(({ name }) => name !== 'Last seen (UTC)').map(({ value }) => value), ['r', 'a', '{&quot;note&quot;:&quot;&lt;b&gt;x&lt;/b&gt;&quot;}'])
			assert.deepEqual(call('exporter', 'nobody@example.org').data, [])
			const erased = { items_removed: true, items_retained: false, messages: [], done: true }
			assert.deepEqual([call('eraser', mail), call('eraser', mail), call('eraser', 'nobody@example.org')], [erased, { ...erased, items_removed: false }, { ...erased, items_removed: false }])
			assert.deepEqual(list().map(({ client_id }) => client_id), ['b'])
		})
	})
})
