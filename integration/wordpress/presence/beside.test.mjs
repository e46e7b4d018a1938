// Beside the Presence API plugin. A stand-in, written from its description, takes its place:
// heartbeatd's plugin does not change its functions, and synchronizes its table with the live
// rooms.

import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { rmSync } from 'node:fs'
import { test } from 'node:test'
import { until } from '../../browser/harness.mjs'
import { addMuPlugin, beat, claimsOf, connected, secret, withPlugin } from '../plugin.mjs'
import { logIn, rest } from './person.mjs'
import { addStandIn } from './standins/standins.mjs'

const route = '/heartbeatd/v1/presence/sync'

test('beside the Presence API plugin', { timeout: 500_000 }, async (t) => {
	await withPlugin(t, async ({ site, php, ask, open }) => {
		const { admin, editor, author } = site.users
		addStandIn({ site, php }, '0.1.14')
		const rows = (room) => ask(`return array_map(fn ($e) => array($e->client_id, (int) $e->user_id, $e->data, $e->date_gmt), wp_get_presence('${room}'));`)
		const clear = () => php(`return $GLOBALS['wpdb']->query("DELETE FROM {$GLOBALS['wpdb']->presence}");`)
		const sync = (body, key = sign({})) => rest(site, 'POST', route, body, key ? { authorization: `Bearer ${key}` } : {})

		await t.test('the other plugin keeps its functions, routes, commands and answers', async () => {
			assert.equal(php('return heartbeatd_presence_provider();'), 'other')
			const files = php(`return array_map(fn ($f) => basename((new ReflectionFunction($f))->getFileName()), HEARTBEATD_PRESENCE_FUNCTIONS);`)
			assert.deepEqual(new Set(files), new Set(['functions.php']))
			assert.deepEqual(php(`return array_values(array_filter(array_keys(rest_get_server()->get_routes()), fn ($r) => false !== strpos($r, 'presence')));`), ['/wp-presence/v1', '/wp-presence/v1/presence', '/heartbeatd/v1/presence/sync'])
			const person = await logIn(site, 'editor')
			assert.equal((await person.beat({ 'presence-ping': { screen: 'dashboard' } }))['presence-online'][0].screen_label, 'Dashboard')
			assert.deepEqual((await rows('admin/online')).map(([client, , data]) => [client, data]), [[`user-${editor.id}`, { screen: 'dashboard' }]])
			clear()
		})

		await t.test('its callbacks are known', () => {
			assert.deepEqual(php('return heartbeatd_foreign_callbacks();'), [])
			assert.deepEqual(php(`add_filter('heartbeat_received', 'strtolower'); add_filter('heartbeat_send', 'strtoupper'); return array_keys(heartbeatd_foreign_callbacks());`), ['heartbeat_received 10 strtolower', 'heartbeat_send 10 strtoupper'])
		})

		await t.test('tickets have the URL of the synchronization', () => {
			const ticket = (code = '') => claimsOf(php(`wp_set_current_user(${editor.id}); $_COOKIE[LOGGED_IN_COOKIE] = 'x|9999999999|token|hmac'; ${code} return heartbeatd_sign_ticket(heartbeatd_ticket_claims('n', 'dashboard', array(), 0));`)).sync
			assert.equal(ticket(), `${site.url}/wp-json/heartbeatd/v1/presence/sync`)
			assert.equal(ticket(`$GLOBALS['wp_rewrite']->set_permalink_structure('');`), `${site.url}/index.php?rest_route=/heartbeatd/v1/presence/sync`)
			php(`$GLOBALS['wp_rewrite']->set_permalink_structure('/%postname%/'); return 1;`)
		})

		await t.test('a call needs a key that is signed with the secret', async () => {
			const body = { entries: [entry('admin/online', 'user-1', 1)] }
			const now = Math.floor(Date.now() / 1000)
			const refused = {
				none: '', nonsense: 'x.y.z', 'another secret': sign({}, { key: 'guessed' }), 'the API\'s': sign({ aud: 'api' }), both: sign({ aud: ['api', 'site'] }), over: sign({ iat: now - 70, exp: now - 10 }),
				'good for long': sign({ exp: now + 120 }), 'of tomorrow': sign({ iat: now + 90000, exp: now + 90050 }), 'another site\'s': sign({}, { header: { kid: 'other' } }), unsigned: `${sign({}, { header: { alg: 'none' } }).replace(/\.[^.]*$/, '.')}`,
				'another way of signing': sign({}, { header: { alg: 'HS512' } }), 'a ticket': php(`wp_set_current_user(1); $_COOKIE[LOGGED_IN_COOKIE] = 'x|9999999999|token|hmac'; return heartbeatd_sign_ticket(heartbeatd_ticket_claims('n', 'x', array(), 0));`),
			}
			for (const [what, key] of Object.entries(refused)) {
				const { status, body: said } = await sync(body, key)
				assert.deepEqual([status, said.code], [401, 'rest_forbidden'], what)
			}
			assert.deepEqual(await rows('admin/online'), [])
			const chief = await logIn(site, 'admin')
			assert.equal((await chief.rest('POST', route, body)).status, 401, 'a log-in is not enough')
			for (const key of [sign({}), sign({ aud: ['site'] })]) assert.equal((await sync(body, key)).status, 200)
			addMuPlugin(site, 'old', `define('HEARTBEATD_OLD_SECRET', 'the one before');`)
			assert.equal((await sync(body, sign({}, { key: 'the one before' }))).status, 200)
			clear()
		})

		await t.test('newer entries are written, entries that left are deleted, and PHP\'s own rows are returned', async () => {
			const at = (seconds) => date(Date.now() + 1000 * seconds)
			const [first, older, newer, future] = [at(-20), at(-30), at(-10), at(600)]
			assert.deepEqual((await sync({ entries: [entry('r', 'a', editor.id, { date_gmt: first }), entry('🎉', '..', editor.id), entry('r', 'gone', editor.id)] })).body, { entries: [] })
			assert.deepEqual((await rows('🎉')).length, 1)
			const { body } = await sync({ entries: [entry('r', 'a', editor.id, { date_gmt: older, data: { screen: 'old' } })], left: [left('🎉', '..', editor.id), left('r', 'gone', editor.id), { room: 'r' }, 7] })
			assert.deepEqual(body.entries.map(({ room, client_id: client, data, date_gmt: when }) => [room, client, data, when]), [['r', 'a', { screen: 's' }, first]], 'what is newer here comes back')
			assert.deepEqual([await rows('🎉'), (await rows('r')).length], [[], 1])
			await sync({ entries: [entry('r', 'a', admin.id, { date_gmt: newer })] })
			assert.deepEqual((await rows('r'))[0][3], first, 'not another user')
			await sync({ entries: [entry('r', 'a', editor.id, { date_gmt: newer, data: {} })] })
			assert.deepEqual(await rows('r'), [['a', editor.id, { screen: 's' }, newer]], 'renewed')
			await sync({ entries: [entry('r', 'a', editor.id, { date_gmt: future })] })
			assert.ok((await rows('r'))[0][3] <= at(0), 'nobody is from the future')

			php(`wp_set_presence('r', 'by-php', array('x' => "1 \\u{1F389}"), ${author.id}); return 1;`)
			php(`global $wpdb; $wpdb->insert($wpdb->presence, array('room' => 'r', 'client_id' => 'expired', 'user_id' => 1, 'data' => '{}', 'date_gmt' => gmdate('Y-m-d H:i:s', time() - 61))); return 1;`)
			const back = (await sync({ entries: [entry('r', 'a', admin.id)] })).body.entries
			assert.deepEqual(back, [{ room: 'r', client_id: 'by-php', user_id: author.id, display_name: 'Author', avatar_url: back[0].avatar_url, data: { x: '1 🎉' }, date_gmt: back[0].date_gmt }])
			clear()
		})

		await t.test('the state of a row is that plugin\'s, except where the user is', async () => {
			const at = (seconds) => date(Date.now() + 1000 * seconds)
			const me = `user-${editor.id}`
			const state = { screen: 'dashboard', color: '#abcdef', locked: true }
			const put = (room, client, data) => php(`wp_set_presence('${room}', '${client}', json_decode('${JSON.stringify(data)}', true), ${editor.id}); return 1;`)
			const stateOf = async (room, data, more) => {
				await sync({ entries: [entry(room, me, editor.id, { data, ...more })] })
				return (await rows(room)).find(([client]) => client === me)[2]
			}
			put('admin/online', me, state)
			const there = { screen: 'edit-post', screen_label: 'Posts', title: 'T', post_id: 5 }
			assert.deepEqual(await stateOf('admin/online', there, { beat_gmt: at(-60) }), state, 'PHP has answered a later beat')
			assert.deepEqual(await stateOf('admin/online', { screen: 'dashboard', screen_label: 'Dashboard' }, { beat_gmt: at(5) }), state)
			assert.deepEqual(await stateOf('admin/online', there, { beat_gmt: at(5) }), { screen: 'edit-post', title: 'T', post_id: 5, color: '#abcdef', locked: true })
			clear()
			assert.deepEqual(await stateOf('admin/online', there), { screen: 'edit-post', title: 'T', post_id: 5 }, 'as that plugin writes the row')
			put('postType/post:1', me, state)
			assert.deepEqual(await stateOf('postType/post:1', { action: 'editing' }, { beat_gmt: at(5) }), state)
			clear()
		})

		await t.test('rows that PHP has written stay, and reserved rows are left alone', async () => {
			php(`wp_set_presence('r', 'session-x', array(), ${editor.id}); wp_set_presence('r', '_lock', array(), ${editor.id}); return 1;`)
			await sync({ left: [left('r', 'session-x', editor.id, 5), left('r', 'session-x', author.id), left('r', '_lock', editor.id)] })
			assert.deepEqual((await rows('r')).map(([client]) => client).sort(), ['_lock', 'session-x'])
			const { body } = await sync({ entries: [entry('r', '_lock', editor.id, { data: { ours: 1 } }), entry('r', '_other', editor.id)] })
			assert.deepEqual(body.entries.map(({ client_id: client }) => client), ['session-x'])
			assert.deepEqual((await rows('r')).map(([client, , data]) => [client, data]).sort(), [['_lock', []], ['session-x', []]])
			clear()
		})

		await t.test('rows in rooms of posts that do not exist are left out', async () => {
			const post = php(`return wp_insert_post(array('post_title' => 'x', 'post_status' => 'publish'));`)
			const real = ['admin/online', `postType/post:${post}`, 'postType/wp_template:theme//home']
			for (const room of [...real, `postType/page:${post}`, `postType/post:0${post}`, 'postType/post:999999']) php(`wp_set_presence('${room}', 'by-php', array(), ${author.id}); return 1;`)
			assert.deepEqual((await sync({})).body.entries.map(({ room }) => room).sort(), real)
			clear()
		})

		await t.test('of data that no entry may have, rows keep what pages show', async () => {
			const nested = (depth) => (depth ? { a: nested(depth - 1) } : 1)
			const put = (client, data) => php(`global $wpdb; return $wpdb->insert($wpdb->presence, array('room' => 'r', 'client_id' => '${client}', 'user_id' => ${author.id}, 'data' => base64_decode('${Buffer.from(data).toString('base64')}'), 'date_gmt' => gmdate('Y-m-d H:i:s')));`)
			const all = {
				long: { screen: 's', x: 'x'.repeat(10_240) }, escaped: { screen: 's', x: 'é'.repeat(2000) }, many: { screen: 's', x: Array(500).fill(1) }, deep: { screen: 's', x: nested(16) }, nul: { screen: 's', '\0x': 1 },
				wrong: { screen: { a: 1 }, title: 7, x: nested(16) }, allowed: { screen: 's', x: nested(14), y: Array(100).fill(1) },
			}
			for (const [client, data] of Object.entries(all)) put(client, JSON.stringify(data))
			put('infinite', '{"screen":"s","x":1e999}')
			const { body } = await sync({})
			const shown = { screen: 's' }
			assert.deepEqual(Object.fromEntries(body.entries.map(({ client_id: client, data }) => [client, data])), { long: shown, escaped: shown, many: shown, deep: shown, nul: shown, wrong: { screen: '', title: '7' }, allowed: all.allowed, infinite: shown })
			clear()
		})

		await t.test('rows in rooms of many posts need few statements', () => {
			const queries = php(`
				foreach (range(1, 60) as $i) { $id = wp_insert_post(array('post_title' => "Post $i", 'post_status' => 'publish')); wp_set_presence("postType/post:$id", 'by-php', array(), ${author.id}); }
				wp_cache_flush(); get_option('home'); get_userdata(${author.id});
				$n = $GLOBALS['wpdb']->num_queries; $count = count(heartbeatd_sync_newer_rows(array()));
				return array($count, $GLOBALS['wpdb']->num_queries - $n);`)
			clear()
			assert.ok(queries[0] === 60 && queries[1] < 10, `${queries[1]} queries for ${queries[0]} rows`)
		})

		await t.test('PHP reports rows that are gone, and the new title of an edited post', async () => {
			const post = php(`return wp_insert_post(array('post_title' => 'Before', 'post_status' => 'publish'));`)
			const room = `postType/post:${post}`
			const reports = await ask(`
				$told = array();
				add_filter('pre_http_request', function ($r, $args, $url) use (&$told) { if (strpos($url, '/presence/changed')) $told = array_merge($told, json_decode($args['body'], true)['rooms']); return $r; }, 10, 3);
				$report = function () { heartbeatd_report_changed_rooms(); heartbeatd_flush(); };
				foreach (array(${author.id}, ${editor.id}) as $id) wp_set_presence('${room}', "editor-$id", array(), $id);
				$report();
				wp_remove_presence('${room}', 'editor-${author.id}');
				$report();
				wp_update_post(array('ID' => ${post}, 'post_title' => 'After &amp; <b>x</b>'));
				$report();
				wp_update_post(array('ID' => ${post}, 'post_content' => 'x'));
				$report();
				return $told;`)
			assert.deepEqual(reports.map(({ room, removed, title }) => ({ room, removed, title })), [
				{ room, removed: undefined, title: undefined }, { room, removed: [`editor-${author.id}`], title: undefined }, { room, removed: undefined, title: 'After & x' },
			])
			clear()
		})

		await t.test('nothing is written while that plugin records nothing', async () => {
			addMuPlugin(site, 'recording', `function wp_presence_recording_enabled() { return file_exists(__DIR__ . '/on'); }`)
			await sync({ entries: [entry('r', 'a', editor.id)] })
			assert.deepEqual(await rows('r'), [])
			rmSync(`${site.dir}/wp-content/mu-plugins/recording.php`)
			await until('the table', async () => (await sync({ entries: [entry('r', 'a', editor.id)] }), await rows('r')).length === 1)
			clear()
		})

		await t.test('invalid entries are skipped, too many are refused, and many need few statements', async () => {
			const good = entry('r', 'good', editor.id)
			const bad = [{}, 'x', entry('', 'a', 1), entry('x'.repeat(192), 'a', 1), entry('r', 'a\n', 1), entry('r', 'a', 'x'), entry('r', 'a', 1, { data: 'x' }), entry('r', 'a', 1, { date_gmt: 'now' }), entry('r', 'a', 1, { beat_gmt: undefined }), entry('r', 'a', 1, { data: { x: 'x'.repeat(10240) } })]
			assert.deepEqual((await sync({ entries: [...bad, good] })).status, 200)
			assert.deepEqual((await rows('r')).map(([client]) => client), ['good'])
			for (const body of [{ entries: Array(2001).fill(good) }, { left: Array(2001).fill(good) }, { entries: { a: 1 } }]) assert.equal((await sync(body)).status, 400)
			const many = Array.from({ length: 2000 }, (_, i) => entry('many', `c${i}`, editor.id))
			const started = Date.now()
			assert.equal((await sync({ entries: many, left: Array.from({ length: 2000 }, (_, i) => left('many', `gone-${i}`, editor.id)) })).status, 200)
			t.diagnostic(`2,000 entries and 2,000 who left in ${Date.now() - started} ms`)
			assert.equal((await rows('many')).length, 2000)
			const queries = php(`$r = new WP_REST_Request(); $r['entries'] = json_decode('${JSON.stringify(many.slice(0, 250))}', true); $r['left'] = array(); $n = $GLOBALS['wpdb']->num_queries; heartbeatd_sync_presence($r); return $GLOBALS['wpdb']->num_queries - $n;`)
			// Three statements write them, a hundred each, and four read the rows and the users of others.
			assert.ok(queries <= 3 + 4, `${queries} queries for 250 entries`)
			clear()
		})

		await t.test('the live room and the table have the same entries', async () => {
			const page = await open('editor', '/wp-admin/about.php')
			await connected(page)
			await beat(page)
			await page.evaluate(() => wp.heartbeat.interval(3600)) // as in a background tab
			const me = `user-${editor.id}`
			const inTable = async (client) => (await rows('admin/online')).find(([name]) => name === client)
			await until('the live person in the table', () => inTable(me), 45)
			const spoke = await page.evaluate(() => Date.now())

			php(`wp_set_presence('admin/online', 'user-${author.id}', array('screen' => 'from-php'), ${author.id}); return 1;`)
			const room = () => page.evaluate(() => wp.heartbeat.room('admin/online').entries.map((one) => [one.client_id, one.data.screen]))
			await until('PHP\'s row in the live room', async () => (await room()).some(([client, screen]) => client === `user-${author.id}` && screen === 'from-php'), 45)
			php(`wp_remove_presence('admin/online', 'user-${author.id}'); return 1;`)
			await until('PHP\'s row to go from the live room', async () => (await room()).every(([client]) => client !== `user-${author.id}`), 45)

			await until('a minute without a beat', async () => {
				assert.ok(await inTable(me), 'the person stays all the time')
				return Date.now() - spoke > 65_000
			}, 90)
			await page.close()
			await until('the person to go from the table', async () => !(await inTable(me)), 60)
		})
	})
})

const date = (ms) => new Date(ms).toISOString().slice(0, 19).replace('T', ' ')
const entry = (room, client, user, more = {}) => ({ room, client_id: client, user_id: user, data: { screen: 's' }, date_gmt: date(Date.now()), beat_gmt: date(Date.now()), ...more })
const left = (room, client, user, age = 0) => ({ room, client_id: client, user_id: user, age })

// sign signs the key of a call as heartbeatd does.
function sign(claims, { header = {}, key = secret } = {}) {
	const now = Math.floor(Date.now() / 1000)
	const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
	const signed = `${part({ alg: 'HS256', typ: 'JWT', kid: 'default', ...header })}.${part({ aud: 'site', iat: now, exp: now + 60, ...claims })}`
	return `${signed}.${createHmac('sha256', key).update(signed).digest('base64url')}`
}
