// Which beats must go to PHP, as the plugin observes it during beats: by role and screen, and
// only while a foreign callback is registered.

import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { test } from 'node:test'
import { until } from '../browser/harness.mjs'
import { addMuPlugin, beat, claimsOf, connected, logIn, nativeHandles, withPlugin } from './plugin.mjs'

test('observations of beats', { timeout: 300_000 }, async (t) => {
	await withPlugin(t, async ({ site, browser, php, open }) => {
		const people = {}
		for (const user of ['admin', 'editor']) people[user] = await makePerson(await browser(), site, user)
		const { admin, editor } = people
		const remove = (name) => rmSync(`${site.dir}/wp-content/mu-plugins/${name}.php`)
		const blamed = () => php(`return array_column(heartbeatd_observations()['foreign'], 'callback');`)
		const clean = async () => {
			for (const screen of ['dashboard', 'edit-post']) for (const person of [admin, editor]) assert.equal(await person.beat(screen), true)
		}
		await clean()

		await t.test('a beat loads the code that learns only if it has a callback to learn about', async () => {
			addMuPlugin(site, 'loaded', `
				register_shutdown_function(fn () => wp_doing_ajax() && update_option('loaded', function_exists('heartbeatd_learn_effects') ? 'yes' : 'no'));
				add_action('admin_init', fn () => 'profile' === ($_POST['screen_id'] ?? '') && update_option('active_plugins', array_merge(get_option('active_plugins'), array('gone/gone.php'))));`)
			const loaded = () => php(`return get_option('loaded');`)
			assert.equal(await admin.beat('dashboard'), true)
			assert.equal(loaded(), 'no')
			addMuPlugin(site, 'nosy', `function nosy($response) { return $response; }\nadd_filter('heartbeat_send', 'nosy');`)
			assert.equal(await admin.beat('dashboard'), false)
			await until('what the beat does after its answer', () => loaded() === 'yes')
			remove('nosy')
			await admin.beat('profile') // Changes which plugins are active.
			remove('loaded')
			php(`return update_option('active_plugins', array_diff(get_option('active_plugins'), array('gone/gone.php')));`)
			await clean()
		})

		await t.test('the hash of the code changes with plugins that another one disables in a request', () => {
			assert.deepEqual(php(`$before = heartbeatd_code_fingerprint(); add_filter('option_active_plugins', fn ($plugins) => $plugins); $same = heartbeatd_code_fingerprint();
				add_filter('option_active_plugins', '__return_empty_array'); return array($same === $before, heartbeatd_code_fingerprint() === $before);`), [true, false])
		})

		await t.test('a new callback resets the observations of all screens and roles', async () => {
			addMuPlugin(site, 'nosy', `function nosy($response) { return $response; }\nadd_filter('heartbeat_send', 'nosy');`)
			assert.equal(await admin.beat('dashboard'), false)
			assert.deepEqual(blamed(), ['nosy'])
			assert.deepEqual(php(`return heartbeatd_observations()['native'];`), [])
		})

		await t.test('after one beat without the callback it counts as removed', async () => {
			for (let i = 0; i < 2; i++) assert.equal(await editor.beat('edit-post'), false)
			remove('nosy')
			assert.deepEqual(blamed(), [], 'a callback whose file is gone is not reported')
			assert.equal(await admin.beat('dashboard'), true)
			assert.equal(await admin.page('index.php'), true)
			assert.equal(await editor.page('edit.php'), false, 'no beat of that screen has been observed since')
			await clean()
		})

		await t.test('after one beat in which it is not hooked it counts as removed', async () => {
			addMuPlugin(site, 'once', `function once($response) { return $response; }\nif (!get_option('not_once')) add_filter('heartbeat_send', 'once');`)
			assert.equal(await admin.beat('dashboard'), false)
			assert.equal(await admin.beat('edit-post'), false)
			php(`return update_option('not_once', 1);`)
			assert.equal(await admin.beat('dashboard'), true)
			assert.deepEqual(blamed(), ['once'], 'it was hooked in the last beat of the other screen')
			assert.equal(await admin.page('edit.php'), false)
			assert.equal(await admin.beat('edit-post'), true)
			assert.deepEqual(blamed(), [])
			remove('once')
			await clean()
		})

		await t.test('a callback on one screen or for one role affects only that screen or role', async () => {
			addMuPlugin(site, 'some', `function some($response) { return $response; }
				add_action('admin_init', function () {
					if (wp_doing_ajax() && 'edit-post' === ($_POST['screen_id'] ?? '') && !current_user_can('manage_options')) add_filter('heartbeat_send', 'some');
				});`)
			assert.equal(await editor.beat('edit-post'), false)
			for (let i = 0; i < 3; i++) {
				assert.equal(await editor.beat('dashboard'), true)
				assert.equal(await editor.beat('edit-post'), false)
				assert.equal(await editor.page('edit.php'), false)
				assert.equal(await admin.beat('edit-post'), true)
				assert.equal(await admin.page('edit.php'), true)
			}
			assert.deepEqual(blamed(), ['some'])
			remove('some')
			await clean()
		})

		await t.test('hooks that no native beat reaches do not matter', async () => {
			addMuPlugin(site, 'unreached', `function unreached($response = null) { return $response; }
				foreach (array('wp_refresh_nonces', 'heartbeat_nopriv_received', 'heartbeat_nopriv_send', 'heartbeat_nopriv_tick', 'wp_ajax_nopriv_heartbeat') as $hook) add_filter($hook, 'unreached');
				add_action('wp_ajax_heartbeat', 'unreached', 2);`)
			for (const screen of ['dashboard', 'edit-post', 'profile']) assert.deepEqual(await admin.claims(screen), everything)
			assert.deepEqual(blamed(), [])
			addMuPlugin(site, 'reached', `function reached() {}\nadd_action('wp_ajax_heartbeat', 'reached', 1);`)
			assert.deepEqual(await admin.claims('dashboard'), [undefined, false], 'it runs before core answers')
			for (const name of ['reached', 'unreached']) remove(name)
			await clean()
		})

		await t.test('a callback on heartbeat_received does not matter for beats with our own handles', async () => {
			addMuPlugin(site, 'received', `function received($response) { $response['received'] = 1; return $response; }\nadd_filter('heartbeat_received', 'received');`)
			assert.deepEqual(await admin.claims('dashboard'), ownHandles)
			assert.equal(await editor.page('index.php'), true, 'the level of a clean place becomes that of own handles')
			for (const screen of ['edit-post', 'post', 'profile']) assert.deepEqual(await admin.claims(screen), ownHandles)
			assert.deepEqual(blamed(), ['received'])

			php(`return wp_insert_post(array('post_title' => 'In the list', 'post_status' => 'publish'));`)
			const [dashboard, list] = [await open('admin', '/wp-admin/'), await open('admin', '/wp-admin/edit.php')]
			for (const page of [dashboard, list]) await connected(page)
			for (let i = 0; i < 3; i++) {
				assert.equal('received' in await beat(dashboard), false)
				assert.equal((await beat(list)).received, 1)
			}
			assert.equal(dashboard.beats.length, 0, 'none of the dashboard went to PHP')
			assert.ok(list.beats.length >= 3)
			await dashboard.evaluate(() => wp.heartbeat.enqueue('foreign', 1))
			assert.equal((await beat(dashboard)).received, 1, 'another handle is for PHP')
			for (const page of [dashboard, list]) await page.close()

			addMuPlugin(site, 'sent', `function sent($response) { return $response; }\nadd_filter('heartbeat_send', 'sent');`)
			assert.deepEqual(await admin.claims('dashboard'), [undefined, false], 'others matter for every beat')
			remove('sent')
			remove('received')
			await clean()
		})

		await t.test('an update of translations changes no code', async () => {
			const before = php(`return get_option('heartbeatd_learned');`)
			assert.ok(before.native)
			assert.deepEqual(php(`heartbeatd_reset_observations(null, array('type' => 'translation')); return get_option('heartbeatd_learned');`), before)
			assert.deepEqual(php(`heartbeatd_reset_observations(null, array('type' => 'plugin')); return get_option('heartbeatd_learned');`), [])
			await clean()
		})

		await t.test('the observations are bounded, and written only when they change', async () => {
			addMuPlugin(site, 'many', `for ($i = 0; $i < 30; $i++) eval("function many_$i(\\$r) { return \\$r + array('many_$i' => 1); } add_filter('heartbeat_send', 'many_$i');");
				add_action('update_option_heartbeatd_learned', fn () => update_option('learned_writes', 1 + get_option('learned_writes', 0)));`)
			await admin.beat('invented')
			assert.equal(php(`return (int) get_option('learned_writes');`), 0, 'no page of this screen was printed')
			php(`wp_set_current_user(1); for ($i = 0; $i < 50; $i++) heartbeatd_record_screen("screen-$i"); return 1;`)
			for (let i = 0; i < 30; i++) assert.equal(await admin.beat(`screen-${i}`), false)
			for (let i = 30; i < 50; i++) await admin.beat(`screen-${i}`)
			const [foreign, places, screens, writes] = php(`$l = get_option('heartbeatd_learned'); return array(count($l['foreign']), max(array_map('count', array_column($l['foreign'], 'places'))), max(array_map('count', $l['silent'])), (int) get_option('learned_writes'));`)
			assert.deepEqual([foreign, places, screens], [20, 20, 40])
			for (let i = 20; i < 50; i++) await admin.beat(`screen-${i}`)
			assert.equal(php(`return (int) get_option('learned_writes');`), writes)
			remove('many')
		})
	})
})

// The claims of a ticket about native beats: the handles, and whether answers about locks may be
// repeated.
const everything = [nativeHandles, true]
const ownHandles = [nativeHandles.filter((handle) => handle.startsWith('presence-')), false]

// Logs a user in. beat and page return whether the ticket of a beat or a page allows heartbeatd
// to answer beats.
async function makePerson(browser, site, user) {
	const { request } = await logIn(browser, site, user)
	const dashboard = await (await request.get(`${site.url}/wp-admin/`)).text()
	const nonce = dashboard.match(/heartbeatSettings = .*?"nonce":"(\w+)"/)[1]
	const isNative = (ticket) => 'native' in claimsOf(ticket)
	const ticketOf = async (screen) => {
		const answer = await request.post(`${site.url}/wp-admin/admin-ajax.php`, {
			form: { action: 'heartbeat', _nonce: nonce, screen_id: screen, has_focus: 'true', interval: '60', 'data[presence-ping][screen]': screen },
		})
		return answer.headers()['x-heartbeatd-ticket']
	}
	return {
		beat: async (screen) => isNative(await ticketOf(screen)),
		async claims(screen) {
			const claims = claimsOf(await ticketOf(screen))
			return [claims.native, 'repeat_until' in claims]
		},
		async page(path) {
			const html = await (await request.get(`${site.url}/wp-admin/${path}`)).text()
			return isNative(html.match(/"ticket":"([\w.-]+)"/)[1])
		},
	}
}
