// Callbacks of other plugins are judged for each set of handles that beats carry: heartbeatd
// answers beats with the sets with which all callbacks were silent, and PHP those with any other.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '../browser/harness.mjs'
import { addMuPlugin, claimsOf, connected, logIn, tickOf, withPlugin } from './plugin.mjs'

const BEATS = 5 // after which a callback is silent
const LOCK = 'wp-refresh-post-lock'
const LOCKS = 'wp-check-locked-posts'
const NONCES = 'wp-refresh-post-nonces'

// Callbacks of which one is registered at a time.
const callbacks = {
	reads: `add_filter('heartbeat_send', function ($r) { get_user_meta(get_current_user_id(), 'reads', true); return $r; });`,
	lists: `add_filter('heartbeat_received', fn ($r, $d) => isset($d['${LOCKS}']) ? $r + array('lists' => 1) : $r, 10, 2);`,
	locksOnly: `add_action('admin_init', function () { if (isset($_POST['data']['${LOCK}'])) add_filter('heartbeat_received', fn ($r) => $r + array('only' => 1)); });`,
	sends: `add_action('admin_init', function () { if (isset($_POST['data']['${LOCK}'])) add_filter('heartbeat_send', fn ($r) => $r + array('sends' => 1)); });`,
	nonces: `add_filter('heartbeat_received', fn ($r, $d) => isset($d['${NONCES}']) ? $r + array('nonces' => 1) : $r, 10, 2);`,
	magic: `class Magic { function __call($name, $values) { return $values[0]; } } add_filter('heartbeat_received', array(new Magic, 'on'));`,
}

test('sets of handles', { timeout: 300_000 }, async (t) => {
	await withPlugin(t, async ({ site, browser, php, open }) => {
		const post = php(`return wp_insert_post(array('post_title' => 'A post', 'post_status' => 'publish'));`)
		addMuPlugin(site, 'callbacks', Object.entries(callbacks).map(([name, code]) => `if ('${name}' === get_option('callback')) {\n${code}\n}`).join('\n'))
		const use = (name) => php(`update_option('callback', '${name}', true); heartbeatd_reset_observations(); return 1;`)
		const beats = await beatsOf(await browser(), site)
		const none = [], lock = [LOCK, { post_id: post }], locks = [LOCKS, { '': `post-${post}` }]

		await t.test('a set that beats rarely carry does not delay the others', async () => {
			use('reads')
			assert.deepEqual(await beats(none, 1), [undefined])
			assert.deepEqual(await beats(lock, BEATS), [...Array(BEATS - 1).fill(undefined), [LOCK]])
			assert.deepEqual(await beats(none, BEATS - 1), [...Array(BEATS - 2).fill([LOCK]), ['', LOCK, '*']])
		})

		await t.test('a callback that acts with one set does not keep beats with the others from heartbeatd', async () => {
			use('lists')
			const learned = [...Array(BEATS - 1).fill('own'), [LOCK, '']]
			assert.deepEqual(await beats(lock, BEATS), learned)
			assert.deepEqual(await beats(locks, 1), [[LOCK, '']], 'the effect counts for its own set')
			php(`$l = get_option('heartbeatd_learned'); array_walk_recursive($l['silent'], function (&$n) { if ($n < 0) $n++; }); return update_option('heartbeatd_learned', $l);`)
			assert.deepEqual(await beats(locks, 1), [[LOCK, '']], 'also an hour later')
		})

		await t.test('a callback that is registered only in beats with a set matters only for these', async () => {
			for (const [name, others] of [['locksOnly', ['', LOCKS]], ['sends', ['', '*', LOCKS]]]) {
				use(name)
				addMuPlugin(site, 'writes', `add_action('update_option_heartbeatd_learned', fn () => update_option('learned_writes', 1 + get_option('learned_writes', 0)));`)
				await beats(lock, 1)
				for (const beat of [none, locks]) await beats(beat, 1)
				php(`return update_option('learned_writes', 0);`)
				for (const beat of [lock, none, locks, lock]) assert.deepEqual([...(await beats(beat, 1))[0]].sort(), [...others].sort(), name)
				assert.equal(php(`return (int) get_option('learned_writes');`), 0, 'nothing is written')
			}
			php(`return update_option('callback', '');`)
			assert.deepEqual((await beats(none, 1))[0].toSorted(), ['', '*', LOCKS], 'it may still be registered with the other set')
			assert.deepEqual(await beats(lock, 1), ['all'], 'it is gone')
		})

		await t.test('a callback that acts if a beat asks for nonces', async () => {
			use('nonces')
			const nonces = [NONCES, { post_id: post }]
			assert.deepEqual((await beats(lock, BEATS)).at(-1), [LOCK, ''])
			assert.deepEqual((await beats([...lock, ...nonces], BEATS)).at(-1), [LOCK, ''])
			assert.deepEqual((await beats(nonces, BEATS)).at(-1), [LOCK, ''])
		})

		// observe has PHP record beats of one callback, each with a set of handles and whether the
		// callback acts, and resolves with the value of the PHP expression after.
		const observe = (beats, after) => php(`heartbeatd_reset_observations(); $turns = 0; $writes = 0;
			add_action('update_option_heartbeatd_learned', function () use (&$writes) { $writes++; });
			$beat = function ($set, $acts, $screen = 's') use (&$turns) {
				$foreign = array('f' => array('hook' => 'heartbeat_send', 'callback' => 'f', 'file' => 'PHP', 'id' => 'c1'));
				$turns += (int) heartbeatd_record_observation($screen, $foreign, $set, array('f' => array('effects' => $acts ? array('query') : array(), 'reads' => array())));
			};
			$later = function () { $l = get_option('heartbeatd_learned'); array_walk_recursive($l['silent'], function (&$n) { if ($n < 0) $n++; }); $l['sets_full']--; update_option('heartbeatd_learned', $l); };
			${beats} return ${after};`)
		const fill = `foreach (range(1, 8) as $n) $beat("set$n", false);`
		const learnFirst = `foreach (range(1, 5) as $i) $beat('set1', false);`

		await t.test('an effect with a set that no ticket allows revokes no ticket', () => {
			use('')
			assert.equal(observe(`${fill} foreach (range(1, 10) as $round) { ${learnFirst} $beat('ninth', true); }`, '$turns'), 0, 'a set without room')
			assert.equal(observe(`${learnFirst} foreach (range(1, 3) as $hour) { $beat('b', false); $beat('b', true); $later(); ${learnFirst} }`, '$turns'), 0, 'a set that acts in some beats only')
			assert.equal(observe(`foreach (range(1, 10) as $round) { ${learnFirst} $beat('b', true); ${learnFirst} $beat('c', true); }`, '$turns'), 0, 'two sets in turn')
			assert.equal(observe(`${learnFirst} $beat('set1', true);`, '$turns'), 1, 'a silent set')
		})

		await t.test('a callback that turns at several places revokes tickets once in an hour for each', () => {
			assert.equal(observe(`foreach (range(1, 10) as $round) foreach (array('s', 't') as $screen) { foreach (range(1, 5) as $i) $beat('', false, $screen); $beat('', true, $screen); }`, '$turns'), 2)
		})

		await t.test('a full list of sets loses those without silent callbacks, once in an hour', () => {
			const sets = `array_map('strval', array_keys(heartbeatd_observations()['silent'][heartbeatd_roles_hash()][heartbeatd_screen_hash('s')]))`
			assert.deepEqual(observe(`${learnFirst} ${fill} $beat('ninth', false);`, sets), ['set1', 'ninth'])
			const again = `${learnFirst} ${fill} $beat('ninth', false); foreach (range(2, 8) as $n) $beat("set$n", false);`
			assert.deepEqual(observe(again, sets), ['set1', 'ninth', ...[2, 3, 4, 5, 6, 7].map((n) => `set${n}`)])
			assert.deepEqual(observe(`${again} $writes = 0; foreach (range(8, 20) as $n) $beat("set$n", false);`, '$writes'), 0, 'no beat writes the option')
			assert.deepEqual(observe(`${again} $later(); $beat('other', false);`, sets), ['set1', 'other'], 'an hour later')
		})

		await t.test('the settings screen keeps the row of a callback that acts with one set of handles', () => {
			const shown = (beats) => observe(`${learnFirst} ${beats}`, `!heartbeatd_is_silent_everywhere(array('hook' => 'heartbeat_send', 'id' => 'c1', 'places' => array(heartbeatd_roles_hash() . ' ' . heartbeatd_screen_hash('s') => 1)), heartbeatd_observations())`)
			assert.deepEqual([``, `$beat('b', false);`, `$beat('b', true);`, `$beat('b', true); $later(); $beat('b', false);`].map(shown), [false, false, true, true])
		})

		await t.test('with a pace beats may carry each set that was seen', async () => {
			use('magic')
			php(`return update_option('heartbeatd', array('paces' => array(heartbeatd_pace_key(array('hook' => 'heartbeat_received', 'callback' => 'Magic::on')) => 60)));`)
			assert.deepEqual(await beats(lock, 2), [[LOCK, ''], [LOCK, '']])
			php(`return delete_option('heartbeatd');`)
		})

		await t.test('a ticket without room loses sets, and is not valid for all', () => {
			assert.deepEqual(php(`wp_set_current_user(1);
				$claims = array('rooms' => array(), 'sets' => array('${LOCK}', '', '*'), 'iat' => time());
				$sizes = array_map('strlen', array_map('heartbeatd_sign_jwt', array(array('sets' => array('${LOCK}', '')) + $claims, array('sets' => array('${LOCK}')) + $claims)));
				foreach (array($sizes[0], $sizes[1], $sizes[1] - 1) as $limit) $all[] = heartbeatd_sign_ticket($claims, $limit);
				return $all;`).map((ticket) => ticket && claimsOf(ticket).sets), [[LOCK, ''], [LOCK], ''])
			const { rooms, sets } = claimsOf(php(`wp_set_current_user(1);
				$claims = array('rooms' => array('a/b'), 'sets' => array('${LOCKS},${LOCK}', '${LOCK}', 'a,b', ''), 'iat' => time());
				return heartbeatd_sign_ticket($claims, strlen(heartbeatd_sign_jwt($claims)) - 60);`))
			assert.deepEqual([rooms, sets], [['a/b'], [LOCK, '']], 'first those of several handles')
		})

		await t.test('a page', async () => {
			use('reads')
			const page = await open('admin', '/wp-admin/edit.php')
			await connected(page)
			await page.evaluate((handle) => jQuery(document).on('heartbeat-send', (event, data) => { if (window.bare) delete data[handle] }), LOCKS)
			const byPHP = async (bare) => {
				await page.evaluate((bare) => { window.bare = bare }, bare)
				return (await tickOf(page)).byPHP
			}
			const learn = (what, bare) => until(`heartbeatd answers ${what}`, async () => !(await byPHP(bare)), 60)
			assert.equal(await byPHP(true), true)
			await learn('beats of the list', false)
			assert.equal(await byPHP(true), true, 'a set that was seen once')
			await learn('beats without the handle of a list', true)
			await learn('beats of the list again', false)
			await page.close()
		})
	})
})

// beatsOf returns a function that has an editor beat, as a page that edits a post, and resolves
// with what each beat's ticket allows: sets, 'own' for beats with the plugin's own handles only,
// 'all' for all, or undefined for none.
async function beatsOf(browser, site) {
	const { request } = await logIn(browser, site, 'editor')
	const dashboard = await (await request.get(`${site.url}/wp-admin/`)).text()
	const nonce = dashboard.match(/heartbeatSettings = .*?"nonce":"(\w+)"/)[1]
	return async (handles, count) => {
		const data = {}
		for (let i = 0; i < handles.length; i += 2) for (const [key, value] of Object.entries(handles[i + 1])) data[`data[${handles[i]}][${key}]`] = String(value)
		const seen = []
		for (let i = 0; i < count; i++) {
			const answer = await request.post(`${site.url}/wp-admin/admin-ajax.php`, {
				form: { action: 'heartbeat', _nonce: nonce, screen_id: 'post', has_focus: 'true', interval: '60', 'data[presence-screen-ping][key]': 'x/1', ...data },
			})
			const { native, repeat_until: repeats, sets } = claimsOf(answer.headers()['x-heartbeatd-ticket'])
			seen.push(native && (repeats ? sets ?? 'all' : 'own'))
		}
		return seen
	}
}
