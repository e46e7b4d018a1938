// Presence in beats that PHP answers and in tickets, and stale screens, on a live WordPress with
// heartbeatd.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '../../browser/harness.mjs'
import { addMuPlugin, claimsOf, withPlugin } from '../plugin.mjs'
import { logIn } from './person.mjs'

test('presence in beats, tickets and screens', { timeout: 400_000 }, async (t) => {
	await withPlugin(t, async ({ site, server, php, ask }) => {
		const { admin, editor, author } = site.users
		const people = Object.fromEntries(await Promise.all(Object.keys(site.users).map(async (name) => [name, await logIn(site, name)])))
		const posts = php(`$ids = array(); foreach (array('One & <b>Two</b>', '', str_repeat('é', 90)) as $title) $ids[] = wp_insert_post(array('post_title' => $title, 'post_content' => 'x', 'post_status' => 'publish', 'post_author' => ${editor.id})); return $ids;`)
		const all = () => ask('return heartbeatd_presence_list_all(array());')
		const reset = () => ask(`array_map('wp_remove_user_presence', array(${Object.values(site.users).map(({ id }) => id)})); update_option('heartbeatd_failures', array()); return 1;`)
		// The calls of a beat are sent after its tick.
		const written = (what, wanted) => until(what, async () => (await all()).length === wanted)
		t.beforeEach(reset)

		await t.test('the plugin ignores other handles', () => {
			assert.deepEqual(php('return heartbeatd_foreign_callbacks();'), [])
		})

		await t.test('a ping is answered with the room, and other users see its entry', async () => {
			const first = await people.editor.beat({ 'presence-ping': { screen: 'edit-post', title: ' <b>Posts</b>  ', post_id: posts[0] } })
			const [me, ...nobody] = first['presence-online']
			assert.deepEqual([me, nobody], [{ user_id: editor.id, display_name: 'Editor', avatar_url: me.avatar_url, screen: 'edit-post', screen_label: 'Posts', date_gmt: me.date_gmt }, []], 'a tick says what its beat did')
			await written('the entry', 1)
			assert.deepEqual((await all())[0].data, { screen: 'edit-post', screen_label: 'Posts', title: 'Posts', post_id: posts[0] })
			const second = await people.admin.beat({ 'presence-ping': { screen: 'some_new-screen' } })
			assert.deepEqual(second['presence-online'].map(({ user_id, screen_label }) => [user_id, screen_label]).sort(), [[admin.id, 'Some New Screen'], [editor.id, 'Posts']])
			assert.equal('presence-online-total' in second, false)

			await people.author.rest('POST', '/wp-presence/v1/presence', { room: 'admin/online', client_id: 'odd', data: { screen: ['x'], screen_label: { y: 1 } } })
			const odd = (await people.editor.beat({ 'presence-ping': { screen: 'dashboard' } }))['presence-online'].find(({ user_id }) => user_id === author.id)
			assert.deepEqual([odd.screen, odd.screen_label], ['', ''])
			assert.equal('presence-online' in await people.editor.beat({ other: 1 }), false, 'asked for nothing')
			assert.equal('presence-online' in await people.subscriber.beat({ 'presence-ping': { screen: 'dashboard' }, 'presence-active-posts-ping': true }), false, 'a subscriber sees nothing')
			assert.equal((await all()).some(({ user_id: id }) => id === site.users.subscriber.id), false)
		})

		await t.test('a screen has the label of its area, and a page of the site its title', async () => {
			const label = async (ping) => (await people.editor.beat({ 'presence-ping': ping }))['presence-online'][0].screen_label
			const labels = { dashboard: 'Dashboard', 'options-writing': 'Settings', 'plugin-install': 'Plugins', 'user-edit': 'Users', 'edit-category': 'Categories', post: 'Edit Post', front: 'Website', my_tool: 'My Tool' }
			for (const [screen, expected] of Object.entries(labels)) assert.equal(await label({ screen }), expected, screen)
			assert.equal(await label({ screen: 'front', title: ' About <i>us</i>' }), 'About us')
			assert.equal(await label({ screen: 'dashboard', title: 'About us' }), 'Dashboard')
		})

		await t.test('ticks have idle, and the answers of the Presence API do not', async () => {
			php(`return heartbeatd_call_api('PUT', '/presence', array('idle' => true) + heartbeatd_presence_create_entry('admin/online', 'user-${author.id}', array(), ${author.id}));`)
			const online = async () => Object.fromEntries((await people.editor.beat({ 'presence-ping': { screen: 'upload' } }))['presence-online'].map((item) => [item.user_id, item]))
			await online()
			await written('both', 2)
			assert.deepEqual([(await online())[author.id].idle, 'idle' in (await online())[editor.id]], [true, false])
			const { body } = await people.editor.rest('GET', '/wp-presence/v1/presence', { room: 'admin/online' })
			assert.deepEqual(body.map((entry) => Object.keys(entry).join()), Array(2).fill('room,client_id,user_id,display_name,avatar_url,data,date_gmt'))
			assert.deepEqual(php(`return array_map(fn ($entry) => array_keys(get_object_vars($entry)), wp_get_presence('admin/online'));`), Array(2).fill(['room', 'client_id', 'user_id', 'data', 'date_gmt']))
		})

		await t.test('a tab without the focus does not replace the entry of the focused tab', async () => {
			await people.editor.beat({ 'presence-ping': { screen: 'dashboard' } }, { conn: 'tab-one-of-it' })
			await written('the entry', 1)
			const screens = async (options) => (await people.editor.beat({ 'presence-ping': { screen: 'upload' } }, options))['presence-online'].map(({ screen }) => screen)
			assert.deepEqual(await screens({ focus: false, conn: 'tab-two-of-it' }), ['dashboard'])
			assert.deepEqual(await screens({ focus: true, conn: 'tab-two-of-it' }), ['upload'])
		})

		await t.test('an entry belongs to the connection id that its page sends', async () => {
			const key = php('return heartbeatd_api_key();')
			const remove = (conn) => fetch(`${server.admin}/api/v1/presence?room=admin/online&client_id=user-${editor.id}&conn=${conn}`, { method: 'DELETE', headers: { authorization: `Bearer ${key}` } })
			await people.editor.beat({ 'presence-ping': { screen: 'dashboard' } }, { conn: 'tab-one-of-it' })
			await written('the entry', 1)
			await remove('poll')
			assert.equal((await all()).length, 1)
			await remove('tab-one-of-it')
			await written('no entry', 0)
			await people.editor.beat({ 'presence-ping': { screen: 'dashboard' } }, { conn: 'x y' })
			await written('the entry of a page without a usable id', 1)
			await remove('poll')
			await written('no entry', 0)
		})

		await t.test('an editor and its lock have entries in the post\'s room', async () => {
			await people.editor.beat({ 'presence-editor-ping': { post_id: posts[0] }, 'wp-refresh-post-lock': { post_id: posts[0], lock: '' } }, { screen: 'post' })
			await written('both entries', 2)
			const entries = (await all()).sort((a, b) => a.client_id.localeCompare(b.client_id))
			const about = { post_id: posts[0], post_type: 'post', post_status: 'publish', title: 'One & Two' }
			assert.deepEqual(entries.map(({ room, client_id, user_id, data }) => ({ room, client_id, user_id, data })), [
				{ room: `postType/post:${posts[0]}`, client_id: `editor-${editor.id}`, user_id: editor.id, data: { action: 'editing', screen: 'post', ...about } },
				{ room: `postType/post:${posts[0]}`, client_id: `lock-${editor.id}`, user_id: editor.id, data: { action: 'lock', ...about } },
			])
			php(`require_once ABSPATH . 'wp-admin/includes/post.php'; wp_set_current_user(${editor.id}); wp_set_post_lock(${posts[0]}); return 1;`)
			await reset()
			const tick = await people.admin.beat({ 'wp-refresh-post-lock': { post_id: posts[0], lock: '' } }, { screen: 'post' })
			assert.ok(tick['wp-refresh-post-lock'].lock_error)
			await people.author.beat({ 'presence-editor-ping': { post_id: posts[0] }, 'wp-refresh-post-lock': { post_id: posts[0], lock: '' } }, { screen: 'post' })
			await people.author.beat({ 'presence-editor-ping': { post_id: 999999 } })
			await people.author.beat({ 'presence-ping': { screen: 'dashboard' } })
			await written('the ping', 1)
			assert.deepEqual((await all()).map(({ client_id: id }) => id), [`user-${author.id}`], 'nobody is in a post\'s room who has no lock or may not edit it')
		})

		await t.test('active posts: only for users who may edit them, each editor once', async () => {
			for (const id of posts) await people.editor.beat({ 'presence-editor-ping': { post_id: id }, 'wp-refresh-post-lock': { post_id: id, lock: '' } }, { screen: 'post' })
			await written('the entries', 6)
			php(`heartbeatd_call_api('PUT', '/presence', array('date_gmt' => gmdate('Y-m-d H:i:s', time() - 31)) + heartbeatd_presence_create_entry('postType/post:${posts[0]}', 'editor-${admin.id}', array(), ${admin.id})); return 1;`)
			php(`foreach (array('editor', 'lock') as $kind) heartbeatd_call_api('PUT', '/presence', array('date_gmt' => gmdate('Y-m-d H:i:s', time() - 40), 'idle' => 'editor' !== $kind) + heartbeatd_presence_create_entry('postType/post:${posts[0]}', "$kind-${author.id}", array(), ${author.id})); return 1;`)
			const { 'presence-active-posts': active } = await people.admin.beat({ 'presence-active-posts-ping': true })
			const byId = Object.fromEntries(active.map((post) => [post.post_id, post]))
			assert.deepEqual(posts.map((id) => byId[id].post_title), ['One & Two', '(no title)', 'é'.repeat(80)])
			const [me, idle, working] = byId[posts[0]].editors
			assert.deepEqual(byId[posts[0]], {
				post_id: posts[0], post_title: 'One & Two', post_type: 'post', edit_url: `${site.url}/wp-admin/post.php?post=${posts[0]}&action=edit`,
				editors: [{ user_id: editor.id, display_name: 'Editor', avatar_url: me.avatar_url, status: 'active' }, { user_id: admin.id, display_name: 'admin', avatar_url: idle.avatar_url, status: 'idle' }, { user_id: author.id, display_name: 'Author', avatar_url: working.avatar_url, status: 'active' }],
			}, 'what pages report decides, else the date')
			assert.deepEqual((await people.author.beat({ 'presence-active-posts-ping': true }))['presence-active-posts'], [])
			assert.equal('presence-active-posts' in await people.author.beat({ 'presence-active-posts-ping': false }), true)
		})

		await t.test('active posts and editors above the limits are left out', () => {
			const entries = `array_map(fn ($i) => array('room' => 'admin/online', 'client_id' => "user-$i", 'user_id' => $i, 'display_name' => '', 'avatar_url' => '', 'data' => array(), 'date_gmt' => gmdate('Y-m-d H:i:s')), range(1, 250))`
			const page = `$k = get_current_blog_id() . '/presence?data=short&room=admin%2Fonline&per_page=200'; $c = &heartbeatd_presence_cache(); $c[$k] = array('entries' => array_slice(${entries}, 0, 200), 'total' => 250);`
			assert.deepEqual(php(`wp_set_current_user(${editor.id}); ${page} $a = heartbeatd_presence_answers(array('presence-ping' => array('screen' => 'x')), array()); return array(count($a['presence-online']), $a['presence-online-total']);`), [200, 250])
			assert.deepEqual(php(`wp_set_current_user(${editor.id}); $ids = array(); for ($i = 0; $i < 52; $i++) $ids[] = wp_insert_post(array('post_title' => "p$i", 'post_author' => ${editor.id}));
				$entries = array(); foreach ($ids as $id) foreach (range(1, 22) as $user) $entries[] = array('room' => "postType/post:$id", 'client_id' => "editor-$user", 'user_id' => $user, 'display_name' => '', 'avatar_url' => '', 'data' => array(), 'date_gmt' => gmdate('Y-m-d H:i:s'));
				$a = heartbeatd_presence_active_posts($entries, true); return array(count($a), count($a[0]['editors']));`), [50, 20])
		})

		await t.test('each save makes a screen stale once, and open pages get a push', () => {
			const saving = (code, user = editor.id) => php(`wp_set_current_user(${user}); $seen = array(); add_action('wp_presence_screen_revision_bumped', function (...$a) use (&$seen) { $seen[] = $a; }, 10, 3); ${code}; $q = array_values(array_filter(heartbeatd_queue(), fn ($c) => isset($c[1]['data']['heartbeatd']['screen_rev']))); $c = &heartbeatd_queue(); $c = array(); return array($seen, $q);`)
			const [bumped, pushed] = saving(`wp_update_post(array('ID' => ${posts[0]}, 'post_content' => 'new')); wp_update_post(array('ID' => ${posts[0]}, 'post_content' => 'newer'))`)
			assert.deepEqual(bumped, [[`post/${posts[0]}`, 1, editor.id]])
			const [[path, { to, data: { heartbeatd: { screen_rev: news } } }]] = pushed
			assert.deepEqual([path, to, { ...news, time: 0, actor_avatar_url: '' }], ['/push', { room: `postType/post:${posts[0]}` }, { key: `post/${posts[0]}`, rev: 1, actor_id: editor.id, actor_name: 'Editor', actor_avatar_url: '', time: 0 }])
			assert.deepEqual(saving(`wp_update_post(array('ID' => ${posts[0]}, 'post_content' => 'x'))`)[0], [[`post/${posts[0]}`, 2, editor.id]])

			const term = php(`return wp_insert_term('t', 'category')['term_id'];`)
			const comment = php(`return wp_insert_comment(array('comment_post_ID' => ${posts[0]}, 'comment_content' => 'c'));`)
			const managers = [{ can: 'manage_options' }]
			for (const [code, key, to] of [
				[`wp_update_term(${term}, 'category', array('name' => 'u'))`, `term/category/${term}`, managers],
				[`wp_update_comment(array('comment_ID' => ${comment}, 'comment_content' => 'd'))`, `comment/${comment}`, managers],
				[`wp_update_user(array('ID' => ${author.id}, 'first_name' => 'A'))`, `user-edit/${author.id}`, managers],
				[`$GLOBALS['pagenow'] = 'options.php'; $_POST['option_page'] = 'general'; update_option('blogname', uniqid()); update_option('blogdescription', 'x')`, 'options/general', managers],
				[`$GLOBALS['pagenow'] = 'options-permalink.php'; $_POST['x'] = 1; update_option('category_base', uniqid())`, 'options/permalink', managers],
			]) {
				const [actions, calls] = saving(code, admin.id)
				assert.deepEqual([actions, calls.map(([, body]) => body.to)], [[[key, 1, admin.id]], to], key)
			}
			for (const code of [
				`wp_save_post_revision(${posts[0]})`, `update_option('of_a_plugin', uniqid())`, `update_post_meta(${posts[0]}, '_edit_lock', '1:1')`, `set_transient('x', uniqid())`,
				`define('DOING_AUTOSAVE', true); wp_update_post(array('ID' => ${posts[0]}, 'post_content' => 'auto'))`, `define('DOING_CRON', true); wp_update_post(array('ID' => ${posts[0]}, 'post_content' => 'cron'))`,
				`wp_set_current_user(0); wp_update_post(array('ID' => ${posts[0]}, 'post_content' => 'nobody'))`,
			]) assert.deepEqual(saving(code), [[], []], code)
			assert.equal(php(`for ($i = 0; $i < 250; $i++) heartbeatd_bump_screen_revision("x/$i"); $c = &heartbeatd_queue(); $c = array(); $r = get_option('heartbeatd_screen_revisions'); return count($r) . ' ' . array_key_last($r);`), '200 x/249')
			assert.deepEqual(php(`global $wpdb; return $wpdb->get_col("SELECT autoload FROM $wpdb->options WHERE option_name = 'heartbeatd_screen_revisions'");`).map((value) => /^(no|off)$/.test(value)), [true])
		})

		await t.test('a page can ask whether it is stale, and mark another screen as stale', async () => {
			const ask = async (person, key) => (await person.beat({ 'presence-screen-ping': { key } }))['presence-screen-rev']
			const stale = (person, key) => person.rest('POST', '/wp-presence/v1/presence/screen-revisions/stale', { screen_key: key })
			php(`delete_option('heartbeatd_screen_revisions'); return 1;`)
			const key = `post/${posts[1]}`
			assert.equal((await ask(people.admin, key)).rev, 0)
			assert.deepEqual((await stale(people.editor, key)).body, { screen_key: key, rev: 1 })
			const news = await ask(people.admin, key)
			assert.deepEqual({ ...news, time: 0, time_ago: '', actor_avatar_url: '' }, { key, rev: 1, actor_id: editor.id, actor_name: 'Editor', actor_avatar_url: '', time: 0, time_ago: '', actor_is_me: false })
			assert.match(news.time_ago, /^\d+ seconds? ago$/)
			assert.equal((await ask(people.editor, key)).actor_is_me, true)
			const may = async (person, screen) => [(await stale(person, screen)).status, Boolean(await ask(person, screen))]
			for (const screen of [key, 'options/general', `user-edit/${admin.id}`, 'term/category/1', 'term/category/9999', 'comment/9999', 'post/9999']) assert.deepEqual(await may(people.author, screen), [403, false], screen)
			assert.deepEqual(await may(people.author, 'of-a-plugin/9'), [200, true])
			assert.deepEqual(await may(people.admin, 'options/general'), [200, true])
			assert.deepEqual(await may(people.subscriber, 'of-a-plugin/9'), [403, false])
		})

		await t.test('a save on a settings screen counts', async () => {
			const { cookie } = people.admin
			const page = await (await fetch(`${site.url}/wp-admin/options-media.php`, { headers: { cookie } })).text()
			const nonce = page.match(/name="_wpnonce" value="(\w+)"/)[1]
			await fetch(`${site.url}/wp-admin/options.php`, { method: 'POST', redirect: 'manual', headers: { cookie }, body: new URLSearchParams({ option_page: 'media', action: 'update', _wpnonce: nonce, thumbnail_size_w: '123' }) })
			const state = php(`return get_option('heartbeatd_screen_revisions')['options/media'];`)
			assert.deepEqual([state.rev, state.actor], [1, admin.id])
		})

		await t.test('tickets name the post types whose posts the user may all edit', () => {
			const privacy = php(`return (int) get_option('wp_page_for_privacy_policy');`)
			const types = (user, code = '') => php(`${code} wp_set_current_user(${user.id}); return heartbeatd_editable_post_types();`)
			const except = (user) => php(`wp_set_current_user(${user.id}); return [heartbeatd_post_except_from_types(), current_user_can('edit_post', ${privacy})];`)
			assert.ok(privacy)
			assert.deepEqual([types(admin), types(editor), types(author)], [['post', 'page'], ['post', 'page'], []])
			assert.deepEqual([except(admin), except(editor)], [[0, true], [privacy, false]])
			assert.deepEqual(types(admin, `add_filter('user_has_cap', fn ($caps) => $caps);`), [])
			assert.deepEqual(types(admin, `add_filter('map_meta_cap', fn ($caps) => $caps);`), [])
			assert.deepEqual(types(admin, `register_post_type('own', array('supports' => array('presence'), 'capability_type' => 'own')); register_post_type('odd', array('supports' => array('presence'), 'map_meta_cap' => false));`), ['post', 'page'])

			const token = `$_COOKIE[LOGGED_IN_COOKIE] = 'x|9999999999|token|hmac';`
			const ticket = (user, code = '0') => claimsOf(php(`wp_set_current_user(${user.id}); ${token} return heartbeatd_sign_ticket(heartbeatd_ticket_claims('n', 'post', array(), ${code}));`))
			assert.deepEqual(ticket(editor, posts[0]).post, { id: posts[0], type: 'post', status: 'publish', title: 'One & Two' })
			assert.deepEqual([ticket(editor).types, ticket(editor).admin, ticket(author).types, ticket(author).admin, ticket(editor).sync], [['post', 'page'], `${site.url}/wp-admin/`, undefined, undefined, undefined])
			const many = php(`wp_set_current_user(${admin.id}); ${token} for ($i = 0; $i < 100; $i++) register_post_type("rather_long_name_$i", array('supports' => array('presence'), 'map_meta_cap' => true)); return heartbeatd_sign_ticket(heartbeatd_ticket_claims('n', 'post', array(), 0));`)
			assert.ok(many.length <= 2048 && claimsOf(many).types.length === 20)
		})

		await t.test('where post types do not decide, tickets name posts', () => {
			const [own, others] = [author, editor].map(({ id }) => php(`return wp_insert_post(array('post_title' => 'Decided', 'post_status' => 'draft', 'post_author' => ${id}));`))
			const entry = `fn ($id) => array('room' => "postType/post:$id", 'user_id' => 1, 'display_name' => 'A', 'avatar_url' => '', 'data' => array(), 'date_gmt' => '2026-01-01 00:00:00')`
			const sign = (user, { code = '', ids = [own, others], complete = true, limit = 2048 } = {}) => php(`wp_set_current_user(${user.id}); $_COOKIE[LOGGED_IN_COOKIE] = 'x|9999999999|token|hmac'; ${code}
					heartbeatd_presence_active_posts(array_map(${entry}, array(${ids})), ${complete}); return heartbeatd_sign_ticket(heartbeatd_ticket_claims('n', 'dashboard', array(${own}), 0), ${limit});`)
			const ticket = (user, options) => {
				const text = sign(user, options)
				const { types, editable, not_editable: not, posts_cut: cut, admin: address, rooms } = claimsOf(text)
				assert.ok(text.length <= (options?.limit ?? 2048))
				return { types, editable, not, cut, address, rooms }
			}
			const room = `postType/post:${own}`
			const none = { types: undefined, editable: undefined, not: undefined, cut: undefined, address: `${site.url}/wp-admin/`, rooms: [room] }
			const filter = `add_filter('user_has_cap', fn ($caps) => $caps);`
			assert.deepEqual(ticket(admin), { ...none, types: ['post', 'page'] })
			assert.deepEqual(ticket(admin, { code: filter }), { ...none, editable: [own, others] })
			assert.deepEqual(ticket(author), { ...none, editable: [own], not: [others] })
			assert.deepEqual(ticket(author, { ids: [others] }), { ...none, not: [others], address: undefined })
			assert.deepEqual(ticket(author, { ids: [own, 987654] }), { ...none, editable: [own], not: [987654] }, 'a post that is gone')
			assert.deepEqual(ticket(author, { ids: [own], complete: false }), { ...none, editable: [own], cut: true })
			const many = Array.from({ length: 60 }, (_, i) => 900_000 + i)
			const most = ticket(author, { ids: many })
			assert.deepEqual([most.not.length, most.cut], [50, true])
			const less = ticket(author, { ids: [own, ...many], limit: 1200 })
			assert.deepEqual([less.editable, less.not.length > 1, less.not.length < 49, less.cut, less.rooms], [[own], true, true, true, [room]], 'those that may not be edited go first, and rooms later')
			assert.deepEqual(ticket(admin, { limit: sign(admin).length - 10 }), { ...none, types: ['post', 'page'], rooms: [] })
			assert.deepEqual(ticket(author, { ids: [own], limit: sign(author, { ids: [own] }).length - 10 }), none, 'PHP answers')
		})

		await t.test('a beat waits for at most one call to heartbeatd', async () => {
			addMuPlugin(site, 'calls', `add_filter('pre_http_request', function ($x, $args) { $GLOBALS['calls'][] = $args['method']; return $x; }, 10, 2); add_action('init', fn () => add_filter('heartbeat_send', function ($r) { $r['calls'] = $GLOBALS['calls'] ?? array(); return $r; }, PHP_INT_MAX));`)
			const everything = { 'presence-ping': { screen: 'post' }, 'presence-editor-ping': { post_id: posts[0] }, 'presence-active-posts-ping': true, 'presence-screen-ping': { key: 'x' }, 'wp-refresh-post-lock': { post_id: posts[0], lock: '' } }
			assert.deepEqual((await people.editor.beat(everything)).calls, ['GET'])
			assert.deepEqual((await people.editor.beat({ 'presence-editor-ping': { post_id: posts[0] } })).calls, [])

			await server.stop('SIGKILL')
			const tick = await people.editor.beat(everything)
			assert.deepEqual(Object.keys(tick).filter((handle) => /^presence-(?!screen)/.test(handle)), [], 'no empty list of users')
			assert.equal(tick['wp-auth-check'], true)
			await people.editor.beat(everything)
			assert.deepEqual((await people.editor.beat(everything)).calls, [], 'after two failures nobody asks any more')
		})
	})
})
