// What other plugins use of the Presence API in the admin's pages: screens of their own that
// become stale, actions and filters of wp.hooks, and the React hook. In a browser on a live
// WordPress.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addMuPlugin, beat, editorOf, linked, newPost, until, withLive } from '../live/live.mjs'

// A plugin with a screen that saves without WordPress's forms. A user can break its filter.
const plugin = `
add_action('admin_menu', fn () => add_menu_page('Shop', 'Shop', 'edit_posts', 'shop', function () { echo '<div class="wrap"><h1>Shop</h1><p id="shop-count"></p><p id="shop-rows"></p><p id="shop-a"></p><div id="shop-users"></div></div>'; }));
add_filter('wp_presence_current_screen_key', fn ($key, $screen) => 'toplevel_page_shop' === $screen->id ? ($_GET['key'] ?? 'shop/orders') : $key, 10, 2);
add_filter('doing_it_wrong_trigger_error', '__return_false');
add_action('doing_it_wrong_run', fn ($name) => print("<i class='wrong'>" . esc_html($name) . '</i>'));
add_action('admin_enqueue_scripts', function () {
	wp_add_inline_script('wp-hooks', <<<'JS'
		window.heard = [];
		['watchingRoom', 'collaborationStarted', 'collaborationEnded', 'roomChanged'].forEach((name) => wp.hooks.addAction('presence-api.' + name, 'shop', (...all) => window.heard.push([name, ...all])));
		wp.hooks.addAction('presence-api.surfaceUpdated', 'shop', (key, element) => window.heard.push(['surfaceUpdated', key, element.id]));
		wp.hooks.addFilter('presence-api.liveSurfaces', 'shop', (all) => [...all,
			{ key: 'shop-count', target: () => document.getElementById('shop-count') },
			{ key: 'shop-absent', target: () => null },
			{ key: 'shop-rows', target: (id) => document.getElementById(id ? 'shop-' + id : 'shop-rows'), request: () => ['a', 'b'], apply: (element, html) => { element.textContent = 'applied ' + html } }]);
	JS);
	wp_register_script('shop', false, array('wp-presence'), false, true);
	wp_add_inline_script('shop', <<<'JS'
		function Users({ room, options }) {
			const { users, isPresent, isLoading, error } = wp.presence.usePresenceUsers(room, options);
			return wp.element.createElement('p', null, isLoading ? '…' : error ? error.code : users.map(({ displayName }) => displayName).join() + ' ' + isPresent);
		}
		window.mount = (room, options) => wp.element.createRoot(document.querySelector('#shop-users')).render(wp.element.createElement(Users, { key: Math.random(), room, options }));
	JS);
	wp_enqueue_script('shop');
});
add_filter('heartbeat_received', function ($response, $data) {
	$asked = $data['presence-fragments'] ?? array();
	if (isset($asked['shop-count'])) $response['presence-fragments'] = array('shop-count' => '<b>' . count($asked) . '</b>', 'shop-rows' => array('a' => implode(' ', $asked['shop-rows']), 'missing' => 'x'));
	return $response;
}, 10, 2);
`
const shop = '/wp-admin/admin.php?page=shop'
const notice = (page) => page.waitForFunction(() => document.querySelector('#heartbeatd-stale')?.innerText.startsWith('Editor changed this screen just now.'), null, { timeout: 10_000 })
const mark = (page, key) => page.evaluate((key) => wp.presence.markScreenStale(key).then((answer) => answer, ({ status, responseJSON }) => [status, responseJSON.code]), key)

test('the Presence API for other plugins', { timeout: 400_000 }, async (t) => {
	await withLive(t, async ({ site, php, person }) => {
		addMuPlugin(site, 'shop', plugin)
		const admin = await person('admin', { client: 'websocket' })
		const editor = await person('editor', { client: 'websocket' })

		await t.test('a plugin\'s own screen becomes stale when a script marks it', async () => {
			const mine = await admin.open(shop)
			const theirs = await editor.open(shop)
			for (const page of [mine, theirs]) await linked(page, 'websocket')
			assert.deepEqual(await mark(theirs, 'shop/orders'), { screen_key: 'shop/orders', rev: 1 })
			await notice(mine)
			assert.equal(await theirs.locator('#heartbeatd-stale').count(), 0, 'not who changed it')
			assert.deepEqual(await mark(mine, 'shop/orders'), { screen_key: 'shop/orders', rev: 2 }, 'from any page')
			await theirs.waitForFunction(() => document.querySelector('#heartbeatd-stale')?.innerText.startsWith('admin changed'), null, { timeout: 10_000 })
			for (const page of [mine, theirs]) await page.close()
		})

		await t.test('a key that is not valid, or of a screen that the user may not see, is refused', async () => {
			const page = await editor.open('/wp-admin/')
			assert.deepEqual(await mark(page, 'Shop!'), [400, 'rest_invalid_param'])
			assert.deepEqual(await mark(page, 'options/general'), [403, 'rest_forbidden'])
			await page.goto(`${editor.url}${shop}&key=Not+valid`)
			assert.equal(await page.evaluate(() => window.heartbeatdUi.screen), null)
			assert.match(await page.content(), /class="wrong">wp_presence_current_screen_key</)
			await page.close()
		})

		await t.test('a nonce that a tick renews is used', async () => {
			const page = await editor.open(shop)
			const sent = page.waitForRequest((request) => request.url().includes('screen-revisions/stale'))
			await page.evaluate(() => {
				wp.hooks.doAction('heartbeat.tick', { rest_nonce: 'renewed' })
				wp.presence.markScreenStale('shop/orders').catch(() => {})
			})
			assert.equal((await sent).headers()['x-wp-nonce'], 'renewed')
			await page.close()
		})

		await t.test('actions tell that others edit the same post, and that a room has changed', async () => {
			await editor.uses({ client: 'websocket', editor: 'classic' })
			const id = newPost(php, 'Together', editor.id)
			const room = `postType/post:${id}`
			const mine = await editor.open(editorOf(id))
			await linked(mine, 'websocket')
			const heard = (page, name) => page.evaluate((name) => window.heard.filter(([is]) => is === name).map(([, ...all]) => all), name)
			assert.deepEqual(await heard(mine, 'watchingRoom'), [[room]])
			await until('the own entry', async () => (await heard(mine, 'roomChanged')).some(([is]) => is === room))
			const theirs = await admin.open(editorOf(id))
			await linked(theirs, 'websocket')
			await until('the start', async () => (await heard(mine, 'collaborationStarted')).length)
			assert.deepEqual([await heard(mine, 'collaborationStarted'), await heard(mine, 'collaborationEnded')], [[[room, 2]], []])
			await theirs.evaluate(() => wp.heartbeat.transport.leave())
			await theirs.close()
			await until('the end', async () => (await heard(mine, 'collaborationEnded')).length)
			assert.deepEqual([await heard(mine, 'collaborationStarted'), await heard(mine, 'collaborationEnded')], [[[room, 2]], [[room, 1]]])
			await mine.close()
		})

		await t.test('PHP keeps the surfaces of a plugin up to date', async () => {
			const page = await admin.open(shop)
			await linked(page, 'websocket')
			await beat(page)
			assert.deepEqual(await page.evaluate(() => ['shop-count', 'shop-a', 'shop-rows'].map((id) => document.getElementById(id).innerHTML)), ['<b>2</b>', 'applied a b', ''])
			const updates = () => page.evaluate(() => window.heard.filter(([name, key]) => name === 'surfaceUpdated' && key !== 'admin-bar').map(([, ...all]) => all))
			assert.deepEqual(await updates(), [['shop-count', 'shop-count'], ['shop-rows', 'shop-a']])
			await beat(page)
			assert.equal((await updates()).length, 2, 'the same again changes nothing')
			assert.ok(await page.evaluate(() => window.heard.some(([name, key]) => name === 'surfaceUpdated' && key === 'admin-bar')))
			await page.close()
		})

		await t.test('the hook has the users of a room, without requests where the page hears it', async () => {
			const page = await admin.open(shop)
			const requests = []
			page.on('request', (request) => request.url().includes('wp-presence') && requests.push(new URL(request.url()).searchParams.get('room')))
			await linked(page, 'websocket')
			const other = await editor.open('/wp-admin/')
			await linked(other, 'websocket')
			const says = (text) => until(`${text}`, async () => await page.innerText('#shop-users') === text)
				.catch(async (error) => assert.fail(`${error.message}: ${await page.innerText('#shop-users')}`))
			await page.evaluate(() => window.mount('admin/online'))
			await says('Editor true')
			await page.evaluate(() => window.mount('admin/online', { includeSelf: true }))
			await says('admin,Editor true')
			await beat(page)
			assert.deepEqual(requests, [])
			await page.evaluate(() => window.mount(null))
			await says('false')

			php(`return wp_set_presence('shop/orders', 'tab', array(), ${editor.id});`)
			await page.evaluate(() => {
				window.ticks = 0
				jQuery(document).on('heartbeat-tick', () => window.ticks++)
				window.mount('shop/orders')
			})
			await says('Editor true')
			php(`return wp_remove_presence('shop/orders', 'tab');`)
			await beat(page)
			await says('false')
			const made = [...requests]
			const ticks = await page.evaluate(() => window.ticks)
			assert.deepEqual([...new Set(made)], ['shop/orders'])
			assert.ok(made.length >= 2 && made.length <= 1 + ticks, `${made.length} requests: one at first, and one for each of ${ticks} ticks`)
			await page.evaluate(() => window.mount('postType/post:999999'))
			await says('rest_forbidden')
			await other.close()
			await page.close()
		})
	})
})
