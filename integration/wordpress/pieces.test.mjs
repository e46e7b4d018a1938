// The parts of the plugin on a live WordPress, without a browser. The test plays heartbeatd's
// API, so that it can refuse calls, send invalid answers and hang.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { until } from '../browser/harness.mjs'
import { startAPI } from './fake-api.mjs'
import { addMuPlugin, claimsOf, secret, withPlugin } from './plugin.mjs'

test('parts of the plugin', { timeout: 300_000 }, async (t) => {
	const api = await startAPI(t)
	await withPlugin(t, async ({ site, php, ask }) => {
		const queued = (code) => php(`${code}; $q = heartbeatd_queue(); $calls = &heartbeatd_queue(); $calls = array(); return array_map(fn ($call) => array_slice($call, 0, 2), array_values($q));`)
		const { id: author } = site.users.author
		const { id: editor } = site.users.editor
		const log = 'array("expiration" => time() + 1000)'

		await t.test('events that revoke tickets', () => {
			const sid = (token) => php(`return hash('sha256', '${token}');`)
			const every = (user) => [['/revoke', { user }]]
			const seed = (tokens) => queued(`update_user_meta(${author}, 'session_tokens', array(${tokens.map((token) => `hash('sha256', '${token}') => ${log}`)}))`)

			seed(['a', 'b'])
			assert.deepEqual(queued(`WP_Session_Tokens::get_instance(${author})->destroy('a')`), [['/revoke', { user: author, sid: sid('a') }]])
			seed(['a', 'b', 'c'])
			assert.deepEqual(queued(`WP_Session_Tokens::get_instance(${author})->destroy_others('b')`), ['a', 'c'].map((token) => ['/revoke', { user: author, sid: sid(token) }]))
			seed(['a'])
			assert.deepEqual(queued(`WP_Session_Tokens::get_instance(${author})->destroy_all()`), [['/revoke', { user: author, sid: sid('a') }]])
			seed(Array.from({ length: 11 }, (_, i) => `t${i}`))
			assert.deepEqual(queued(`WP_Session_Tokens::get_instance(${author})->destroy_all()`), every(author), 'many log-ins are one call')
			seed(['a'])
			assert.deepEqual(queued('WP_Session_Tokens::destroy_all_for_all_users()'), every(author))
			assert.deepEqual(queued(`WP_Session_Tokens::get_instance(${author})->create(time() + 100)`), [], 'a log-in revokes nothing')

			assert.deepEqual(queued(`get_userdata(${author})->set_role('contributor')`), every(author))
			assert.deepEqual(queued(`get_userdata(${author})->add_cap('edit_posts')`), every(author))
			assert.deepEqual(queued(`wp_set_password('new', ${author})`), every(author))
			assert.ok(queued(`wp_update_user(array('ID' => ${author}, 'user_pass' => 'newer'))`).some(([path, body]) => path === '/revoke' && !body.sid))
			assert.deepEqual(queued(`wp_update_user(array('ID' => ${author}, 'first_name' => 'A'))`), [], 'a new name revokes nothing')
			const gone = php(`return wp_insert_user(array('user_login' => 'gone', 'user_pass' => 'x'));`)
			assert.ok(queued(`require_once ABSPATH . 'wp-admin/includes/user.php'; wp_delete_user(${gone})`).some(([, body]) => body.user === gone && !body.sid))
		})

		await t.test('events that revoke a room', () => {
			const id = php(`return wp_insert_post(array('post_title' => 'Rights', 'post_status' => 'draft', 'post_author' => ${author}));`)
			const update = (fields) => queued(`wp_update_post(array('ID' => ${id}, ${fields}))`).filter(([path]) => path === '/revoke')
			const taken = [['/revoke', { room: `postType/post:${id}` }]]
			assert.deepEqual(update(`'post_title' => 'New words'`), [])
			assert.deepEqual(update(`'post_status' => 'publish'`), taken)
			assert.deepEqual(update(`'post_author' => ${editor}`), taken)
			assert.deepEqual(queued(`wp_trash_post(${id})`).filter(([path]) => path === '/revoke'), taken)
			assert.deepEqual(queued(`wp_roles()->remove_cap('author', 'delete_posts')`), [['/revoke', { all: true }]])
		})

		await t.test('locks: only changes that others see are sent', () => {
			const id = php(`return wp_insert_post(array('post_title' => 'Lock', 'post_status' => 'publish'));`)
			const room = `postType/post:${id}`
			const set = (value) => queued(`update_post_meta(${id}, '_edit_lock', ${value})`)
			const nudge = [['/nudge', { to: { room }, spread_ms: 300, paced: true }]]
			const left = (user) => [`/presence?room=${encodeURIComponent(room)}&client_id=lock-${user}`, []]
			assert.deepEqual(set(`time() . ':${editor}'`), nudge, 'taken')
			assert.deepEqual(set(`(time() + 1) . ':${editor}'`), [], 'refreshed')
			assert.deepEqual(set(`time() . ':${author}'`), [left(editor), ...nudge], 'taken over')
			const [gone, [path, { to, data }]] = set(`(time() - 145) . ':${author}'`)
			assert.deepEqual([gone, path, to], [left(author), '/push', { room }], 'let go')
			assert.ok(data.heartbeatd.beat_after_ms > 4000 && data.heartbeatd.beat_after_ms <= 5300)
			assert.deepEqual(set(`'nonsense'`), [left(author), ...nudge], 'gone')
			set(`time() . ':${author}'`)
			assert.deepEqual(queued(`delete_post_meta(${id}, '_edit_lock')`), [left(author), ...nudge])
			assert.deepEqual(queued(`update_post_meta(${id}, 'other', 1)`), [])
			const attachment = php(`return wp_insert_post(array('post_type' => 'attachment', 'post_title' => 'x'));`)
			assert.deepEqual(queued(`update_post_meta(${attachment}, '_edit_lock', time() . ':1')`), [], 'a post type without rooms')

			// In the admin, where core answers lists, a push says what they show.
			const admin = `require_once ABSPATH . 'wp-admin/includes/admin.php'; update_post_meta(${id}, '_edit_lock', `
			const change = (value) => queued(`${admin}${value})`).filter(([path]) => path === '/push').map(([, { to, data }]) => {
				assert.deepEqual(to, { room })
				const { at_ms: at, left_ms: ms, avatar_src, avatar_src_2x, ...lock } = data.heartbeatd.lock
				assert.ok(Math.abs(at - Date.now()) < 60_000 && (lock.user === 0 || (avatar_src && avatar_src_2x)))
				return { ...lock, left: Math.ceil(ms / 1000) }
			})
			const of = (user, name, rest) => [{ user, name, released: false, spread_ms: 300, left: 150, ...rest }]
			assert.deepEqual(change(`time() . ':${author}'`), of(author, 'Author'))
			assert.deepEqual(change(`(time() + 2) . ':${author}'`), [], 'renewed')
			assert.deepEqual(change(`(time() - 145) . ':${author}'`), of(author, 'Author', { released: true, left: 5 }))
			assert.deepEqual(change(`time() . ':${author}'`), of(author, 'Author'), 'taken again in time')
			assert.deepEqual(change(`time() . ':${editor}'`), of(editor, 'Editor'), 'taken over')
			assert.deepEqual(change(`'nonsense'`), [{ user: 0, released: false, spread_ms: 300, left: 0 }])
			const removed = queued(`require_once ABSPATH . 'wp-admin/includes/admin.php'; remove_filter('heartbeat_received', 'wp_check_locked_posts'); update_post_meta(${id}, '_edit_lock', time() . ':${author}')`)
			assert.deepEqual(removed, nudge, 'where core does not answer lists')
		})

		await t.test('locks: the document that holds the lock', () => {
			const table = (code, rows) => assert.deepEqual(php(`return array_map(fn ($row) => ${code}, json_decode('${JSON.stringify(rows.map(([row]) => row))}', true));`), rows.map(([, lock]) => lock))
			// The stored lock, and the lock of the beat's document; then the lock after the beat.
			table(`heartbeatd_renewed_lock($row[0], '20:7', heartbeatd_parse_lock($row[1]))`, [
				[['', '10:7:1'], '20:7:1'],
				[['10:7', '10:7:1'], '20:7:1'],
				[['10:7:1', '10:7:1'], '20:7:1'],
				[['15:7:1', '10:7:1'], '20:7:1'],
				[['5:7:1:left', '10:7:1'], null],
				[['-200:7:1:left', '10:7:1'], '20:7:1'],
				[['5:7:2:left', '10:7:1'], '20:7:1'],
				[['10:8:1', '10:7:1'], '20:7:1'],
				[['15:7:2', '10:7:1'], '20:7:0'],
				[['15:7:0', '10:7:1'], '20:7:0'],
				[['10:7:0', '10:7:1'], '20:7:1'],
				[['15:7:2', ''], '20:7:2'],
				[['15:8:2', ''], '20:7'],
				[['', ''], '20:7'],
			])
			// The stored lock, and the lock of the document that is left; then the lock after its
			// release.
			table(`heartbeatd_released_lock($row[0], '5:7', $row[1])`, [
				[['10:7:1', '10:7:1'], '5:7:1:left'],
				[['20:7:1', '10:7:1'], '5:7:1:left'],
				[['10:7:2', '10:7:1'], null],
				[['10:7:0', '10:7:1'], null],
				[['10:7', '10:7:1'], '5:7:1:left'],
				[['20:7', '10:7:1'], null],
				[['10:7:1', '10:7'], '5:7'],
				[['20:7:1', '10:7'], null],
				[['10:8:1', '10:7:1'], null],
				[['5:7:1:left', '5:7:1'], null],
				[['', '10:7:1'], null],
			])
		})

		await t.test('locks: two requests write the same lock at the same time', () => {
			const id = php(`return wp_insert_post(array('post_title' => 'Race', 'post_status' => 'publish', 'meta_input' => array('_edit_lock' => '10:7:1')));`)
			const [written, seen, lock] = php(`
				$seen = array();
				$written = heartbeatd_write_lock(${id}, function ($stored) use (&$seen) {
					$seen[] = $stored;
					if (1 === count($seen)) $GLOBALS['wpdb']->update($GLOBALS['wpdb']->postmeta, array('meta_value' => '20:7:1'), array('post_id' => ${id}, 'meta_key' => '_edit_lock'));
					return heartbeatd_released_lock($stored, '5:7', '10:7:1');
				});
				return array($written, $seen, get_post_meta(${id}, '_edit_lock', true));
			`)
			assert.deepEqual([written, seen, lock], [true, ['10:7:1', '20:7:1'], '5:7:1:left'])
		})

		await t.test('push and nudge refuse wrong addresses and sizes', () => {
			const good = { all: { all: true }, 'user:7': { user: 7 }, 'can:edit_posts': { can: 'edit_posts' }, 'postType/post:42': { room: 'postType/post:42' }, 'admin/online': { room: 'admin/online' } }
			assert.deepEqual(php(`return array_map('heartbeatd_parse_address', ${phpList(Object.keys(good))});`), Object.values(good))
			const bad = ['', 'everyone', 'All', 'user:', 'user:0', 'user:x', 'user:7 ', 'User:7', 'can:', 'can:edit_post', 'postType/post42', 'postType/post:', 'posttype/post:42', `a/${'x'.repeat(190)}`, 'a/\n']
			// Each mistake returns false, and the notice names the called function.
			const warned = php(`$warned = array(); add_action('doing_it_wrong_run', function ($name, $message) use (&$warned) { $warned[] = "$name: $message"; }, 10, 2); add_filter('doing_it_wrong_trigger_error', '__return_false');
				foreach (${phpList(bad)} as $to) if (heartbeatd_push($to, 1) || heartbeatd_nudge($to)) $warned[] = "$to was taken";
				add_filter('heartbeatd_capabilities', fn ($all) => array_merge($all, array('edit_shop')));
				add_filter('heartbeatd_rooms', fn ($rooms) => array('shop/orders', 'orders', 7, 'shop/orders'));
				$warned[] = array(heartbeatd_push('can:edit_shop', 1), heartbeatd_ticket_rooms(array(), 'dashboard')); $calls = &heartbeatd_queue(); $calls = array(); return $warned;`)
			assert.equal(warned.length, 2 * bad.length + 3, JSON.stringify(warned))
			assert.match(warned[0], /^heartbeatd_push: &quot;&quot; is not an address/)
			assert.match(warned[1], /^heartbeatd_nudge: &quot;&quot; is not an address/)
			assert.match(warned[2], /^heartbeatd_push: &quot;everyone&quot; is not an address\. .*postType\/post:42/)
			assert.deepEqual(warned.slice(-3).map((text) => text.slice(0, 55)), ['heartbeatd_rooms: The filter heartbeatd_rooms returned ', 'heartbeatd_rooms: The filter heartbeatd_rooms returned ', [true, ['shop/orders']]])
			assert.deepEqual(php(`$r = array(heartbeatd_push('all', str_repeat('x', 65534)), heartbeatd_push('all', str_repeat('x', 65535)), heartbeatd_push('all', NAN), heartbeatd_push(7, 1), heartbeatd_nudge('user:x')); $c = &heartbeatd_queue(); $c = array(); return $r;`), [true, false, false, false, false])
			const deposits = [`'all', 'stock', str_repeat('x', 16382), 60`, `'all', 'stock', null, 0`, `'all', 'stock', str_repeat('/', 8192), 60`, `'all', '7', 1, 60`, `'all', 'a b', 1, 60`, `'everyone', 'stock', 1, 60`]
			assert.deepEqual(php(`add_filter('doing_it_wrong_trigger_error', '__return_false'); $r = array(${deposits.map((of) => `heartbeatd_answer(${of})`)}); $c = &heartbeatd_queue(); $c = array(); return $r;`), [true, true, false, false, false, false])
			const ttls = [-1, 60, 4000].map((ttl) => queued(`heartbeatd_answer('user:7', 'stock', array('left' => 1.0), ${ttl})`)[0])
			assert.deepEqual(ttls, [1, 60, 3600].map((ttl) => ['/answer', { to: { user: 7 }, handle: 'stock', value: { left: 1 }, ttl }]))
		})

		await t.test('calls are sent after the response, signed, and at most 50 of a page', async () => {
			addMuPlugin(site, 'caller', `add_action('init', function () {
				if (isset($_GET['calls'])) { $n = 0; for ($i = 0; $i < (int) $_GET['calls']; $i++) $n += heartbeatd_push('all', $i); echo $n; exit; } });`)
			php(`update_option('heartbeatd_failures', array()); return 1;`)
			api.reset()
			api.answer = () => [202, {}]
			const page = await fetch(`${site.url}/?calls=150`)
			assert.equal(await page.text(), '50')
			await until('the calls', () => api.ended === 50)
			assert.deepEqual(api.pushes.map(({ body }) => body.data), Array.from({ length: 50 }, (_, i) => i))
			const [{ authorization }] = api.pushes
			const key = authorization.replace('Bearer ', '')
			const { aud, iat, exp } = claimsOf(key)
			assert.deepEqual([aud, exp - iat, JSON.parse(Buffer.from(key.split('.')[0], 'base64url')).kid], ['api', 60, 'default'])
			assert.ok(!key.includes(secret))

			api.reset()
			api.answer = () => null // hangs
			const started = Date.now()
			await (await fetch(`${site.url}/?calls=20`)).text()
			assert.ok(api.ended < 2, 'the response came before the calls were given up')
			await until('the calls to be given up', () => api.ended === 2)
			t.diagnostic(`a hung heartbeatd: the page after ${Date.now() - started} ms with both calls given up`)
			await (await fetch(`${site.url}/?calls=20`)).text()
			await until('the breaker', () => php('return heartbeatd_is_circuit_open();'))
			assert.equal(api.pushes.length, 2, 'after two failures calls pause')
			php(`update_option('heartbeatd_failures', array()); return 1;`)
		})

		await t.test('many calls that fail at the same time write the option only a few times', () => {
			const writes = php(`$writes = 0; add_action('update_option_heartbeatd_failures', function () use (&$writes) { $writes++; });
				for ($i = 0; $i < 50; $i++) heartbeatd_record_call(false); $paused = heartbeatd_is_circuit_open();
				update_option('heartbeatd_failures', array()); return array($paused, $writes);`)
			assert.equal(writes[0], true)
			assert.ok(writes[1] <= 5, `${writes[1]} writes`)
		})

		await t.test('a revocation is sent even after failures, and repeated later if it fails', async () => {
			api.reset()
			api.answer = () => null // hangs
			assert.equal(await ask(`update_option('heartbeatd_failures', array('count' => 2, 'at' => time())); heartbeatd_revoke_user(${author}); heartbeatd_flush(); return (float) get_option('heartbeatd_unrevoked') > 1000 * (time() - 60);`), true)
			const [{ until_ms: time, serial, ...tried }] = api.revokes
			assert.deepEqual(tried, { user: author }, 'tried although calls pause')
			const failed = php(`return (float) get_option('heartbeatd_unrevoked');`)
			for (const ms of [time, serial, failed]) assert.ok(Math.abs(ms - Date.now()) < 60_000, `${ms}`)
			Object.assign(api, { revokes: [], answer: () => [202, {}] })
			assert.equal(await ask(`update_option('heartbeatd_failures', array()); heartbeatd_push('all', 1); heartbeatd_flush(); return (int) get_option('heartbeatd_unrevoked');`), 0)
			assert.deepEqual(api.revokes, [{ all: true, until_ms: failed, serial: failed }], 'and nobody\'s tickets that are newer')

			addMuPlugin(site, 'bulk', `add_action('init', function () { if (isset($_GET['bulk'])) { for ($i = 1; $i <= 60; $i++) heartbeatd_revoke_user($i); exit; } });`)
			api.reset()
			await fetch(`${site.url}/?bulk=1`)
			await until('the calls', () => api.revokes.length === 51)
			assert.equal(api.revokes.at(-1).all, true)
		})

		await t.test('after a failed call tickets are not native, until a call succeeds', async () => {
			const call = async (answer) => {
				api.answer = () => answer
				await ask(`heartbeatd_push('all', 1); heartbeatd_flush(); return 1;`)
				const { native, repeat_until: until, iat } = claimsOf(php(`wp_set_current_user(${author}); $_COOKIE[LOGGED_IN_COOKIE] = 'x|9999999999|token|hmac'; heartbeatd_record_observation('dashboard', array()); return heartbeatd_sign_ticket(heartbeatd_ticket_claims('n', 'dashboard', array(), 0));`))
				return until ? [Boolean(native), Math.round(until - iat)] : [Boolean(native), until]
			}
			php(`update_option('heartbeatd_failures', array()); return 1;`)
			const error = (status) => [status, { code: 'an_error', message: 'no', data: { status } }]
			for (const status of [503, 401]) {
				const [native, seconds] = await call([202, {}])
				assert.ok(native && seconds >= 99 && seconds <= 100, `${native} ${seconds}`)
				assert.deepEqual(await call(error(status)), [false, undefined], `${status}`)
			}
			assert.equal((await call(error(400)))[0], true, 'heartbeatd was heard, and refuses this call only')
		})

		await t.test('settings: constants have precedence, an empty field keeps the secret, invalid values are refused', () => {
			assert.deepEqual(php(`update_option('heartbeatd', array('url' => '/live', 'api' => 'http://elsewhere:1', 'secret' => 'stored')); return array(heartbeatd_setting('url'), heartbeatd_setting('api'), heartbeatd_setting('secret'), heartbeatd_setting('site'));`), ['/live', api.url, secret, 'default'])
			const clean = (given) => php(`require_once ABSPATH . 'wp-admin/includes/template.php'; return heartbeatd_sanitize_settings(${given});`)
			assert.deepEqual(clean(`array('secret' => '', 'url' => 'https://example.org/heartbeat/', 'api' => '', 'site' => 'blog')`), { url: 'https://example.org/heartbeat', secret: 'stored', site: 'blog' })
			assert.deepEqual(clean(`array('forget_secret' => '1', 'url' => 'javascript:alert(1)', 'api' => 'file:///etc', 'site' => array('x'), 'other' => 1)`), { url: '/live', api: 'http://elsewhere:1' })
			assert.deepEqual(clean(`'x'`), { url: '/live', api: 'http://elsewhere:1', secret: 'stored' })
			php(`delete_option('heartbeatd'); return 1;`)
		})

		await t.test('a choice of a pace is stored, and code takes precedence over it', () => {
			const key = '0123456789ab'
			const paces = (...chosen) => php(`$stored = array('c'); foreach (${JSON.stringify(chosen)} as $pace) { $stored = heartbeatd_sanitize_paces(array('${key}' => $pace), $stored); } return (object) $stored;`)
			assert.deepEqual([paces('0'), paces('60'), paces('60', '0'), paces('60', '7'), paces('60', 'x')], [{ 0: 'c' }, { 0: 'c', [key]: 60 }, { 0: 'c' }, { 0: 'c', [key]: 60 }, { 0: 'c', [key]: 60 }])
			const pace = (code) => php(`$callback = array('hook' => 'heartbeat_send', 'callback' => 'own');
				update_option('heartbeatd', array('paces' => array(heartbeatd_pace_key($callback) => 120))); ${code}
				return array(heartbeatd_callback_pace($callback), heartbeatd_is_pace_fixed($callback), delete_option('heartbeatd'));`).slice(0, 2)
			const filter = (code) => `add_filter('heartbeatd_callback_pace', fn ($pace, $callback, $hook) => 'own' === $callback && 'heartbeat_send' === $hook ? ${code} : $pace, 10, 3);`
			const constant = `define('HEARTBEATD_CALLBACK_PACE', 90);`
			assert.deepEqual([pace(''), pace(constant), pace(filter('45')), pace(constant + filter('$pace + 1')), pace(filter('max(300, $pace)')), pace(filter('max(60, $pace)')), pace(filter('-7'))],
				[[120, false], [90, true], [45, true], [91, true], [300, true], [120, false], [-1, true]])
		})

		await t.test('every kind of callback is recognized', () => {
			addMuPlugin(site, 'kinds', `class Nosy { function method() {} static function still() {} function __invoke() {} function __call($name, $values) {} }
				trait Traced { static function traced() { return function () {}; } }
				class Tracer { use Traced; }
				function kinds() {
					return array(array(new Nosy, 'method'), array(new Nosy, 'method'), array('Nosy', 'still'), new Nosy, 'strlen', array(new Nosy, 'magic'), Tracer::traced(), Closure::fromCallable('strtolower'),
						function () {}, static function () { static $n = 0; return ++$n; },
						new class { function __invoke() {} },
						...array_map(fn ($n) => function () use ($n) {}, array('a', 'b')));
				}`)
			const foreign = (code = '') => php(`foreach (kinds() as $callback) add_filter('heartbeat_send', $callback);
				add_action('wp_refresh_nonces', 'strlen'); add_action('heartbeat_nopriv_tick', 'strlen'); add_action('wp_ajax_heartbeat', 'strlen'); add_action('wp_ajax_heartbeat', 'strtoupper', 1);
				${code} return heartbeatd_foreign_callbacks();`)
			const captured = ['a', 'b'].map((value) => createHash('md5').update(JSON.stringify({ n: value })).digest('hex').slice(0, 8))
			const file = 'mu-plugins/kinds.php'
			const keys = ['10 Nosy::__invoke', '10 Nosy::magic', '10 Nosy::method', '10 Nosy::method #2', '10 Nosy::still', '10 PHP', `10 ${file}:9 ${captured[0]}`, `10 ${file}:9 ${captured[1]}`, `10 ${file}:3`, `10 ${file}:7`, `10 ${file}:7 #2`, `10 ${file}:8`, '10 strlen']
			const all = foreign()
			assert.deepEqual(Object.keys(all).sort(), [...keys.map((key) => `heartbeat_send ${key}`), 'wp_ajax_heartbeat 1 strtoupper'].sort())
			assert.deepEqual([all['heartbeat_send 10 Nosy::method'].file, all['heartbeat_send 10 Nosy::magic'].file, all['heartbeat_send 10 strlen'].file], [`${file}:2`, '', 'PHP'])

			const known = (name) => Object.keys(foreign(`add_filter('heartbeatd_known_callbacks', function ($known) { $known['heartbeat_send'][] = '${name}'; return $known; });`)).length
			assert.deepEqual(['function()', `${file}:7`, `${file}:9`, 'Nosy::still', 'strlen', 'other'].map((name) => keys.length + 1 - known(name)), [0, 2, 2, 1, 1, 0])
			assert.deepEqual(php('return heartbeatd_foreign_callbacks();'), [], 'core and this plugin are known')
		})

		await t.test('the ticket of a beat is for the nonce of the next beat', async () => {
			const cookie = await logIn(site, 'editor')
			const token = decodeURIComponent(cookie).match(/wordpress_logged_in_\w+=[^|]+\|\d+\|([^|]+)/)[1]
			const nonces = [0, 1, 2].map((age) => php(`return substr(wp_hash((wp_nonce_tick() - ${age}) . '|heartbeat-nonce|${editor}|${token}', 'nonce'), -12, 10);`))
			const send = (fields) => fetch(`${site.url}/wp-admin/admin-ajax.php`, {
				method: 'POST', headers: { cookie }, body: new URLSearchParams({ action: 'heartbeat', screen_id: 'dashboard', has_focus: 'true', interval: '60', ...fields }),
			})
			const hash = (text) => php(`return hash('sha256', '${text}');`)
			const ticketOf = (answer) => answer.headers.get('x-heartbeatd-ticket')

			const now = await send({ _nonce: nonces[0] })
			assert.equal(claimsOf(ticketOf(now)).nonce, hash(nonces[0]))
			assert.deepEqual(Object.keys(await now.json()).sort(), ['server_time', 'wp-auth-check'], 'the tick itself is core\'s')
			const older = await send({ _nonce: nonces[1] })
			assert.equal(claimsOf(ticketOf(older)).nonce, hash((await older.json()).heartbeat_nonce))
			const expired = await send({ _nonce: nonces[2] })
			const renewed = await expired.json()
			assert.deepEqual(Object.keys(renewed).sort(), ['heartbeat_nonce', 'nonces_expired', 'rest_nonce'])
			assert.equal(claimsOf(ticketOf(expired)).nonce, hash(renewed.heartbeat_nonce))
			assert.equal(ticketOf(await send({})), null, 'no nonce, no ticket')
			await send({ _nonce: 'forged', screen_id: 'forged' })
			assert.ok(!JSON.stringify(php(`return get_option('heartbeatd_learned');`)).includes('forged'), 'nothing is learned from it')
			assert.equal(ticketOf(await fetch(`${site.url}/wp-admin/admin-ajax.php`, { method: 'POST', body: new URLSearchParams({ action: 'heartbeat' }) })), null)

			for (let i = 0; i < 70; i++) await send({ _nonce: nonces[0], screen_id: `made-up-${i}` })
			const most = php(`$l = get_option('heartbeatd_learned'); return max(array_map('count', $l['native']));`)
			assert.ok(most <= 60, `${most} screens`)
		})

		await t.test('a page makes its ticket once, when the script is printed', async () => {
			const filters = ['heartbeatd_native', 'heartbeatd_rooms', 'heartbeatd_capabilities']
			// With late=1, another plugin registers a callback after the scripts were enqueued.
			addMuPlugin(site, 'count', `foreach (json_decode('${JSON.stringify(filters)}') as $name) add_filter($name, function ($value) use ($name) { $GLOBALS['counted'][$name] = 1 + ($GLOBALS['counted'][$name] ?? 0); return $value; });
				add_filter('heartbeatd_known_callbacks', function ($known) { $GLOBALS['counted']['callbacks'] = 1 + ($GLOBALS['counted']['callbacks'] ?? 0); return $known; });
				add_filter('heartbeatd_native_handles', fn ($handles) => array_merge($handles, array('stock-level', 'stock-level', array())));
				add_action('admin_print_footer_scripts', function () { if (isset($_GET['late'])) add_filter('heartbeat_send', '__return_empty_array'); }, 1);
				add_action('shutdown', function () { if (is_admin() && !wp_doing_ajax()) echo '<!-- counted ' . json_encode($GLOBALS['counted'] ?? array()) . ' -->'; });`)
			const post = php(`wp_set_current_user(${editor}); foreach (array('dashboard', 'edit-post', 'post', 'profile') as $screen) heartbeatd_record_observation($screen, array());
				update_option('heartbeatd_failures', array()); return wp_insert_post(array('post_title' => 'Once', 'post_status' => 'publish'));`)
			const cookie = await logIn(site, 'editor')
			const open = async (path) => {
				const html = await (await fetch(`${site.url}/wp-admin/${path}`, { headers: { cookie } })).text()
				const settings = JSON.parse(html.match(/heartbeatSettings\.heartbeatd = (\{.*?\}); \}/)[1])
				return { counted: JSON.parse(html.match(/<!-- counted (.*) -->/)[1]), settings, claims: claimsOf(settings.ticket) }
			}
			for (const [path, rooms] of [['index.php', 0], ['edit.php', 1], [`post.php?post=${post}&action=edit`, 1], ['profile.php', 0]]) {
				const started = Date.now()
				const { counted, settings, claims } = await open(path)
				assert.deepEqual([path, counted], [path, { heartbeatd_native: 1, heartbeatd_rooms: 1, heartbeatd_capabilities: 1, callbacks: 1 }])
				assert.equal(settings.native, true)
				assert.deepEqual(claims.native.filter((handle) => !/^(presence|wp)-/.test(handle)), ['stock-level'], 'a handle that a filter adds')
				assert.ok(claims.native.includes('presence-ping') && claims.sub === String(editor) && claims.iat * 1000 > started - 1000, path)
				assert.ok(claims.rooms.includes(`postType/post:${post}`) === Boolean(rooms), path)
				const late = await open(`${path}${path.includes('?') ? '&' : '?'}late=1`)
				assert.deepEqual([late.settings.native, late.claims.native], [false, undefined], 'what is hooked by the time the script is printed counts')
			}
		})

		await t.test('uninstalling removes all data', () => {
			php("update_option('heartbeatd_samples', array('since' => 1, 'days' => array()), false); return update_option('heartbeatd', array('site' => 'x'));")
			const count = () => php(`return (int) $GLOBALS['wpdb']->get_var("SELECT COUNT(*) FROM {$GLOBALS['wpdb']->options} WHERE option_name LIKE '%heartbeatd%'");`)
			assert.ok(count() >= 3)
			php(`define('WP_UNINSTALL_PLUGIN', 'heartbeatd/heartbeatd.php'); require WP_PLUGIN_DIR . '/heartbeatd/uninstall.php'; return 1;`)
			assert.equal(count(), 0)
		})
	}, { constants: { HEARTBEATD_API: api.url }, patient: false })
})

const phpList = (strings) => `array(${strings.map((text) => `'${text}'`).join(', ')})`

// logIn returns a user's cookies.
async function logIn(site, user) {
	const { login: log, password: pwd } = site.users[user]
	const body = new URLSearchParams({ log, pwd, testcookie: '1' })
	const headers = { cookie: 'wordpress_test_cookie=WP%20Cookie%20check' }
	const answer = await fetch(`${site.url}/wp-login.php`, { method: 'POST', redirect: 'manual', headers, body })
	return answer.headers.getSetCookie().map((line) => line.split(';')[0]).join('; ')
}
