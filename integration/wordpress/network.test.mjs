// A WordPress network with one heartbeatd and one secret: the sites are separate.

import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { startWatch, until } from '../browser/harness.mjs'
import { makeNetwork } from './network.mjs'
import { beat, connected, withPlugin } from './plugin.mjs'

test('a network', { timeout: 300_000 }, async (t) => {
	await withPlugin(t, async ({ site, server, php, open }) => {
		const second = makeNetwork(site, php)
		assert.equal(second, 2)
		const observed = await startWatch(t, server)

		const here = await open('admin', '/wp-admin/')
		const there = await open('admin', '/second/wp-admin/')
		for (const page of [here, there]) {
			await connected(page)
			await beat(page)
		}
		const kid = (page) => page.evaluate(() => JSON.parse(atob(heartbeatSettings.heartbeatd.ticket.split('.')[0])).kid)

		await t.test('each site has its own rooms', async () => {
			assert.deepEqual([await kid(here), await kid(there)], ['default', 'default-2'])
			const people = (page) => page.evaluate(() => wp.heartbeat.room('admin/online').entries.map((entry) => `${entry.client_id} ${entry.data.screen}`))
			const admin = [`user-${site.users.admin.id} dashboard`]
			await until('the rooms', async () => (await people(here)).length && (await people(there)).length)
			assert.deepEqual([await people(here), await people(there)], [admin, admin])
			await until('both, on NATS', () => new Set(observed.map((line) => line.site)).size === 2)
			assert.equal(php(`switch_to_blog(2); return wp_get_presence(wp_presence_admin_room())[0]->data['screen'];`), 'dashboard')
			const counts = php(`eval('namespace WP_CLI\\\\Utils; function format_items($format, $items, $fields) { $GLOBALS["shown"] = $items; }');
				foreach (array('cli', 'cli-network') as $file) require WP_PLUGIN_DIR . "/heartbeatd/includes/presence-api/$file.php";
				heartbeatd_presence_cli_network(array(), array()); return $GLOBALS['shown'];`)
			assert.deepEqual(counts, [[1, '/'], [2, '/second/']].map(([id, path]) => ({ blog_id: id, url: site.url + path, users: 1, entries: 1 })))
		})

		await t.test('a push goes to one site only', async () => {
			for (const page of [here, there]) await page.evaluate(() => jQuery(document).on('heartbeat-push', (event, push) => { window.pushed = push.data }))
			php(`switch_to_blog(2); heartbeatd_push('all', 'for the second'); heartbeatd_push('user:${site.users.admin.id}', 'for the second'); restore_current_blog();`)
			await there.waitForFunction(() => window.pushed === 'for the second')
			php(`heartbeatd_push('all', 'for the first');`)
			await here.waitForFunction(() => window.pushed)
			assert.equal(await here.evaluate(() => window.pushed), 'for the first')
			assert.equal(await there.evaluate(() => window.pushed), 'for the second')
		})

		await t.test('an administrator of one site has no key for another', () => {
			assert.deepEqual(php(`switch_to_blog(2); update_option('heartbeatd', array('site' => 'default', 'api' => 'http://10.0.0.1', 'url' => 'https://elsewhere.example'));
				return array_map('heartbeatd_setting', array('site', 'api', 'url'));`), ['default-2', server.admin, '/heartbeat'])
		})

		await t.test('an administrator of one site chooses no address, whose secret is their own', () => {
			const file = `${site.dir}/wp-config.php`
			const config = readFileSync(file, 'utf8')
			writeFileSync(file, config.replace(/^define\('HEARTBEATD_.*\n/gm, ''))
			const own = `array('secret' => 'own', 'api' => 'http://10.0.0.1', 'url' => 'https://elsewhere.example')`
			assert.deepEqual(php(`switch_to_blog(2); update_option('heartbeatd', ${own}); return array_map('heartbeatd_setting', array('secret', 'api', 'url'));`), ['own', 'http://127.0.0.1:8081', '/heartbeat'])
			const notes = ['https://elsewhere.example', 'http://10.0.0.1'].map((value, i) => `The saved value “${value}” has no effect on a network: set \`HEARTBEATD_${['URL', 'API'][i]}\` in \`wp-config.php\`.`)
			assert.deepEqual(php(`switch_to_blog(2); return array_column(heartbeatd_report_ignored_settings(), 'detail');`), notes)
			assert.deepEqual(php(`switch_to_blog(2); return array_map('heartbeatd_constant_note', array('url', 'api'));`), notes)
			assert.deepEqual(php(`update_option('heartbeatd', array('api' => 'http://127.0.0.1:8081')); return array(heartbeatd_report_ignored_settings(), heartbeatd_constant_note('api'));`), [[], 'On a network, only `HEARTBEATD_API` in `wp-config.php` sets it.'])
			php(`update_option('heartbeatd', array()); return 1;`)
			const password = 'http://ann:a-p@ssword@127.0.0.1:8081'
			writeFileSync(file, config.replace(/^define\('HEARTBEATD_API'.*\n/m, `define('HEARTBEATD_API', '${password}');\n`))
			const shown = php(`update_option('heartbeatd', array('url' => '${password}')); ob_start(); heartbeatd_print_field('api', 'API', '');
				return array(heartbeatd_finding('api-unreachable')['text'], ob_get_clean(), heartbeatd_ignored_note('HEARTBEATD_API', '${password}'));`)
			for (const text of shown) assert.ok(text.includes('http://127.0.0.1:8081') && !text.includes('ssword'), text)
			php(`update_option('heartbeatd', array()); return 1;`)
			writeFileSync(file, config)
			assert.deepEqual(php(`return heartbeatd_constant_note('api');`), 'Set in `wp-config.php`, as `HEARTBEATD_API`.')
		})

		await t.test('a refused key may mean that heartbeatd does not know of the network', () => {
			const found = php(`switch_to_blog(2); return heartbeatd_report_error(new WP_Error('bad_key', 'no', array('status' => 401)), true);`)
			assert.equal(found.name, 'wrong-secret')
			assert.match(found.fix, /For a WordPress network, .*--site-network/)
		})

		await t.test('a change of a network option makes callbacks unknown that read it', () => {
			const reads = (what) => php(`foreach (array('add', 'update', 'delete') as $what) {
					foreach (array(1, 2) as $id) {
						switch_to_blog($id);
						update_option('heartbeatd_learned', array('reads' => array('c1' => array('network:${what}kind_read'))) + heartbeatd_observations());
						heartbeatd_index_network_reads(array('f' => array('effects' => array(), 'reads' => array('network:${what}kind_read'))));
						restore_current_blog();
					}
					${what ? `'delete' === $what ? delete_site_transient('kind_read') : set_site_transient('kind_read', uniqid())` : `'delete' === $what ? delete_site_option('kind_read') : update_site_option('kind_read', uniqid())`};
					foreach (array(1, 2) as $id) $left[] = get_blog_option($id, 'heartbeatd_learned')['reads'];
				}
				foreach (array(1, 2) as $id) { switch_to_blog($id); heartbeatd_reset_observations(); restore_current_blog(); }
				return array_merge($left, array(get_site_option('heartbeatd_network_reads')));`)
			assert.deepEqual(reads(''), Array(7).fill([]))
			assert.deepEqual(reads('_transient_'), Array(7).fill([]))
			assert.deepEqual(php(`$running = &heartbeatd_running_callbacks(); $running[] = array('effects' => array(), 'reads' => array());
				foreach (array('pre_site_option_x', 'pre_option_x', 'pre_site_transient_x', 'pre_site_option_heartbeatd_x') as $hook) heartbeatd_watch_hook($hook);
				return array_keys($running[0]['reads']);`), ['network:x', 'x', 'network:_transient_x'])
			assert.deepEqual(php(`update_site_option('heartbeatd_network_reads', array('network:y' => array_fill(1, 1999, 1)));
				return heartbeatd_index_network_reads(array('f' => array('effects' => array(), 'reads' => array('network:x'))))['f']['effects'];`), ['reads'], 'the list is full')
			php(`return delete_site_option('heartbeatd_network_reads');`)
		})

		await t.test('a change of the network\'s recording switch writes the copies of all sites', () => {
			const copies = () => php(`return array(get_blog_option(1, 'heartbeatd_network_recording'), get_blog_option(2, 'heartbeatd_network_recording'));`)
			assert.deepEqual(copies(), [{ 1: null }, { 1: null }])
			php(`update_site_option('wp_presence_network_recording', '0');`)
			assert.deepEqual(copies(), [{ 1: '0' }, { 1: '0' }])
			php(`delete_site_option('wp_presence_network_recording');`)
		})

		await t.test('a failed revocation of a user is repeated for all sites', () => {
			const id = site.users.editor.id
			const [bodies, left] = php(`$bodies = array(); $down = true;
				add_filter('pre_http_request', function ($r, $args, $url) use (&$bodies, &$down) {
					if (strpos($url, '/revoke')) $bodies[] = array_diff_key(json_decode($args['body'], true), array('until_ms' => 1));
					return $down ? new WP_Error('down', 'down') : array('response' => array('code' => 202), 'body' => '{}', 'headers' => array());
				}, 10, 3);
				heartbeatd_revoke_user(${id}); heartbeatd_flush();
				$down = false; update_option('heartbeatd_failures', array());
				heartbeatd_push('all', 1); heartbeatd_flush();
				return array($bodies, get_option('heartbeatd_unrevoked'));`)
			assert.deepEqual(bodies.map(({ serial, ...body }) => body), [{ user: id }, { all: true }, { user: id }])
			assert.ok(bodies[2].serial > bodies[0].serial)
			assert.equal(Number(left), 0)
		})

		await t.test('a log-out revokes the tickets of both sites', async () => {
			php(`WP_Session_Tokens::get_instance(${site.users.admin.id})->destroy_all();`)
			// A slow call is repeated later; then the pages notice with their next beats.
			for (const page of [here, there]) await page.waitForSelector('#wp-auth-check-wrap:not(.hidden)', { state: 'attached', timeout: 90_000 })
		})

		await t.test('an activation for the network forgets the samples of all sites', () => {
			const since = (ago) => php(`require_once ABSPATH . 'wp-admin/includes/plugin.php';
				deactivate_plugins('heartbeatd/heartbeatd.php');
				foreach (array(1, 2) as $id) update_blog_option($id, 'heartbeatd_samples', array('since' => time() - ${ago}, 'days' => array()));
				$r = activate_plugin('heartbeatd/heartbeatd.php', '', true); if (is_wp_error($r)) throw new Exception($r->get_error_message());
				foreach (array(1, 2) as $id) { switch_to_blog($id); $since[] = heartbeatd_samples()['since']; restore_current_blog(); }
				return $since;`)
			assert.deepEqual(since(100), [0, 0])
			assert.ok(since(-100)[1] > 0, 'beats after the activation count')
		})

		await t.test('uninstalling removes all data on every site', () => {
			const serial = php(`return (float) heartbeatd_increase_site_serial();`)
			php(`foreach (array(1, 2) as $id) { switch_to_blog($id); update_option('heartbeatd', array('site' => 'x')); update_option('heartbeatd_samples', array('since' => $id, 'days' => array()), false); restore_current_blog(); }
				require_once ABSPATH . 'wp-admin/includes/plugin.php'; deactivate_plugins('heartbeatd/heartbeatd.php'); uninstall_plugin('heartbeatd/heartbeatd.php');`)
			assert.deepEqual(php(`global $wpdb; $left = array(); foreach (array('wp_options', 'wp_2_options') as $table) $left = array_merge($left, $wpdb->get_col("SELECT option_name FROM $table WHERE option_name LIKE '%heartbeatd%'"), $wpdb->get_col("SELECT option_name FROM $table WHERE option_name LIKE '%presence%'")); $sitemeta = $wpdb->get_col("SELECT meta_key FROM wp_sitemeta WHERE meta_key LIKE '%heartbeatd/%' OR meta_key LIKE '%heartbeatd\\_%'"); return array_merge($left, $sitemeta);`), [])
			// heartbeatd still has the revocations of the earlier installation.
			php(`require_once ABSPATH . 'wp-admin/includes/plugin.php'; return activate_plugin('heartbeatd/heartbeatd.php');`)
			assert.ok(php(`return (float) get_option('heartbeatd_serial');`) > serial)
		})
	}, { flags: ['--site-network'] })
})
