// Who hears what: on a live WordPress, in browsers, by everything a page gets.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '../../browser/harness.mjs'
import { beat, claimsOf, connected, withPlugin } from '../plugin.mjs'

test('who hears what', { timeout: 300_000 }, async (t) => {
	await withPlugin(t, async ({ site, php, open }) => {
		const { admin, editor, author } = site.users
		const write = (title, by) => php(`return wp_insert_post(array('post_title' => '${title}', 'post_content' => 'x', 'post_status' => 'publish', 'post_author' => ${by.id}));`)
		const enter = (id) => php(`return wp_set_presence('postType/post:${id}', 'editor-${admin.id}', array('n' => '${Math.random()}'), ${admin.id});`)
		const heard = (page) => page.frames.received.filter(({ type, room }) => type === 'presence' || (type === 'push' && room)).map(({ room }) => room)
		const ticketOf = async (page) => claimsOf(await page.evaluate(() => heartbeatSettings.heartbeatd.ticket))

		await t.test('a subscriber hears nothing and shows nowhere', async () => {
			const page = await open('subscriber', '/wp-admin/profile.php')
			const ticket = await ticketOf(page)
			assert.deepEqual([ticket.can, ticket.rooms, ticket.types, ticket.admin], [[], [], undefined, undefined])
			await connected(page)
			await page.evaluate(() => jQuery(document).on('heartbeat-send', (event, data) => {
				data['presence-ping'] = { screen: 'dashboard' }
				data['presence-active-posts-ping'] = true
				data['presence-screen-ping'] = { key: 'of-a-plugin' }
			}))
			const other = await open('editor', '/wp-admin/about.php')
			await connected(other)
			await beat(other)
			const ticks = [await beat(page), await beat(page)]
			assert.ok(ticks.every((tick) => Object.keys(tick).every((handle) => !handle.startsWith('presence'))), JSON.stringify(ticks))
			assert.deepEqual(heard(page), [])
			assert.equal(php(`return count(array_filter(wp_get_presence('admin/online'), fn ($e) => $e->user_id === ${site.users.subscriber.id}));`), 0)
			await page.close()
			await other.close()
		})

		await t.test('an author hears of own posts only, and of those no longer that are another\'s', async () => {
			const [own, foreign] = [write('Mine', author), write('Not mine', editor)]
			const list = await open('author', '/wp-admin/edit.php')
			await connected(list)
			assert.deepEqual((await ticketOf(list)).rooms, [`postType/post:${own}`])
			for (const id of [foreign, own]) enter(id)
			await until('the own post\'s room', () => heard(list).includes(`postType/post:${own}`))
			assert.equal(heard(list).includes(`postType/post:${foreign}`), false)

			php(`wp_update_post(array('ID' => ${own}, 'post_author' => ${editor.id})); return 1;`)
			const taken = Date.now()
			await until('the link to end', () => list.frames.received.some(({ type, code }) => type === 'bye' && code === 4003), 10)
			t.diagnostic(`the right was gone, and the room silent ${Date.now() - taken} ms later`)
			const before = heard(list).length
			enter(own)
			await beat(list)
			await connected(list)
			await beat(list)
			enter(own)
			await beat(list)
			assert.deepEqual(heard(list).slice(before).filter((room) => room.startsWith('postType/')), [])
			await list.close()
		})

		await t.test('a post that is published is nobody\'s to edit who may only write drafts', () => {
			const revoked = (code) => php(`${code}; $q = array_values(heartbeatd_queue()); $c = &heartbeatd_queue(); $c = array(); return array_column(array_filter($q, fn ($c) => '/revoke' === $c[0]), 1);`)
			const contributor = php(`return wp_insert_user(array('user_login' => 'contributor', 'user_pass' => 'x', 'role' => 'contributor'));`)
			const draft = php(`return wp_insert_post(array('post_title' => 'Draft', 'post_content' => 'x', 'post_status' => 'draft', 'post_author' => ${contributor}));`)
			assert.deepEqual(revoked(`wp_update_post(array('ID' => ${draft}, 'post_title' => 'Better'))`), [])
			assert.deepEqual(revoked(`wp_update_post(array('ID' => ${draft}, 'post_status' => 'pending'))`), [])
			assert.deepEqual(revoked(`wp_update_post(array('ID' => ${draft}, 'post_status' => 'publish'))`), [{ user: contributor }])
		})
	})
})
