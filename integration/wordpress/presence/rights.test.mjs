// Users who must not see presence: subscribers, by no means; an author, of a post that they may
// not edit any more or never could.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '../../browser/harness.mjs'
import { beat, claimsOf, connected, withPlugin } from '../plugin.mjs'

test('presence is visible only with the right capability', { timeout: 300_000 }, async (t) => {
	await withPlugin(t, async ({ site, php, open }) => {
		const id = php(`return wp_insert_post(array('post_title' => 'Confidential', 'post_status' => 'publish', 'post_author' => ${site.users.editor.id}));`)
		const room = `postType/post:${id}`
		const editorOf = `/wp-admin/post.php?post=${id}&action=edit`
		const presence = (page) => page.frames.received.filter(({ type }) => type === 'presence')
		const editor = await open('editor', editorOf)
		await connected(editor)
		await beat(editor)

		await t.test('a subscriber sees nothing', async () => {
			const page = await open('subscriber', '/wp-admin/profile.php')
			await connected(page)
			const tick = await page.evaluate((id) => new Promise((done) => {
				wp.heartbeat.transport.announce({ 'presence-ping': { screen: 'profile' }, 'presence-editor-ping': { post_id: id } })
				Object.entries({ 'presence-ping': { screen: 'profile' }, 'presence-editor-ping': { post_id: id }, 'presence-active-posts-ping': true, 'presence-screen-ping': { key: `post/${id}` } })
					.forEach(([handle, data]) => wp.heartbeat.enqueue(handle, data))
				jQuery(document).one('heartbeat-tick', (event, tick) => done(tick))
				wp.heartbeat.connectNow()
			}), id)
			assert.deepEqual(Object.keys(tick).filter((handle) => handle.startsWith('presence')), [])
			assert.equal(await page.evaluate(() => typeof window.heartbeatdUi), 'undefined')
			assert.equal(await page.locator('[id*="heartbeatd-online"], [class*="heartbeatd-"]').count(), 0)
			const ask = (path, init) => page.evaluate(([path, init]) => fetch(path, { headers: { 'X-WP-Nonce': wpApiSettings.nonce }, ...init }).then((answer) => answer.status), [path, init])
			await page.addScriptTag({ content: `window.wpApiSettings = window.wpApiSettings || { nonce: '${await restNonce(page)}' }` })
			for (const path of ['presence?room=admin/online', 'presence/rooms', `presence?room=${room}`]) {
				assert.equal(await ask(`/wp-json/wp-presence/v1/${path}`), 403, path)
			}
			const ticket = await page.evaluate((id) => jQuery.post(ajaxurl, { action: 'heartbeat', _nonce: heartbeatSettings.nonce, screen_id: 'post', data: { 'presence-editor-ping': { post_id: id } } })
				.then((tick, status, jqXHR) => jqXHR.getResponseHeader('X-Heartbeatd-Ticket')), id)
			assert.deepEqual([claimsOf(ticket).rooms, claimsOf(ticket).post], [[], undefined], 'not even the title')
			php(`heartbeatd_push('can:edit_posts', 1); heartbeatd_push('admin/online', 2); heartbeatd_push('${room}', 3); heartbeatd_push('all', 'over');`)
			await until('what is for everybody', () => page.frames.received.some(({ type, data }) => type === 'push' && data === 'over'))
			assert.deepEqual(page.frames.received.filter(({ type }) => type === 'push').map(({ data }) => data), ['over'])
			assert.deepEqual(presence(page), [])
			assert.ok(!php(`return wp_list_pluck(wp_get_presence('admin/online'), 'user_id');`).includes(site.users.subscriber.id))
			await page.close()
		})

		await t.test('an author does not hear the room of a post that they may not edit', async () => {
			const page = await open('author', '/wp-admin/edit.php')
			await connected(page)
			await page.evaluate((id) => wp.heartbeat.transport.announce({ 'presence-ping': { screen: 'edit-post' }, 'presence-editor-ping': { post_id: id } }), id)
			await until('the room of everybody', () => presence(page).some((frame) => frame.room === 'admin/online'))
			const rooms = new Set(presence(page).map((frame) => frame.room))
			assert.deepEqual([...rooms], ['admin/online'])
			assert.ok(!php(`return wp_list_pluck(wp_get_presence('${room}'), 'user_id');`).includes(site.users.author.id), 'nor enter it')
			await page.close()
		})

		await t.test('an author does not hear the room after the right is withdrawn', async () => {
			php(`wp_update_post(array('ID' => ${id}, 'post_author' => ${site.users.author.id}));`)
			const page = await open('author', '/wp-admin/edit.php')
			await connected(page)
			await until('the room', () => presence(page).some((frame) => frame.room === room))
			const before = page.frames.received.length
			const start = Date.now()
			php(`wp_update_post(array('ID' => ${id}, 'post_author' => ${site.users.editor.id}));`)
			await until('a ticket without the room', () => page.frames.sent.some(({ type, ticket }) => type === 'ticket' && !claimsOf(ticket).rooms.includes(room)))
			t.diagnostic(`a ticket without the room after ${Date.now() - start} ms`)
			assert.ok(page.frames.received.slice(before).some(({ type }) => type === 'nudge'))

			const silent = page.frames.received.length
			const other = await open('admin', editorOf)
			await connected(other)
			await until('the other to be there', () => php(`return wp_list_pluck(wp_get_presence('${room}'), 'user_id');`).includes(site.users.admin.id))
			await until('the other in the admin', () => presence(page).some(({ joined = [], updated = [] }) => [...joined, ...updated].some((entry) => entry.user_id === site.users.admin.id)))
			assert.deepEqual(page.frames.received.slice(silent).filter((frame) => frame.room === room), [])
		})
	})
})

const restNonce = (page) => page.evaluate(() => fetch('/wp-admin/admin-ajax.php?action=rest-nonce').then((answer) => answer.text()))
