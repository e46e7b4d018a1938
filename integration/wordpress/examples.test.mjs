// The example plugins, which docs/plugin-authors.md shows: presence and pushes. plugin.test.mjs and
// deposits.test.mjs have purchase-notice.

import assert from 'node:assert/strict'
import { fileURLToPath } from 'node:url'
import { test } from 'node:test'
import { until } from '../browser/harness.mjs'
import { addMuPlugin, addPlugin, beat, connected, withPlugin } from './plugin.mjs'

const text = (page) => page.evaluate(() => document.body.innerText)

test('the example plugins', { timeout: 300_000 }, async (t) => {
	await withPlugin(t, async ({ site, open, php }) => {
		for (const name of ['same-screen', 'announcement']) {
			addPlugin(site, fileURLToPath(new URL(`examples/${name}`, import.meta.url)))
			php(`require_once ABSPATH . 'wp-admin/includes/plugin.php'; $r = activate_plugin('${name}/${name}.php'); if (is_wp_error($r)) throw new Exception($r->get_error_message());`)
		}
		const [admin, editor] = ['admin', 'editor'].map((user) => php(`return get_userdata(${site.users[user].id})->display_name;`))

		await t.test('same-screen says who else has the screen open', async () => {
			const first = await open('admin', '/wp-admin/')
			await connected(first)
			assert.doesNotMatch(await text(first), /Also here/)
			const second = await open('editor', '/wp-admin/')
			await until('the editor on the same screen', async () => (await text(first)).includes(`Also here: ${editor}`))
			await until('the admin on the same screen', async () => (await text(second)).includes(`Also here: ${admin}`))
			await second.goto(`${site.url}/wp-admin/edit.php`)
			await until('nobody else on the same screen', async () => !(await text(first)).includes('Also here'))
			await second.goto(`${site.url}/wp-admin/`)
			await until('the editor again', async () => (await text(first)).includes('Also here'))
			await second.evaluate(() => wp.heartbeat.transport.use([]))
			await beat(second)
			await until('the admin in a tick', async () => (await text(second)).includes('Also here'))
			await Promise.all([first.close(), second.close()])
		})

		await t.test('an announcement is pushed, and a page that may have missed one asks', async () => {
			const page = await open('editor', '/wp-admin/')
			await connected(page)
			php(`do_action('announce', 'Lunch <b>now</b>');`)
			await until('the announcement', async () => (await text(page)).includes('Lunch <b>now</b>'))
			const before = page.beats.length
			addMuPlugin(site, 'no-push', `add_filter('pre_http_request', fn ($answer, $args, $url) => str_contains($url, '/api/v1/push') ? new WP_Error('lost') : $answer, 10, 3);`)
			php(`do_action('announce', 'Lunch is over');`)
			await page.evaluate(() => wp.hooks.doAction('heartbeat.missed'))
			await beat(page)
			await until('the announcement that was missed', async () => (await text(page)).includes('Lunch is over'))
			assert.equal(page.beats.length, before + 1)
			assert.deepEqual(page.errors, [])
			await page.close()
		})
	})
})
