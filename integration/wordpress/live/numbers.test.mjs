// Names of digits only: PHP turns them into integers when they are array keys, but heartbeatd
// must get strings.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addMuPlugin, beat, editorOf, linked, until, withLive } from './live.mjs'
import { claimsOf } from '../plugin.mjs'

const postType = `add_action('init', function () {
	register_post_type('2024', array('public' => true, 'label' => '2024', 'map_meta_cap' => true, 'supports' => array('title', 'editor', 'presence')));
});
add_filter('heartbeatd_rooms', fn ($rooms) => array_merge($rooms, array('year/2025')));`

test('a post type whose name is a number', { timeout: 300_000 }, async (t) => {
	await withLive(t, async ({ site, php, person }) => {
		addMuPlugin(site, 'digits', postType)
		const id = php(`return wp_insert_post(array('post_type' => '2024', 'post_title' => 'Of the year', 'post_status' => 'publish', 'post_author' => ${site.users.admin.id}));`)
		const room = `postType/2024:${id}`
		const [anna, bea] = await Promise.all([person('editor', { client: 'websocket', editor: 'classic' }), person('admin', { client: 'websocket' })])

		const editor = await anna.open(editorOf(id))
		const claims = claimsOf(await editor.evaluate(() => heartbeatSettings.heartbeatd.ticket))
		assert.deepEqual(claims.rooms, [room, 'year/2025'])
		assert.deepEqual([claims.types.toSorted(), claims.except], [['2024', 'page', 'post'], php(`return (int) get_option('wp_page_for_privacy_policy');`)])
		assert.deepEqual(claims.post, { id, type: '2024', status: 'publish', title: 'Of the year' })
		await linked(editor, 'websocket')

		await t.test('its posts have presence', async () => {
			const list = await bea.open('/wp-admin/edit.php?post_type=2024')
			await linked(list, 'websocket')
			await beat(editor)
			await until('the editor in the room', () => list.evaluate((room) => wp.heartbeat.room(room).entries.some(({ data }) => data.post_type === '2024'), room))
		})
		await t.test('pages of its posts get pushes', async () => {
			await editor.evaluate(() => jQuery(document).one('heartbeat-push', (event, push) => { window.heard = push }))
			assert.equal(php(`return heartbeatd_push('${room}', array('2024' => 'new'));`), true)
			await until('the push', () => editor.evaluate(() => window.heard))
			assert.deepEqual(await editor.evaluate(() => window.heard), { room, data: { 2024: 'new' } })
		})
		await t.test('its posts are among the active posts', async () => {
			const dashboard = await bea.open('/wp-admin/')
			await linked(dashboard, 'websocket')
			// PHP leaves the active posts of a page with a link to heartbeatd.
			const posts = await until('a tick of heartbeatd', async () => (await beat(dashboard))['presence-active-posts'], 20)
			const post = posts.find(({ post_id }) => post_id === id)
			assert.equal(post?.post_type, '2024')
			assert.deepEqual(post.editors.map(({ user_id }) => user_id), [anna.id])
		})
		await t.test('its name stays a string in lists', () => {
			assert.deepEqual(php(`return heartbeatd_unique_strings(array(5, 'a', '5', null, 1.5, true, array()));`), ['5', 'a'])
		})
	})
})
