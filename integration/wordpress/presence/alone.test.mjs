// The Presence API that the plugin provides if no other plugin does: the PHP functions, the REST
// routes and the commands, on a live WordPress.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '../../browser/harness.mjs'
import { addMuPlugin, withPlugin } from '../plugin.mjs'
import { logIn, rest } from './person.mjs'

const route = '/wp-presence/v1/presence'
const date = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/

test('the Presence API without the Presence API plugin', { timeout: 600_000 }, async (t) => {
	await withPlugin(t, async ({ site, server, php }) => {
		const { admin, editor, author } = site.users
		const post = php(`return wp_insert_post(array('post_title' => 'Together', 'post_status' => 'publish', 'post_author' => ${editor.id}));`)
		t.beforeEach(() => php(`return array_map('wp_remove_user_presence', array(${Object.values(site.users).map(({ id }) => id)}));`))
		const reset = () => php(`update_option('heartbeatd_failures', array()); return 1;`)

		await t.test('rooms, and who may access them', () => {
			assert.equal(php('return wp_presence_admin_room();'), 'admin/online')
			assert.equal(php('return WP_PRESENCE_DEFAULT_TTL;'), 60)
			assert.deepEqual(php(`return array(wp_presence_post_room(${post}), wp_presence_post_room(get_post(${post})), wp_presence_post_room(999999));`), [`postType/post:${post}`, `postType/post:${post}`, false])
			assert.equal(php(`register_post_type('plain'); return wp_presence_post_room(wp_insert_post(array('post_type' => 'plain', 'post_title' => 'x')));`), false)
			assert.match(php(`register_post_type('together', array('supports' => array('title', 'presence'))); return wp_presence_post_room(wp_insert_post(array('post_type' => 'together', 'post_title' => 'x')));`), /^postType\/together:\d+$/)
			const may = (room, user) => php(`return wp_can_access_presence_room('${room}', ${user.id});`)
			for (const [room, allowed] of Object.entries({ 'admin/online': [admin, editor, author], [`postType/post:${post}`]: [admin, editor], 'any/room': [admin, editor, author], 'postType/wp_template:theme//home': [admin, editor, author], 'postType/post': [admin, editor, author], 'postType/post:999999': [], [`postType/page:${post}`]: [], [`postType/post:0${post}`]: [] })) {
				assert.deepEqual(Object.values(site.users).filter((user) => may(room, user)), allowed, room)
			}
			assert.equal(php(`return wp_can_access_presence_room('admin/online');`), false, 'nobody is logged in')
			assert.equal(php(`wp_set_current_user(${author.id}); return wp_can_access_presence_room('admin/online');`), true)
		})

		await t.test('entries are written, read, renewed and removed', () => {
			const set = (room, client, user, data = "array('screen' => 'import', 'list' => array(1, 2))") => php(`return wp_set_presence(${q(room)}, ${q(client)}, ${data}, ${user.id});`)
			const get = (room, more = '') => php(`return wp_get_presence(${q(room)}${more});`)
			assert.deepEqual(get('admin/online'), [])
			assert.equal(set('admin/online', 'user-9', editor), true)
			const [entry] = get('admin/online')
			assert.match(entry.date_gmt, date)
			assert.deepEqual(entry, { room: 'admin/online', client_id: 'user-9', user_id: editor.id, data: { screen: 'import', list: [1, 2] }, date_gmt: entry.date_gmt })
			assert.equal(php(`$e = wp_get_presence('admin/online'); return is_object($e[0]) && is_array($e[0]->data);`), true)
			assert.equal(set('admin/online', 'user-9', admin), false, 'it is somebody else\'s')
			assert.equal(get('admin/online')[0].user_id, editor.id)
			assert.equal(set('admin/online', 'user-9', editor, 'array()'), true)
			assert.deepEqual(get('admin/online')[0].data, [])
			assert.equal(php(`wp_set_current_user(${author.id}); wp_set_presence('admin/online', 'mine', array()); return wp_get_presence('admin/online');`).find(({ client_id }) => client_id === 'mine').user_id, author.id)
			assert.equal(get('admin/online', ', 0').length, 0, 'a shorter time-out looks at the date')
			assert.equal(get('admin/online', ', 3600').length, 2)

			assert.equal(php(`return wp_remove_presence('admin/online', 'user-9');`), true)
			assert.equal(php(`return wp_remove_presence('admin/online', 'user-9');`), true, 'a missing one is fine')
			set('a', 'x', author), set('b', 'x', author), set('b', 'y', editor)
			assert.equal(php(`return wp_remove_user_presence(${author.id});`), true)
			assert.deepEqual([get('a'), get('b').length, get('admin/online')], [[], 1, []])
		})

		await t.test('a request reads a room once, and again after it writes', () => {
			const count = `$n = 0; add_filter('pre_http_request', function ($x) use (&$n) { $n++; return $x; });`
			assert.equal(php(`${count} wp_get_presence('r'); wp_get_presence('r'); wp_get_presence('r', 10); return $n;`), 1)
			assert.deepEqual(php(`${count} wp_get_presence('r'); wp_set_presence('r', 'c', array(), ${editor.id}); return array(count(wp_get_presence('r')), $n);`), [1, 3])
			assert.equal(php(`${count} wp_set_presence('', 'c', array(), 1); wp_set_presence('r', '_c', array(), 1); wp_set_presence('r', 'c', array(), 999999); wp_get_presence(''); return $n;`), 0, 'nonsense asks nobody')
		})

		await t.test('REST: an entry is set, listed in pages, and deleted', async () => {
			const [one, other, chief] = [await logIn(site, 'editor'), await logIn(site, 'author'), await logIn(site, 'admin')]
			const set = await one.rest('POST', route, { room: 'r/1', client_id: 'tab', data: { screen: '<b>x</b>', n: 1, deep: { a: [true, null] } } })
			assert.equal(set.status, 200)
			assert.match(set.body.date_gmt, date)
			assert.deepEqual(set.body, { room: 'r/1', client_id: 'tab', user_id: one.id, display_name: 'Editor', avatar_url: set.body.avatar_url, data: { screen: '<b>x</b>', n: 1, deep: { a: [true, null] } }, date_gmt: set.body.date_gmt })
			const list = await other.rest('GET', route, { room: 'r/1' })
			assert.deepEqual([list.status, list.body, list.headers.get('x-wp-total'), list.headers.get('x-wp-totalpages')], [200, [set.body], '1', '1'])
			assert.match(list.headers.get('cache-control'), /no-store/)
			assert.deepEqual((await one.rest('POST', route, { room: 'r/1', client_id: 'bare' })).body.data, {})

			const taken = await other.rest('POST', route, { room: 'r/1', client_id: 'tab' })
			assert.deepEqual([taken.status, taken.body.code, taken.body.data.status], [409, 'rest_presence_client_id_conflict', 409])
			const named = await other.rest('POST', route, { room: 'r/1', client_id: `user-${one.id}` })
			assert.deepEqual([named.status, named.body.code], [409, 'rest_presence_client_id_conflict'])
			const foreign = await other.rest('DELETE', route, { room: 'r/1', client_id: 'tab' })
			assert.deepEqual([foreign.status, foreign.body.code], [403, 'rest_forbidden'])
			assert.deepEqual((await one.rest('GET', route, { room: 'r/1' })).body.length, 2, 'nothing changed')

			assert.deepEqual((await one.rest('DELETE', route, { room: 'r/1', client_id: 'tab' })).body, { deleted: true, room: 'r/1' })
			assert.deepEqual((await chief.rest('DELETE', route, { room: 'r/1', client_id: 'bare' })).body, { deleted: true, room: 'r/1' })
			assert.deepEqual((await other.rest('DELETE', route, { room: 'r/1', client_id: 'bare' })).body, { deleted: true, room: 'r/1' }, 'a missing one is fine')
			assert.deepEqual((await one.rest('GET', route, { room: 'r/1' })).body, [])

			for (let i = 0; i < 5; i++) await one.rest('POST', route, { room: 'r/2', client_id: `c${i}` })
			const pages = await Promise.all([1, 2, 3, 4].map((page) => one.rest('GET', route, { room: 'r/2', per_page: 2, page })))
			assert.deepEqual(pages.map(({ body }) => body.length), [2, 2, 1, 0])
			assert.deepEqual(new Set(pages.flatMap(({ body }) => body.map(({ client_id }) => client_id))).size, 5)
			assert.deepEqual(pages.map(({ headers }) => `${headers.get('x-wp-total')}/${headers.get('x-wp-totalpages')}`), Array(4).fill('5/3'))

			// An entry that is renewed between two requests is listed once.
			const walked = []
			for (let after = ''; after !== null; ) {
				const { status, body, headers } = await one.rest('GET', route, { room: 'r/2', per_page: 2, after })
				assert.equal(status, 200)
				walked.push(...body.map(({ client_id: id }) => id))
				after = headers.get('x-heartbeatd-next')
				await one.rest('POST', route, { room: 'r/2', client_id: 'c0' })
			}
			assert.deepEqual(walked, ['c0', 'c1', 'c2', 'c3', 'c4'])
			const invalid = await one.rest('GET', route, { room: 'r/2', after: 'nowhere' })
			assert.deepEqual([invalid.status, invalid.body.code], [400, 'rest_invalid_param'])
		})

		await t.test('REST: the list has the rooms that the user may see', async () => {
			const [one, other] = [await logIn(site, 'editor'), await logIn(site, 'author')]
			const room = `postType/post:${post}`
			for (const [where, client] of [[room, 'a'], [room, 'b'], ['zoo', 'a']]) assert.equal((await one.rest('POST', route, { room: where, client_id: client })).status, 200)
			await other.rest('POST', route, { room: 'zoo', client_id: 'c' })
			const list = async (person) => (await person.rest('GET', `${route}/rooms`)).body
			const logins = [editor, author].map(({ id }) => `wp_remove_presence('admin/online', 'user-${id}')`).join('; ')
			php(`${logins}; return 1;`) // the entries of the log-ins
			const rooms = await list(one)
			assert.deepEqual(rooms.map(({ room: name, user_count: count, users }) => [name, count, users.map(({ user_id }) => user_id).sort()]), [['zoo', 2, [one.id, other.id]], [room, 1, [one.id]]], 'the busiest first')
			assert.deepEqual(Object.keys(rooms[0].users[0]), ['user_id', 'display_name', 'avatar_url'])
			assert.deepEqual((await list(other)).map(({ room: name }) => name), ['zoo'], 'no post that one may not edit')
			const second = await one.rest('GET', `${route}/rooms`, { per_page: 1, page: 2 })
			assert.deepEqual([second.body.map(({ room: name }) => name), second.headers.get('x-wp-total'), second.headers.get('x-wp-totalpages')], [[room], '2', '2'])
			assert.deepEqual([(await other.rest('GET', route, { room })).body.code, (await other.rest('POST', route, { room, client_id: 'x' })).body.code, (await other.rest('DELETE', route, { room, client_id: 'a' })).body.code], Array(3).fill('rest_forbidden'))
		})

		await t.test('REST: invalid requests get a 4xx and change nothing', async () => {
			const one = await logIn(site, 'editor')
			const refused = async (method, params, status, code, path = route) => {
				const { status: is, body } = await one.rest(method, path, params)
				assert.deepEqual([is, body.code, body.data.status], [status, code, status], `${method} ${JSON.stringify(params).slice(0, 80)}`)
			}
			const invalid = (method, params, path) => refused(method, params, 400, 'rest_invalid_param', path)
			for (const method of ['GET', 'POST', 'DELETE']) await refused(method, {}, 400, 'rest_missing_callback_param')
			await refused('POST', { room: 'r' }, 400, 'rest_missing_callback_param')
			for (const name of ['', 'x'.repeat(300), 'é'.repeat(192), 'a\u0000b', 'a\nb', 'a\u007f', 'a\u0085']) {
				for (const method of ['GET', 'POST', 'DELETE']) await invalid(method, { room: name, client_id: 'c' })
				for (const method of ['POST', 'DELETE']) await invalid(method, { room: 'r', client_id: name })
			}
			for (const paging of [{ per_page: 0 }, { per_page: -1 }, { per_page: 101 }, { per_page: 'x' }, { page: 0 }]) {
				await invalid('GET', { room: 'r', ...paging })
				await invalid('GET', paging, `${route}/rooms`)
			}
			for (const data of ['text', 5, true, { x: 'x'.repeat(10241 - 8) }]) await invalid('POST', { room: 'r', client_id: 'c', data })
			assert.equal((await one.rest('GET', route, { room: 'r' })).body.length, 0)
			php(`return wp_remove_user_presence(${one.id});`) // the entry of the log-in
			assert.equal(php(`return count(heartbeatd_presence_list_all(array()));`), 0)
			assert.equal((await one.rest('POST', route, { room: 'r', client_id: 'c', data: { x: 'x'.repeat(10240 - 8) } })).status, 200)
			await invalid('POST', { screen_key: 'Post/1' }, `${route}/screen-revisions/stale`)
			await invalid('POST', { screen_key: 'x'.repeat(192) }, `${route}/screen-revisions/stale`)

			for (const room of ['🎉/'.repeat(60), '..', '../../etc', 'a.b', 'a*', 'a>', '%2e', 'é'.repeat(191), ' ', '+', '&room=x']) {
				const { status, body } = await one.rest('POST', route, { room, client_id: '../🎉' })
				assert.deepEqual([status, body.room, body.client_id], [200, room, '../🎉'])
				assert.deepEqual((await one.rest('GET', route, { room })).body.map((entry) => entry.room), [room], `${room} is a room of its own`)
				assert.equal((await one.rest('DELETE', route, { room, client_id: '../🎉' })).status, 200)
				assert.deepEqual((await one.rest('GET', route, { room })).body, [])
			}
		})

		await t.test('REST: at most 50 entries of a user', async () => {
			const one = await logIn(site, 'editor')
			php(`return wp_remove_user_presence(${one.id});`) // the entry of the log-in
			for (let i = 0; i < 50; i++) assert.equal((await one.rest('POST', route, { room: `r${i}`, client_id: 'c' })).status, 200)
			const { status, body } = await one.rest('POST', route, { room: 'r50', client_id: 'c' })
			assert.deepEqual([status, body.code], [429, 'rest_presence_limit_exceeded'])
			assert.equal((await one.rest('POST', route, { room: 'r7', client_id: 'c' })).status, 200, 'an own entry can be renewed')
			assert.deepEqual((await one.rest('GET', route, { room: 'r50' })).body, [])
			assert.equal(php(`rest_get_server(); return heartbeatd_rest_error(new WP_Error('limit_reached', 'no'))->get_error_data()['status'];`), 429, 'the budget of the site')
		})

		await t.test('REST: users without the capability get nothing', async () => {
			const subscriber = await logIn(site, 'subscriber')
			const paths = [['GET', route, { room: 'admin/online' }], ['POST', route, { room: 'r', client_id: 'c' }], ['DELETE', route, { room: 'r', client_id: 'c' }], ['GET', `${route}/rooms`, {}], ['POST', `${route}/screen-revisions/stale`, { screen_key: `post/${post}` }]]
			for (const [method, path, params] of paths) {
				assert.deepEqual([(await subscriber.rest(method, path, params)).status, (await rest(site, method, path, params)).status], [403, 401], `${method} ${path}`)
				const stale = await rest(site, method, path, params, { cookie: subscriber.cookie, 'x-wp-nonce': 'wrong' })
				assert.deepEqual([stale.status, stale.body.code], [403, 'rest_cookie_invalid_nonce'])
			}
		})

		await t.test('the entries of users who log out or lose their rights are removed', async () => {
			const there = () => php(`return count(wp_get_presence('r'));`)
			const enter = () => assert.equal(php(`return wp_set_presence('r', 'tab', array(), ${author.id});`), true)
			php(`WP_Session_Tokens::get_instance(${author.id})->destroy_all(); return 1;`)
			const one = await logIn(site, 'author')
			const other = await logIn(site, 'author')
			const logOut = async ({ cookie }) => {
				const page = await (await fetch(`${site.url}/wp-admin/profile.php`, { headers: { cookie } })).text()
				await fetch(page.match(/href=["']([^"']+action=logout[^"']+)/)[1].replaceAll('&amp;', '&').replaceAll('&#038;', '&'), { headers: { cookie }, redirect: 'manual' })
			}
			enter()
			await logOut(one)
			assert.equal(there(), 1, 'still logged in elsewhere')
			await logOut(other)
			await until('the end of the entry', () => there() === 0) // WordPress removes it after its answer
			enter()
			php(`get_userdata(${author.id})->set_role('contributor'); return 1;`)
			assert.equal(there(), 1, 'a contributor may edit posts')
			php(`get_userdata(${author.id})->set_role('subscriber'); return 1;`)
			assert.equal(there(), 0)
			php(`get_userdata(${author.id})->set_role('author'); return 1;`)
		})

		await t.test('commands', () => {
			// WP-CLI is not installed: the test defines its interface.
			addMuPlugin(site, 'cli', `namespace WP_CLI\\Utils { function format_items($format, $items, $fields) { foreach ($items as $item) \\WP_CLI::$out[] = $format . ' ' . implode('|', array_map(fn ($f) => $item[$f], $fields)); } }
				namespace { class WP_CLI { static $out = array(); static $commands = array();
					static function line($l) { self::$out[] = $l; } static function success($l) { self::$out[] = "Success: $l"; } static function error($l) { throw new Exception($l); } static function add_command($n, $c) { self::$commands[$n] = $c; } }
					if ( 'cli' === PHP_SAPI ) define('WP_CLI', true); }`.replace(/^/, '?><?php '))
			const run = (command, args = [], options = {}, user = 0, { before = '' } = {}) => php(`wp_set_current_user(${user}); ${before} try { call_user_func(WP_CLI::$commands['presence ${command}'], json_decode('${JSON.stringify(args)}', true), json_decode('${JSON.stringify(options)}', true)); } catch (Exception $e) { WP_CLI::$out[] = 'Error: ' . $e->getMessage(); } return WP_CLI::$out;`)
			assert.deepEqual(php('return array_keys(WP_CLI::$commands);').sort(), ['heartbeatd status', 'presence cleanup', 'presence list', 'presence network', 'presence recording', 'presence set', 'presence summary'])
			assert.match(run('set', ['r/1'])[0], /^Error: Set the entry’s user/)
			assert.match(run('set', ['r/1'], { data: 'x' }, editor.id)[0], /^Error: The data is not a JSON/)
			assert.match(run('set', ['x'.repeat(192)], {}, editor.id)[0], /^Error: .*191 characters/)
			assert.deepEqual(run('set', ['r/1'], { data: '{"screen":"import"}' }, editor.id), [`Success: cli-${editor.id} is in r/1.`])
			assert.deepEqual(run('set', ['r/2', 'c'], {}, editor.id), ['Success: c is in r/2.'])
			const [line] = run('list', ['r/1'])
			assert.match(line, new RegExp(`^table r/1\\|cli-${editor.id}\\|${editor.id}\\|\\{"screen":"import"\\}\\|\\d{4}-`))
			assert.equal(run('list', [], { format: 'csv' }).length, 2)
			assert.deepEqual(JSON.parse(run('summary', [], { format: 'json' })[0]), { total_entries: 2, total_users: 1, by_prefix: { r: { prefix: 'r', entries: 2, users: 1 } } })
			assert.deepEqual(run('summary'), ['Entries: 2', 'Users: 1', 'table r|2|1'])
			assert.match(run('cleanup', [], { yes: true })[0], /^Success: /)
			run('set', ['r/3', 'c'], { data: '{"x":"a\\u009b31m\\u202ebé"}' }, editor.id)
			assert.ok(run('list', ['r/3'])[0].includes('{"x":"a\\u009b31m\\u202ebé"}'), 'no control characters reach the terminal')
			const evil = '\u001b[2J\u009b'
			const played = (status, answer, ...call) => run(...call, { before: `add_filter('pre_http_request', fn () => array('response' => array('code' => ${status}), 'headers' => array(), 'body' => '${JSON.stringify(answer)}'));` })
			const entries = [{ room: evil, client_id: evil, user_id: 1, data: { x: evil }, date_gmt: evil }]
			const escaped = '\\u001b[2J\\u009b'
			assert.deepEqual(played(200, entries, 'list', [], {}, 0), [`table ${escaped}|${escaped}|1|{"x":"${escaped}"}|${escaped}`])
			assert.ok(played(200, entries, 'list', [], { format: 'json' }, 0)[0].startsWith(`json ${evil}|`), 'WP-CLI itself escapes JSON')
			assert.deepEqual(played(200, entries, 'summary', [], {}, 0), ['Entries: 1', 'Users: 1', `table ${escaped}|1|1`])
			assert.deepEqual(Object.keys(JSON.parse(played(200, entries, 'summary', [], { format: 'json' }, 0)[0]).by_prefix), [evil])
			assert.deepEqual(played(400, { code: 'x', message: evil }, 'set', ['r/1'], {}, editor.id), [`Error: ${escaped}`])
			assert.deepEqual(played(200, entries[0], 'set', ['r/1'], {}, editor.id), [`Success: ${escaped} is in ${escaped}.`])
			const use = 'Error: Use "get", "set on" or "set off".'
			const recording = [[['get'], 'on'], [['set', 'off'], 'Success: Recording is off.'], [['get'], 'off'], [['set', 'on'], 'Success: Recording is on.'], [['get'], 'on'], [['set', 'x'], use], [[], use], [['get'], 'Error: This site is not part of a network.', { network: true }],
				[['set', 'off'], 'Success: Recording is off.', { for: 'editor' }], [['get'], 'off', { for: String(editor.id) }], [['get'], 'on', { for: 'author' }], [['get'], 'on'], [['set', 'on'], 'Success: Recording is on.', { for: 'editor' }], [['get'], 'on', { for: 'editor' }], [['get'], 'Error: There is no user "x".', { for: 'x' }]]
			assert.deepEqual(php(`foreach (json_decode('${JSON.stringify(recording)}', true) as $call) { try { heartbeatd_presence_cli_recording($call[0], $call[2] ?? array()); } catch (Exception $e) { WP_CLI::$out[] = 'Error: ' . $e->getMessage(); } } return WP_CLI::$out;`), recording.map(([, line]) => line))
			assert.deepEqual(run('network'), ['Error: This site is not part of a network.'])
			php(`return wp_remove_user_presence(${editor.id});`)
			assert.deepEqual(JSON.parse(run('summary', [], { format: 'json' })[0]), { total_entries: 0, total_users: 0, by_prefix: {} })
		})

		await t.test('while heartbeatd is down, rooms are empty, writes fail, and no call waits long', async () => {
			const one = await logIn(site, 'editor')
			await server.stop('SIGKILL')
			const list = await one.rest('GET', route, { room: 'admin/online' })
			assert.deepEqual([list.status, list.body, list.headers.get('x-wp-total')], [200, [], '0'])
			assert.deepEqual((await one.rest('GET', `${route}/rooms`)).body, [])
			for (const method of ['POST', 'DELETE']) {
				const { status, body } = await one.rest(method, route, { room: 'r', client_id: 'c' })
				assert.deepEqual([status, body.code], [503, 'rest_presence_unavailable'])
			}
			assert.deepEqual(php(`return array(wp_get_presence('r'), wp_set_presence('r', 'c', array(), 1), wp_remove_presence('r', 'c'), wp_remove_user_presence(1));`), [[], false, false, false])
			reset()
			const calls = php(`$n = 0; add_action('requests-requests.failed', function () use (&$n) { $n++; }); for ($i = 0; $i < 5; $i++) wp_get_presence("r$i"); return $n;`)
			assert.ok(calls <= 2, `after two failures nobody asks any more: ${calls}`)
		})
	})
})

const q = (text) => `'${text}'`
