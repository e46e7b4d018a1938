// What users and services see of presence without the Presence API plugin: data as it was sent,
// never as HTML; log-ins; the users list; fields that other plugins add; nobody who is not recorded.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '../../browser/harness.mjs'
import { addMuPlugin, beat, connected, withPlugin } from '../plugin.mjs'
import { logIn, rest } from './person.mjs'

const route = '/wp-presence/v1/presence'

test('what is shown of presence', { timeout: 600_000 }, async (t) => {
	await withPlugin(t, async ({ site, php, ask, open }) => {
		const { author, editor, subscriber } = site.users
		const post = php(`return wp_insert_post(array('post_title' => 'Shown', 'post_status' => 'draft', 'post_author' => ${author.id}));`)
		const room = `postType/post:${post}`
		const list = () => php(`return heartbeatd_presence_list_all(array());`)

		await t.test('REST keeps data as it was sent', async () => {
			const one = await logIn(site, 'author')
			const data = {
				html: '<b>x</b>', ml: 'l1\nl2', sp: '  a  b ', pct: '50%20', lt: '1 < 2', quotes: `'"\\`, unicode: 'é🎉\u0085\u200b',
				empty: {}, none: [], list: [1, 'a', null, {}], map: { 0: 'a', 1: 'b' }, n: -1.5, yes: true, '<key> ': { a: { b: { c: { d: 1 } } } },
			}
			const set = await one.rest('POST', route, { room: 'r', client_id: 'tab', data })
			assert.deepEqual([set.status, set.body.data], [200, data])
			assert.deepEqual((await one.rest('GET', route, { room: 'r' })).body[0].data, data)
			assert.deepEqual(php(`return wp_get_presence('r')[0]->data;`), { ...data, empty: [], list: [1, 'a', null, []], map: ['a', 'b'] }, 'PHP gets arrays')
			assert.deepEqual((await one.rest('POST', route, { room: 'r', client_id: 'tab', data: { 0: 'a' } })).body.data, { 0: 'a' })
			const nested = (depth) => (depth ? { a: nested(depth - 1) } : 1)
			for (const [value, status] of [[nested(16), 200], [nested(17), 400], [['a'], 400], [{ '\0x': 1 }, 400], [{ a: [{ '\0x': 1 }] }, 400], [{ x: '\0x' }, 200], [{ x: '<'.repeat(10_240 - 8) }, 200], [{ x: '<'.repeat(10_241 - 8) }, 400]]) {
				assert.equal((await one.rest('POST', route, { room: 'r', client_id: 'tab', data: value })).status, status, JSON.stringify(value).slice(0, 40))
			}
			const list = JSON.stringify([{ room: 'r', data: { a: { '\0x': 1 } } }, { room: 's', data: {} }])
			assert.deepEqual(php(`return array_column(heartbeatd_decode_answer('${list}'), 'room');`), ['r', 's'], 'a name that no object of PHP can have')
			assert.equal((await one.rest('POST', route, { room: 'r', client_id: '_lock' })).status, 400)
		})

		await t.test('a post type with the name of a screen of core has its own label', () => {
			assert.deepEqual(php(`register_post_type('plugin-review', array('label' => 'Reviews'));
				return array_map('heartbeatd_screen_label', array('edit-plugin-review', 'plugin-install', 'dashboard', str_repeat('x', 5000)));`), ['Reviews', 'Plugins', 'Dashboard', ''])
		})

		await t.test('data is text wherever it is shown', async () => {
			// The admin bar shows the title of a post that somebody edits, not what the entry says.
			const [one, two] = [await logIn(site, 'author'), await logIn(site, 'editor')]
			const hostile = (n) => `<img src=x onerror="window.hacked=${n}">"'</script>${n}`
			const set = async (n) => {
				const data = { screen: hostile(n), screen_label: hostile(n), title: hostile(n), post_id: hostile(n), action: hostile(n), post_type: hostile(n) }
				for (const [who, where] of [[one, 'admin/online'], [two, room]]) assert.equal((await who.rest('POST', route, { room: where, client_id: `editor-${who.id}`, data })).status, 200)
			}
			await set(1)
			const pages = await Promise.all(['/wp-admin/', '/wp-admin/users.php', '/wp-admin/edit.php', `/wp-admin/post.php?post=${post}&action=edit`].map((path) => open('admin', path)))
			const shows = (page, n) => page.evaluate((text) => document.querySelector('#wp-admin-bar-heartbeatd-online')?.textContent.includes(text), hostile(n))
			for (const page of pages.slice(0, 3)) await until(`the text on ${page.url()}`, () => shows(page, 1), 30)
			for (const page of pages) await connected(page)
			await set(2)
			for (const page of pages.slice(0, 3)) await until('the new text', () => shows(page, 2), 20)
			assert.equal(await pages[0].evaluate((text) => document.querySelector('#heartbeatd_online').textContent.includes(text), hostile(2)), true)
			await until('the post in the widget', () => pages[0].evaluate(() => document.querySelectorAll('#heartbeatd_posts .heartbeatd-post').length === 1), 20)
			for (const page of pages) {
				assert.equal(await page.evaluate(() => window.hacked), undefined, page.url())
				assert.equal(await page.locator('img[src="x"]').count(), 0, page.url())
				await page.close()
			}
			for (const { id } of [one, two]) php(`return wp_remove_user_presence(${id});`)
		})

		await t.test('a log-in writes an entry, and a page takes its place', async () => {
			await until('an empty room', () => list()?.length === 0, 40)
			await logIn(site, 'subscriber')
			// The entry lives ten seconds, so it is looked for while the user logs in.
			const [one, entries] = await Promise.all([logIn(site, 'author'), until('the entry', async () => {
				const all = await ask(`return heartbeatd_presence_list_all(array());`)
				return all?.length > 0 && all
			}, 40)])
			const mine = () => list()?.filter(({ client_id: id }) => id === `user-${one.id}`)
			assert.deepEqual(entries.map(({ client_id: id, user_id: user, data }) => [id, user, data.screen]), [[`user-${one.id}`, author.id, 'login']], `nothing of user ${subscriber.id}`)
			const page = await open('author', '/wp-admin/edit.php')
			await connected(page)
			await until('the page', () => mine()?.some(({ data }) => data.screen === 'edit-post'), 30)
			await beat(page)
			const before = mine().map(({ data }) => data)
			const icon = await page.evaluate(() => fetch('/favicon.ico', { cache: 'no-store' }).then(({ status }) => status))
			assert.ok(icon < 500, `favicon.ico: ${icon}`)
			await rest(site, 'GET', '/', {}, { cookie: one.cookie })
			await (await logIn(site, 'editor')).beat({ 'presence-ping': { screen: 'dashboard' } }) // writes an entry later than those requests
			await until('the entry of another user', () => list()?.some(({ client_id: id }) => id === `user-${editor.id}`))
			assert.deepEqual(mine().map(({ data }) => data), before, 'a request for an icon does not change the entry')
			await page.close()
		})

		await t.test('the entry of an editor has the status of the post, over a link and by POST', async () => {
			const one = await logIn(site, 'editor')
			const page = await open('author', `/wp-admin/post.php?post=${post}&action=edit`)
			await connected(page)
			await one.beat({ 'presence-editor-ping': { post_id: post } }, { screen: 'post' })
			const entry = (user) => list()?.find(({ room: where, client_id: id }) => where === room && id === `editor-${user.id}`)?.data
			for (const user of [author, editor]) {
				await until(`the entry of ${user.login}`, () => entry(user))
				const { action, post_id: id, post_type: type, post_status: status, title } = entry(user)
				assert.deepEqual([action, id, type, status, title], ['editing', post, 'post', 'draft', 'Shown'], user.login)
			}
			await page.close()
		})

		await t.test('users.php?presence_status=online', async () => {
			const admin = await logIn(site, 'admin')
			const page = async (query) => (await fetch(`${site.url}/wp-admin/users.php${query}`, { headers: { cookie: admin.cookie } })).text()
			php(`return wp_set_presence('admin/online', 'user-${editor.id}', array(), ${editor.id});`)
			const rows = (html) => [...html.matchAll(/<tr id=['"]user-(\d+)/g)].map(([, id]) => Number(id))
			const all = await page('')
			assert.ok(rows(all).includes(subscriber.id))
			assert.match(all, /href="users\.php\?presence_status=online"/)
			const online = rows(await page('?presence_status=online'))
			assert.deepEqual([online.includes(editor.id), online.includes(subscriber.id)], [true, false])
		})

		await t.test('register_rest_field', async () => {
			addMuPlugin(site, 'field', `add_action('rest_api_init', function () { register_rest_field('presence', 'team', array(
				'get_callback' => fn ($item) => $item['client_id'] . ' of ' . ($GLOBALS['team'] ?? 'none'),
				'update_callback' => function ($value, $entry) { $GLOBALS['team'] = $value . ' ' . $entry['room']; },
				'schema' => array('type' => 'string', 'context' => array('view', 'edit')),
			)); });`)
			const one = await logIn(site, 'editor')
			assert.equal((await one.rest('POST', route, { room: 'r', client_id: 'f', team: 'red' })).body.team, 'f of red r')
			assert.equal((await one.rest('POST', route, { room: 'r', client_id: 'f', team: ['x'] })).status, 400)
			assert.equal((await one.rest('GET', route, { room: 'r' })).body.find(({ client_id: id }) => id === 'f').team, 'f of none')
			assert.deepEqual((await one.rest('GET', route, { room: 'r', _fields: 'client_id,team' })).body.at(0), { client_id: 'f', team: 'f of none' })
			const { schema } = (await one.rest('OPTIONS', route)).body
			assert.deepEqual([schema.title, schema.properties.team.type, schema.properties.data.type], ['presence', 'string', 'object'])
			addMuPlugin(site, 'field', '')
		})

		await t.test('open pages of users whose presence is not recorded', async () => {
			const page = await open('editor', '/wp-admin/')
			await connected(page)
			const there = async () => (await ask(`return array_column(heartbeatd_presence_list_all(array('room' => 'admin/online')), 'client_id');`)).includes(`user-${editor.id}`)
			await until('the page', there)
			php(`return update_option('wp_presence_recording', '0');`)
			await until('the page to leave', async () => !(await there()), 70)
			await connected(page)
			await beat(page)
			await page.evaluate(() => wp.heartbeat.transport.announce({ 'presence-ping': { screen: 'dashboard' } }))
			await beat(page)
			assert.equal(await there(), false)
			php(`return update_option('wp_presence_recording', '1');`)
			await until('the page to be back', async () => {
				await beat(page).catch(() => {})
				return there()
			}, 40)
			await page.close()
		})

		await t.test('a user chooses on the profile screen whether presence is recorded', async () => {
			const page = await open('editor', '/wp-admin/profile.php')
			const there = async () => (await ask(`return array_column(heartbeatd_presence_list_all(array('room' => 'admin/online')), 'client_id');`)).includes(`user-${editor.id}`)
			const isChecked = () => page.isChecked('#heartbeatd_recording')
			const choose = async (on) => {
				await page.setChecked('#heartbeatd_recording', on)
				await Promise.all([page.waitForURL(/updated=1/), page.click('#submit')])
				await page.goto(`${site.url}/wp-admin/profile.php`)
				await connected(page)
			}
			await connected(page)
			await until('the page', there)
			assert.equal(await isChecked(), true)
			await choose(false)
			assert.equal(await isChecked(), false)
			await until('the user to leave', async () => !(await there()), 30)
			await choose(true)
			assert.equal(await isChecked(), true)
			await until('the user to be back', there, 30)
			const other = await open('subscriber', '/wp-admin/profile.php')
			assert.equal(await other.locator('#heartbeatd_recording').count(), 0, 'users without the capability have no presence')
			for (const one of [page, other]) await one.close()
		})
	})
})
