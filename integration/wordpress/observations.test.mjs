// Which beats must go to PHP, as the plugin observes it during beats: by role and screen, and
// only while a foreign callback is registered.

import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { test } from 'node:test'
import { addMuPlugin, claimsOf, logIn, withPlugin } from './plugin.mjs'

test('observations of beats', { timeout: 300_000 }, async (t) => {
	await withPlugin(t, async ({ site, browser, php }) => {
		const people = {}
		for (const user of ['admin', 'editor']) people[user] = await makePerson(await browser(), site, user)
		const { admin, editor } = people
		const remove = (name) => rmSync(`${site.dir}/wp-content/mu-plugins/${name}.php`)
		const blamed = () => php(`return array_column(heartbeatd_observations()['foreign'], 'callback');`)
		const clean = async () => {
			for (const screen of ['dashboard', 'edit-post']) for (const person of [admin, editor]) assert.equal(await person.beat(screen), true)
		}
		await clean()

		await t.test('a new callback resets the observations of all screens and roles', async () => {
			addMuPlugin(site, 'nosy', `function nosy($response) { return $response; }\nadd_filter('heartbeat_received', 'nosy');`)
			assert.equal(await admin.beat('dashboard'), false)
			assert.deepEqual(blamed(), ['nosy'])
			assert.deepEqual(php(`return heartbeatd_observations()['clean'];`), [])
		})

		await t.test('after one beat without the callback it counts as removed', async () => {
			for (let i = 0; i < 2; i++) assert.equal(await editor.beat('edit-post'), false)
			remove('nosy')
			assert.deepEqual(blamed(), [], 'nobody is told of a file that is gone')
			assert.equal(await admin.beat('dashboard'), true)
			assert.equal(await admin.page('index.php'), true)
			assert.equal(await editor.page('edit.php'), false, 'nothing has been seen there since')
			await clean()
		})

		await t.test('after one beat in which it is not hooked it counts as removed', async () => {
			addMuPlugin(site, 'once', `function once($response) { return $response; }\nif (!get_option('not_once')) add_filter('heartbeat_received', 'once');`)
			assert.equal(await admin.beat('dashboard'), false)
			assert.equal(await admin.beat('edit-post'), false)
			php(`return update_option('not_once', 1);`)
			assert.equal(await admin.beat('dashboard'), true)
			assert.deepEqual(blamed(), ['once'], 'as far as is known it is hooked on the other screen')
			assert.equal(await admin.page('edit.php'), false)
			assert.equal(await admin.beat('edit-post'), true)
			assert.deepEqual(blamed(), [])
			remove('once')
			await clean()
		})

		await t.test('a callback on one screen or for one role affects only that screen or role', async () => {
			addMuPlugin(site, 'some', `function some($response) { return $response; }
				add_action('admin_init', function () {
					if (wp_doing_ajax() && 'edit-post' === ($_POST['screen_id'] ?? '') && !current_user_can('manage_options')) add_filter('heartbeat_received', 'some');
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

		await t.test('the observations are bounded, and written only when they change', async () => {
			addMuPlugin(site, 'many', `for ($i = 0; $i < 30; $i++) eval("function many_$i(\\$r) { return \\$r; } add_filter('heartbeat_received', 'many_$i');");
				add_action('update_option_heartbeatd_learned', fn () => update_option('learned_writes', 1 + get_option('learned_writes', 0)));`)
			for (let i = 0; i < 30; i++) assert.equal(await admin.beat(`screen-${i}`), false)
			const [foreign, places, writes] = php(`$l = get_option('heartbeatd_learned'); return array(count($l['foreign']), max(array_map('count', array_column($l['foreign'], 'places'))), (int) get_option('learned_writes'));`)
			assert.deepEqual([foreign, places], [20, 20])
			for (let i = 20; i < 30; i++) await admin.beat(`screen-${i}`)
			assert.equal(php(`return (int) get_option('learned_writes');`), writes)
			remove('many')
		})
	})
})

// makePerson logs a user in. beat and page return whether the ticket of the answer lets
// heartbeatd answer beats.
async function makePerson(browser, site, user) {
	const { request } = await logIn(browser, site, user)
	const dashboard = await (await request.get(`${site.url}/wp-admin/`)).text()
	const nonce = dashboard.match(/heartbeatSettings = .*?"nonce":"(\w+)"/)[1]
	const isNative = (ticket) => 'native' in claimsOf(ticket)
	return {
		async beat(screen) {
			const answer = await request.post(`${site.url}/wp-admin/admin-ajax.php`, {
				form: { action: 'heartbeat', _nonce: nonce, screen_id: screen, has_focus: 'true', interval: '60', 'data[presence-ping][screen]': screen },
			})
			return isNative(answer.headers()['x-heartbeatd-ticket'])
		},
		async page(path) {
			const html = await (await request.get(`${site.url}/wp-admin/${path}`)).text()
			return isNative(html.match(/"ticket":"([\w.-]+)"/)[1])
		},
	}
}
