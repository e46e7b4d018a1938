// Callbacks of other plugins are judged by what they do: each kind is observed in beats of a list, and
// one kind of each result on three screens. The ticket of each beat says which beats heartbeatd may
// answer from then on. 'all': every native beat; 'own': those with the plugin's own handles only; 'none'.

import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { until } from '../browser/harness.mjs'
import { addMuPlugin, beat, claimsOf, connected, logIn, withPlugin } from './plugin.mjs'

const BEATS = 6
const own = Array(BEATS).fill('own')
const none = Array(BEATS).fill('none')
const all = Array(BEATS).fill('all')
const learned = ['own', 'own', 'own', 'own', 'all', 'all'] // silent in five beats
const learnedSend = ['none', 'none', 'none', 'none', 'all', 'all']
const silent = { dashboard: own, list: learned, editor: learned } // on heartbeat_received
const acting = { dashboard: own, list: own, editor: own }
const untouched = { dashboard: all, list: all, editor: all }

// The code of each kind, and what the ticket of each beat allows. Some are numbered where a name would
// be declared twice.
const kinds = {
	'own handle, function': [`function own_handle($r, $d) { if (!empty($d['kind'])) $r['kind'] = 1; return $r; } add_filter('heartbeat_received', 'own_handle', 10, 2);`, silent],
	'own handle, method': [`class Own { function on($r, $d) { if (isset($d['kind'])) $r['kind'] = 1; return $r; } static function still($r, $d) { return (new self)->on($r, $d); } } add_filter('heartbeat_received', array(new Own, 'on'), 10, 2);`, silent],
	'own handle, static method': [`class Own2 { static function on($r, $d) { if (isset($d['kind'])) $r['kind'] = 1; return $r; } } add_filter('heartbeat_received', array('Own2', 'on'), 10, 2);`, silent],
	'own handle, closure': [`add_filter('heartbeat_received', function ($r, $d) { if (isset($d['kind'])) $r['kind'] = 1; return $r; }, 10, 2);`, silent],
	'own handle, closure of a trait': [`trait Own3 { static function make() { return function ($r, $d) { if (isset($d['kind'])) $r['kind'] = 1; return $r; }; } } class Own4 { use Own3; } add_filter('heartbeat_received', Own4::make(), 10, 2);`, silent],
	'own handle, closure that captures a time': [`$time = 'at ' . microtime(true); $times = array(time(), array()); add_filter('heartbeat_received', fn ($r, $d) => isset($d['kind']) ? $r + array('kind' => array($time, $times)) : $r, 10, 2);`, silent],
	'two closures on one line': [`add_filter('heartbeat_received', fn ($r, $d) => isset($d['kind']) ? $r + array('kind' => 1) : $r, 10, 2); add_filter('heartbeat_received', fn ($r) => $r + array('always' => 1));`, acting],
	'a prefix of handles, and die()': [`add_filter('heartbeat_received', function ($r, $d) { foreach ($d as $handle => $value) if (0 === strpos($handle, 'kind-')) wp_die('{}'); return $r; }, 10, 2);`, silent],
	'unconditional answer': [`add_filter('heartbeat_received', fn ($r) => $r + array('always' => 1));`, acting],
	'answer without arguments': [`add_filter('heartbeat_received', fn () => array(), 50, 0);`, { ...silent, editor: own }],
	'unconditional answer, heartbeat_send': [`add_filter('heartbeat_send', fn ($r) => $r + array('always' => 1));`, { dashboard: none, list: none, editor: none }],
	'answer with the list': [`add_filter('heartbeat_received', fn ($r, $d) => isset($d['wp-check-locked-posts']) ? $r + array('list' => 1) : $r, 10, 2);`, { ...silent, list: own }],
	'user meta read': [`add_action('heartbeat_tick', fn () => get_user_meta(get_current_user_id(), 'kind', true));`, { dashboard: learnedSend, list: learnedSend, editor: learnedSend }],
	'user meta written': [`add_action('heartbeat_tick', fn () => update_user_meta(get_current_user_id(), 'kind_seen', uniqid()));`, { dashboard: none, list: none, editor: none }],
	'a query': [`add_filter('heartbeat_received', function ($r) { $GLOBALS['wpdb']->get_var("SELECT COUNT(*) FROM {$GLOBALS['wpdb']->posts}"); return $r; });`, silent],
	'an INSERT': [`add_filter('heartbeat_received', function ($r) { $GLOBALS['wpdb']->query("INSERT INTO {$GLOBALS['wpdb']->options} (option_name, option_value) VALUES ('kind_" . uniqid() . "', 1)"); return $r; });`, acting],
	'a transient': [`add_filter('heartbeat_received', function ($r) { set_transient('kind', uniqid(), 60); return $r; });`, acting],
	'an HTTP request': [`add_filter('pre_http_request', fn ($x, $args, $url) => false === strpos($url, 'kind.invalid') ? $x : array(), 10, 3); add_filter('heartbeat_received', function ($r) { wp_remote_get('http://kind.invalid/'); return $r; });`, acting],
	mail: [`add_filter('pre_wp_mail', '__return_true'); add_filter('heartbeat_received', function ($r) { wp_mail('x@example.org', 'x', 'x'); return $r; });`, acting],
	'a header': [`add_filter('heartbeat_received', function ($r) { header('X-Kind: 1'); return $r; });`, acting],
	'a cookie': [`add_filter('heartbeat_received', function ($r) { setcookie('kind', '1'); return $r; });`, acting],
	output: [`if (wp_doing_ajax()) ob_start(fn () => '{}'); add_filter('heartbeat_received', function ($r) { echo ' '; return $r; });`, acting],
	'a scheduled event': [`add_filter('heartbeat_received', function ($r) { wp_schedule_single_event(time() + 86400, 'kind', array(uniqid())); return $r; });`, acting],
	'work at shutdown': [`add_filter('heartbeat_received', function ($r) { add_action('shutdown', fn () => null); return $r; });`, acting],
	'a hook of another plugin': [`add_filter('heartbeat_received', function ($r) { do_action('live_other'); return $r; });`, acting],
	'its own hook': [`add_action('kind_own', fn () => null); add_filter('heartbeat_received', function ($r) { do_action('kind_own'); apply_filters('nobody_listens', 1); return $r; });`, silent],
	'capabilities and translations': [`add_filter('heartbeat_received', function ($r) { current_user_can('edit_posts'); __('x'); home_url(); wp_create_nonce('x'); get_option('blogname'); return $r; });`, silent],
	'one screen': [`add_action('admin_init', function () { if ('edit-post' === ($_POST['screen_id'] ?? '')) add_filter('heartbeat_received', fn ($r) => $r + array('list' => 1)); });`, { ...untouched, list: own }],
	'another role': [`add_action('admin_init', function () { if (current_user_can('manage_options')) add_filter('heartbeat_send', fn ($r) => $r + array('admin' => 1)); });`, untouched],
	'nonces': [`add_filter('wp_refresh_nonces', fn ($r) => $r + array('nonce' => 1));`, untouched],
	'guests': [`add_filter('heartbeat_nopriv_received', fn ($r) => $r + array('guest' => 1)); add_filter('heartbeat_nopriv_send', fn ($r) => $r + array('guest' => 1));`, untouched],
	'a capability filter': [`add_filter('user_has_cap', fn ($caps) => $caps);`, untouched],
	'before core': [`add_action('wp_ajax_heartbeat', function () {}, 0);`, { dashboard: none, list: none, editor: none }],
	'a magic method': [`class Magic { function __call($name, $values) { return $values[0]; } } add_filter('heartbeat_send', array(new Magic, 'on'));`, { dashboard: none, list: none, editor: none }],
	'a callback that hooks another late': [`add_filter('heartbeat_received', function ($r) { add_filter('heartbeat_send', fn ($s) => $s); return $r; });`, { dashboard: own, list: none, editor: none }],
}

test('effects of callbacks', { timeout: 900_000 }, async (t) => {
	await withPlugin(t, async ({ site, browser, php, open }) => {
		php(`update_option('kind', '', true); return 1;`)
		const post = php(`return wp_insert_post(array('post_title' => 'A post', 'post_status' => 'publish'));`)
		const codes = Object.values(kinds).map(([code], i) => `if ('${i}' === get_option('kind_number')) {\n${code}\n}`)
		addMuPlugin(site, 'kinds', codes.join('\n'))
		addMuPlugin(site, 'other', `add_action('live_other', fn () => null);`)
		// New nonces stay fresh during the test.
		const life = [86_400, 100_000, 130_000].find((seconds) => seconds / 2 - Date.now() / 1000 % (seconds / 2) > 1800)
		addMuPlugin(site, 'nonces', `add_filter('nonce_life', fn () => ${life});`)
		const person = await makePerson(await browser(), site)
		const use = (number) => php(`update_option('kind_number', ${number}); heartbeatd_reset_observations(); return 1;`)
		const data = { dashboard: {}, list: { 'data[wp-check-locked-posts][]': `post-${post}` }, editor: { 'data[wp-refresh-post-lock][post_id]': String(post) } }
		const screens = { dashboard: 'dashboard', list: 'edit-post', editor: 'post' }
		const allowed = async (screen, count = BEATS, more = {}) => {
			const seen = []
			for (let i = 0; i < count; i++) seen.push((await person.beat(screens[screen], { ...data[screen], ...more })).allowed)
			return seen
		}

		const results = new Set()
		for (const [number, [name, [, expected]]] of Object.entries(kinds).entries()) {
			await t.test(name, async () => {
				use(number)
				const where = results.has(expected) ? ['list'] : Object.keys(screens)
				results.add(expected)
				// All screens know the callback before its beats are counted.
				for (const screen of where) await person.beat(screens[screen], { 'data[foreign]': '1' })
				for (const screen of where) assert.deepEqual(await allowed(screen), expected[screen], screen)
			})
		}

		await t.test('the first effect counts at once, and an hour long', async () => {
			addMuPlugin(site, 'clock', `if ('clock' === get_option('kind_number')) add_filter('heartbeat_send', fn ($r) => isset($_SERVER['HTTP_LIVE_CLOCK']) ? $r + array('clock' => 1) : $r);`)
			php(`update_option('kind_number', 'clock'); heartbeatd_reset_observations(); return 1;`)
			assert.deepEqual(await allowed('list'), learnedSend)
			assert.equal((await person.beat('edit-post', data.list, { 'live-clock': '1' })).allowed, 'none')
			assert.deepEqual(await allowed('list'), none)
			php(`$l = get_option('heartbeatd_learned'); array_walk_recursive($l['silent'], function (&$n) { if ($n < 0) $n++; }); update_option('heartbeatd_learned', $l); return 1;`)
			assert.deepEqual(await allowed('list'), learnedSend, 'an hour later')
		})

		await t.test('exit ends the observation, too', async () => {
			addMuPlugin(site, 'exits', `if ('exits' === get_option('kind_number')) add_filter('heartbeat_received', function ($r) { if (isset($_SERVER['HTTP_LIVE_CLOCK'])) { echo '{}'; exit; } return $r; });`)
			php(`update_option('kind_number', 'exits'); heartbeatd_reset_observations(); return 1;`)
			assert.deepEqual(await allowed('list'), learned)
			await person.beat('edit-post', data.list, { 'live-clock': '1' })
			assert.deepEqual(php(`return array_values(heartbeatd_observations()['effects']);`), [['exit', 'output']])
			assert.deepEqual(await allowed('list'), own)
		})

		await t.test('a change of what it reads makes a callback unknown', async () => {
			addMuPlugin(site, 'reader', `if ('reader' === get_option('kind_number')) add_filter('heartbeat_received', function ($r) {
				if (get_option('reader_on')) $r['reader'] = 1;
				get_post_meta(${post}, '_edit_lock', true); get_post_meta(${post}, 'reader', true); get_transient('reader'); get_site_transient('reader_site');
				return $r; });`)
			php(`update_option('reader_on', 0, true); update_option('kind_number', 'reader'); heartbeatd_reset_observations(); return 1;`)
			const learnAgain = () => php(`$l = get_option('heartbeatd_learned'); $l['changes'] = array(); return update_option('heartbeatd_learned', $l);`)
			const cached = `wp_using_ext_object_cache(true); set_site_transient('reader_site', 1); wp_using_ext_object_cache(false)` // not an option
			const changes = [`update_option('reader_on', '')`, `set_transient('reader', 1)`, cached, `update_post_meta(${post}, 'reader', 1)`, `update_option('reader_on', 1)`]
			for (const change of changes) {
				await allowed('editor', 5)
				assert.deepEqual(await allowed('editor', 1), ['all'], change)
				assert.deepEqual(php(`update_option('other_option', uniqid()); update_post_meta(${post}, 'other', uniqid()); $c = &heartbeatd_queue(); $c = array(); ${change}; $q = heartbeatd_queue(); $c = array(); return array_values(array_map(fn ($call) => array_slice($call, 0, 2), $q));`).filter(([path]) => path === '/revoke'), [['/revoke', { all: true }]], change)
				assert.deepEqual(await allowed('editor', 1), ['own'], change)
				learnAgain()
			}
			assert.deepEqual(await allowed('editor'), own, 'it has an effect now')
		})

		await t.test('a callback that reads a value that changes often counts as one with effects', async () => {
			php(`update_option('reader_on', 0); heartbeatd_reset_observations(); return 1;`)
			for (let i = 0; i < 3; i++) {
				await allowed('editor', 2)
				assert.deepEqual(php(`update_post_meta(${post}, 'reader', uniqid()); $c = &heartbeatd_queue(); $q = $c; $c = array(); return array_values(array_filter($q, fn ($call) => '/revoke' === $call[0]));`), [], 'no ticket depends on it')
			}
			assert.deepEqual(await allowed('editor'), own)
			assert.deepEqual(php(`return array_values(heartbeatd_observations()['effects']);`), [['changes']])
		})

		await t.test('a changed file makes a callback unknown', async () => {
			const write = (comment) => addMuPlugin(site, 'changing', `// ${comment}\nif ('changing' === get_option('kind_number')) add_filter('heartbeat_received', fn ($r) => $r);`)
			write('one')
			php(`update_option('kind_number', 'changing'); heartbeatd_reset_observations(); return 1;`)
			assert.deepEqual(await allowed('list'), learned)
			write('another')
			assert.deepEqual(await allowed('list'), learned)
		})

		await t.test('what is learned is written when it changes', async () => {
			addMuPlugin(site, 'writes', `add_action('update_option_heartbeatd_learned', fn () => update_option('learned_writes', 1 + get_option('learned_writes', 0)));`)
			php(`update_option('kind_number', 0); heartbeatd_reset_observations(); update_option('learned_writes', 0); return 1;`)
			await allowed('list', 5)
			const writes = php(`return (int) get_option('learned_writes');`)
			assert.ok(writes >= 5 && writes <= 7, `${writes} writes`)
			await allowed('list', 10)
			assert.equal(php(`return (int) get_option('learned_writes');`), writes)
		})

		await t.test('effects that differ from beat to beat are not written with every beat', () => {
			const stored = php(`$foreign = array('f' => array('hook' => 'heartbeat_send', 'callback' => 'f', 'file' => 'PHP', 'id' => 'c1'));
				$learned = heartbeatd_observations();
				foreach (range(0, 30) as $i) {
					foreach (array('one', 'two') as $screen) $learned = heartbeatd_add_observation($learned, array('r', $screen), $foreign, '', array('f' => array('effects' => array('answer:' . $screen, 'query'), 'reads' => array())));
					$all[] = $learned;
				}
				return array(count(array_unique($all, SORT_REGULAR)), $learned['effects']['c1']);`)
			assert.deepEqual(stored, [1, ['answer:one', 'query', 'answer:two']])
		})

		await t.test('until an hour after an effect, its callback is not observed', async () => {
			addMuPlugin(site, 'watched', `if ('watched' === get_option('kind_number')) add_filter('heartbeat_received', function ($r) { return $r + array('watched' => (bool) has_action('all', 'heartbeatd_watch_hook')); });`)
			php(`update_option('kind_number', 'watched'); heartbeatd_reset_observations(); return 1;`)
			const watched = async () => (await (await person.beat('edit-post', data.list)).answer.json()).watched
			assert.deepEqual([await watched(), await watched(), await watched()], [true, false, false])
			php(`$l = get_option('heartbeatd_learned'); array_walk_recursive($l['silent'], function (&$n) { if ($n < 0) $n++; }); update_option('heartbeatd_learned', $l); return 1;`)
			assert.deepEqual([await watched(), await watched()], [true, false], 'an hour later')
		})

		await t.test('a callback that reads more than can be watched counts as one with effects', () => {
			php('heartbeatd_reset_observations(); return 1;')
			const learn = (names) => php(`$foreign = array('f' => array('hook' => 'heartbeat_send', 'callback' => 'f', 'file' => 'PHP', 'id' => 'c1'));
				$learned = heartbeatd_observations();
				foreach (${names} as $name) $learned = heartbeatd_add_observation($learned, array('r', 's'), $foreign, '', array('f' => array('effects' => array(), 'reads' => array($name))));
				return array($learned['native'], count($learned['reads']['c1'] ?? array()), $learned['effects']['c1'] ?? array(), strlen(serialize($learned['reads'])));`)
			const few = learn(`array_map(fn ($i) => "option_$i", range(1, 80))`)
			assert.deepEqual(few.slice(1, 3), [80, []])
			assert.deepEqual(learn(`array_map(fn ($i) => "option_$i", range(1, 81))`).slice(0, 3), [[], 0, ['reads']], 'too many')
			assert.deepEqual(php(`return array_map(fn ($add) => array(count($add[0]['c']), $add[1]), array(
				heartbeatd_add_reads(array('c' => range(1, 80)), 'c', array('other')), heartbeatd_add_reads(array('c' => range(1, 79)), 'c', array('other'))));`), [[80, false], [80, true]], 'what other places read stays')
			const [native, stored, effects, bytes] = php(`$learned = heartbeatd_observations();
				foreach (range(1, 20) as $n) { $foreign["f$n"] = array('hook' => 'heartbeat_send', 'callback' => "f$n", 'file' => 'PHP', 'id' => "c$n"); $results["f$n"] = array('effects' => array(), 'reads' => array_map(fn ($i) => str_pad("$n $i ", 150, 'x'), range(1, 40))); }
				foreach (range(1, 6) as $i) $learned = heartbeatd_add_observation($learned, array('r', 's'), $foreign, '', $results);
				return array($learned['native'], count($learned['reads']), array_count_values(array_merge(...array_values($learned['effects']))), strlen(serialize($learned['reads'])));`)
			assert.deepEqual([native, stored, effects], [[], 2, { reads: 18 }], 'too many of all callbacks')
			assert.ok(bytes < 20_000, `${bytes} bytes`)
			assert.deepEqual(php(`$running = &heartbeatd_running_callbacks(); $running[] = array('effects' => array(), 'reads' => array());
				heartbeatd_note_read(str_repeat('x', 150)); $before = $running[0]['effects']; heartbeatd_note_read(str_repeat('x', 151));
				return array($before, array_keys($running[0]['effects']), count($running[0]['reads']));`), [[], ['reads'], 1], 'too long')
		})

		await t.test('full lists are not written with every beat', () => {
			const [callbacks, screens] = php(`$rotate = function ($count, $foreign) {
					$learned = heartbeatd_observations();
					foreach (range(1, 3) as $round) foreach (range(1, $count) as $n) {
						$before = $learned;
						$learned = heartbeatd_add_observation($learned, array('r', "s$n"), $foreign($n), null, array());
						if ($round > 1 && $before !== $learned) ++$changes;
					}
					return array(count($learned['foreign']), count($learned['native']['r'] ?? array()), $changes ?? 0);
				};
				return array($rotate(25, fn ($n) => array("f$n" => array('hook' => 'heartbeat_received', 'callback' => "f$n", 'file' => 'PHP', 'id' => "c$n"))), $rotate(65, fn ($n) => array()));`)
			assert.deepEqual(callbacks, [20, 25, 0])
			assert.ok(screens[1] <= 60 && screens[2] <= 60, `${screens} screens and changes`)
		})

		await t.test('what a closure has captured of the user does not identify it', () => {
			const ids = php(`wp_insert_user(array('user_login' => 'tester', 'user_pass' => 'x', 'display_name' => 'Test Editor', 'first_name' => 'Test', 'role' => 'editor'));
				foreach (array('tester', 'editor') as $login) {
					wp_set_current_user(get_user_by('login', $login)->ID);
					$user = wp_get_current_user();
					$make = fn ($text) => heartbeatd_captured_values_hash(function () use ($text) { return $text; });
					$all[] = array_map($make, array($user->user_login, $user->display_name, strtoupper($user->first_name ?: $user->user_login), array($user->user_login), 'a title', 'a-handle', 'another/handle', 'My\\Class::method', true, false));
				}
				return $all;`)
			assert.deepEqual(ids[0], ids[1])
			assert.equal(new Set([ids[0][0], ...ids[0].slice(5)]).size, 6, 'names in code and flags differ')
		})

		await t.test('the names of effects are short', () => {
			assert.deepEqual(php(`return array(strlen(heartbeatd_effect_name('hook', str_repeat('x', 5000))), heartbeatd_effect_name('hook', 'save_post'));`), [65, 'hook:save_post'])
		})

		await t.test('a callback can change an array of the object cache', () => {
			assert.deepEqual(php(`set_error_handler(function ($n, $text) { throw new Exception($text); });
				$cache = new class { public $list = array(1); public $hits = 1; private $own = 2; function __get($name) { return $this->$name; } };
				$recorder = new Heartbeatd_Cache_Recorder($cache);
				$recorder->list[] = 2; $recorder->hits += 1;
				return array($cache->list, $cache->hits, $recorder->own);`), [[1, 2], 2, 2])
		})

		await t.test('the counts of all places together are limited', () => {
			const [bytes, places] = php(`foreach (range(1, 20) as $i) { $foreign["f$i"] = array('hook' => 'heartbeat_send', 'callback' => "f$i", 'file' => 'PHP', 'id' => "c123456789$i"); $results["f$i"] = array('effects' => array(), 'reads' => array()); }
				$learned = heartbeatd_observations();
				foreach (range(1, 20) as $role) foreach (range(1, 40) as $screen) foreach (array('', 'a', 'b', 'a,b') as $handles) $learned = heartbeatd_add_observation($learned, array("role of user $role", "screen $screen"), $foreign, $handles, $results);
				return array(strlen(serialize($learned['silent'])), array_sum(array_map('count', $learned['silent'])));`)
			assert.ok(bytes < 130_000 && places >= 40, `${bytes} bytes, ${places} places`)
		})

		await t.test('a change of what a callback reads keeps what others have written meanwhile', () => {
			assert.deepEqual(php(`global $wpdb;
				$learned = array('reads' => array('c1' => array('kind_read'))) + heartbeatd_observations();
				update_option('heartbeatd_learned', $learned);
				$learned['effects']['c2'] = array('query'); // of another request
				$wpdb->update($wpdb->options, array('option_value' => serialize($learned)), array('option_name' => 'heartbeatd_learned'));
				update_option('kind_read', uniqid());
				$after = get_option('heartbeatd_learned');
				return array($after['reads'], $after['effects']['c2'] ?? null);`), [[], ['query']])
		})

		await t.test('the owner chooses how often PHP sees beats', async () => {
			const acting = Object.keys(kinds).indexOf('unconditional answer')
			use(acting)
			const name = (file) => php(`return array_values(heartbeatd_observations()['foreign'])[0]['callback'];`).replace(/^.*\//, file)
			await allowed('list', 2)
			const page = await open('admin', '/wp-admin/edit.php')
			await connected(page)
			for (let i = 0; i < 3; i++) await beat(page)
			const posted = () => page.beats.filter((form) => form.get('screen_id') === 'edit-post').length
			assert.ok(posted() >= 3)
			const settings = () => page.goto(`${site.url}/wp-admin/options-general.php?page=heartbeatd`)
			await until('the number of beats to PHP', async () => {
				await settings()
				return new RegExp(`^${posted()} in the last (\\d+ minutes|minute)$`).test(await page.textContent('#heartbeatd-callbacks td:nth-child(3)'))
			})
			await page.setViewportSize({ width: 390, height: 800 })
			assert.deepEqual(await page.evaluate(() => document.documentElement.scrollWidth), 390, 'the page is wider than the window')
			await page.setViewportSize({ width: 1280, height: 800 })
			const choose = async (value) => {
				await settings()
				await page.selectOption('#heartbeatd-callbacks select', value)
				await Promise.all([page.waitForNavigation(), page.click('#submit')])
				assert.equal(await page.inputValue('#heartbeatd-callbacks select'), value)
			}
			for (const [value, seconds, beats] of [['60', 60, 'all'], ['120', 120, 'all'], ['-1', null, 'all'], ['0', null, 'own']]) {
				await choose(value)
				await person.beat('edit-post', data.list)
				const seen = await person.beat('edit-post', data.list)
				assert.deepEqual([value, seen.allowed, seen.fresh < 240 ? seen.fresh : null], [value, beats, seconds])
				assert.deepEqual([(await allowed('dashboard', 2))[1], (await person.beat('dashboard', {})).fresh >= 240], ['own', true], 'it does not run there')
			}
			addMuPlugin(site, 'pace', `add_filter('heartbeatd_callback_pace', fn ($pace, $callback, $hook) => '${name('mu-plugins/')}' === $callback && 'heartbeat_received' === $hook ? 120 : $pace, 10, 3);`)
			assert.equal((await person.beat('edit-post', data.list)).fresh, 120)
			await settings()
			assert.deepEqual([await page.inputValue('#heartbeatd-callbacks select'), await page.isDisabled('#heartbeatd-callbacks select')], ['120', true])
			await Promise.all([page.waitForNavigation(), page.click('#submit')])
			rmSync(`${site.dir}/wp-content/mu-plugins/pace.php`)
			await settings()
			assert.deepEqual([await page.inputValue('#heartbeatd-callbacks select'), await page.isDisabled('#heartbeatd-callbacks select')], ['0', false], 'the choice is kept')
			await page.close()
		})

		await t.test('with a drop-in for the object cache', async () => {
			const cached = {
				write: [`wp_cache_set('kind', uniqid(), 'kinds');`, own],
				increase: [`wp_cache_incr('kind', 1, 'kinds');`, own],
				flush: [`wp_cache_flush_group('kinds');`, own],
				transient: [`set_transient('kind', uniqid(), 60);`, own],
				read: [`$found = null; wp_cache_get('kind', 'kinds', false, $found); if (false !== $found) $r['found'] = 1;`, learned],
				'read from the database': [`must_be_recorded(); get_post(${post}); get_user_meta(1, 'kind', true); wp_cache_get_multiple(array('kind'), 'kinds');`, learned],
			}
			const codes = Object.entries(cached).map(([name, [code]]) => `if ('${name}' === get_option('kind_number')) add_filter('heartbeat_received', function ($r) { ${code} return $r; });`)
			addMuPlugin(site, 'cached', `function must_be_recorded() { $GLOBALS['wp_object_cache'] instanceof Heartbeatd_Cache_Recorder || wp_die('not recorded'); }\n${codes.join('\n')}`)
			const dropIn = `${site.dir}/wp-content/object-cache.php`
			writeFileSync(dropIn, `<?php require ABSPATH . WPINC . '/cache.php';`)
			for (const [name, [, expected]] of Object.entries(cached)) {
				php(`update_option('kind_number', '${name}'); heartbeatd_reset_observations(); return 1;`)
				await person.beat('edit-post', { 'data[foreign]': '1' })
				assert.deepEqual([name, await allowed('list')], [name, expected])
			}
			rmSync(dropIn)
		})

		await t.test('a page with handles that have a prefix', async () => {
			use(0)
			addMuPlugin(site, 'prefix', `add_filter('heartbeat_received', function ($response, $data) {
				foreach (array_keys($data) as $handle) if (0 === strpos($handle, 'kind-heartbeat-')) $response[$handle] = 'answered';
				return $response;
			}, 10, 2);`)
			php(`heartbeatd_reset_observations(); return 1;`)
			const page = await open('admin', '/wp-admin/edit.php')
			await connected(page)
			const ask = async (handle) => {
				await page.evaluate((name) => wp.heartbeat.enqueue(name, { action: 'x' }), handle)
				return (await beat(page))[handle]
			}
			for (let i = 0; i < 6; i++) assert.equal(await ask(`kind-heartbeat-${i}`), 'answered')
			for (let i = 0; i < 5; i++) await beat(page)
			const before = page.beats.length
			await beat(page)
			assert.equal(page.beats.length, before, 'a beat without such a handle is native')
			for (let i = 6; i < 9; i++) assert.equal(await ask(`kind-heartbeat-${i}`), 'answered')
			assert.equal(page.beats.length, before + 3)
			await beat(page)
			assert.equal(page.beats.length, before + 3, 'and native again')
			await page.close()
			rmSync(`${site.dir}/wp-content/mu-plugins/prefix.php`)
		})

		await t.test('a page, from learning to acting', async () => {
			php(`update_option('kind_number', 'reader'); update_option('reader_on', 0); heartbeatd_reset_observations(); return 1;`)
			const page = await open('admin', '/wp-admin/edit.php')
			await connected(page)
			for (let i = 0; i < 6; i++) await beat(page)
			const before = page.beats.length
			assert.ok(before >= 5)
			for (let i = 0; i < 3; i++) assert.equal('reader' in await beat(page), false)
			assert.equal(page.beats.length, before, 'its beats are native')
			php(`update_option('reader_on', 1); return 1;`)
			await until('the effect', async () => (await beat(page)).reader === 1, 5)
			await page.close()
			assert.match(php(`return implode("\\n", array_map(fn ($item) => $item['text'] . ' ' . heartbeatd_item_help($item), heartbeatd_status_report()));`), /in which function\(\) in mu-plugins\/reader\.php:2 on the hook heartbeat_received may do something\. Observed effects: changes “reader” in the answer\./)
		})
	})
})

// makePerson is an editor who is logged in. beat resolves with what the beat's
// ticket allows, and with the response.
async function makePerson(browser, site) {
	const { request } = await logIn(browser, site, 'editor')
	const dashboard = await (await request.get(`${site.url}/wp-admin/`)).text()
	const nonce = dashboard.match(/heartbeatSettings = .*?"nonce":"(\w+)"/)[1]
	return {
		async beat(screen, data, headers = {}) {
			const answer = await request.post(`${site.url}/wp-admin/admin-ajax.php`, {
				headers, form: { action: 'heartbeat', _nonce: nonce, screen_id: screen, has_focus: 'true', interval: '60', 'data[presence-screen-ping][key]': 'x/1', ...data },
			})
			const ticket = answer.headers()['x-heartbeatd-ticket']
			const claims = ticket ? claimsOf(ticket) : {}
			return { answer, allowed: !claims.native ? 'none' : claims.repeat_until ? 'all' : 'own', fresh: claims.fresh_until - Math.floor(claims.iat) }
		},
	}
}
