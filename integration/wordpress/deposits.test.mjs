// Answers that PHP deposits: heartbeatd answers with the same JSON, only the pages that they are
// for. Without heartbeatd PHP answers.

import assert from 'node:assert/strict'
import { fileURLToPath } from 'node:url'
import { test } from 'node:test'
import { until } from '../browser/harness.mjs'
import { addMuPlugin, addPlugin, beat, connected, withPlugin } from './plugin.mjs'

// sample_value() is whatever a plugin may answer, with what JSON can write in two ways.
const sample = `
function sample_value() {
	return array('text' => "é/ü <b>&amp;</b> '\\"\\\\ \\u{1F600}", 'numbers' => array(1, 1.0, 0.1, -3, 1e25), 'none' => array(), 'object' => new stdClass, 'flags' => array(true, false, null), '7' => 'seven');
}
function sample_received($response, $data) {
	if (isset($data['sample'])) $response['sample'] = sample_value();
	return $response;
}
add_filter('heartbeat_received', 'sample_received', 10, 2);
add_filter('heartbeatd_known_callbacks', function ($known) { $known['heartbeat_received'][] = 'sample_received'; return $known; });
`

// Makes a page ask with every beat, and keep the text of its ticks.
const asking = (page, handle) => page.evaluate((handle) => {
	window.ticks = []
	jQuery(document).on('heartbeat-send', (event, data) => { data[handle] = '1' })
	jQuery(document).on('heartbeat-tick', (event, tick, status, jqXHR) => window.ticks.push({ text: jqXHR.responseText, tick }))
}, handle)

// The text of a member of a tick, up to its next member.
const member = (text, handle) => text.slice(text.indexOf(`"${handle}":`)).split(/,"(?:presence-|wp-auth-check)/)[0]

test('answers that PHP deposits', { timeout: 400_000 }, async (t) => {
	await withPlugin(t, async ({ site, server, open, php }) => {
		addMuPlugin(site, 'sample', sample)
		addPlugin(site, fileURLToPath(new URL('examples/purchase-notice', import.meta.url)))
		const activate = (what) => php(`require_once ABSPATH . 'wp-admin/includes/plugin.php'; ${what}('purchase-notice/purchase-notice.php');`)
		const native = async (page) => {
			await connected(page)
			await beat(page) // PHP sees what is registered, and the page gets a new ticket
		}

		await t.test('a deposited value is the JSON that PHP would answer', async () => {
			const page = await open('admin', '/wp-admin/')
			await asking(page, 'sample')
			await native(page)
			const { text: byPHP } = await page.evaluate(() => window.ticks.at(-1))
			const before = page.beats.length
			assert.equal(php(`return heartbeatd_answer('user:${site.users.admin.id}', 'sample', sample_value(), 60);`), true)
			await until('a beat for the new value', () => page.frames.received.some(({ type, body }) => type === 'tick' && body.includes('"sample":')), 8)
			await beat(page)
			const { text } = await page.evaluate(() => window.ticks.at(-1))
			assert.equal(page.beats.length, before, 'PHP got a beat')
			assert.match(member(byPHP, 'sample'), /1\.0/)
			assert.equal(member(text, 'sample'), member(byPHP, 'sample'))
			await page.evaluate(() => wp.heartbeat.enqueue('of-a-plugin', 1))
			const both = await beat(page)
			assert.equal(page.beats.length, before + 1)
			assert.equal(both.sample['7'], 'seven', 'PHP answers all handles of such a beat')
			await page.close()
		})

		await t.test('a value for a user reaches nobody else', async () => {
			const page = await open('editor', '/wp-admin/')
			await asking(page, 'sample')
			await native(page)
			const before = page.beats.length
			php(`return heartbeatd_answer('user:${site.users.admin.id}', 'sample', 'a secret', 60);`)
			const tick = await beat(page)
			assert.equal(page.beats.length, before + 1)
			assert.equal(tick.sample['7'], 'seven')
			assert.ok(!page.frames.received.some(({ type }) => type === 'deposits'))
			await page.close()
		})

		await t.test('a callback that must see every beat with handles sees these too', async () => {
			addMuPlugin(site, 'nosy', `add_filter('heartbeat_received', function ($response) { $response['nosy'] = 1; return $response; });`)
			php(`return heartbeatd_answer('all', 'sample', sample_value(), 600);`)
			const page = await open('editor', '/wp-admin/')
			await asking(page, 'sample')
			await native(page)
			await beat(page)
			const before = page.beats.length
			assert.equal((await beat(page)).nosy, 1)
			assert.equal(page.beats.length, before + 1)
			await page.close()
			addMuPlugin(site, 'nosy', '')
			php(`return heartbeatd_answer('all', 'sample', null, 1);`)
		})

		await t.test('the example shows a purchase at once, and costs PHP one beat', async () => {
			activate('activate_plugin')
			const page = await open('admin', '/wp-admin/')
			await native(page)
			await beat(page)
			const before = page.beats.length
			php(`do_action('woocommerce_payment_complete', 78);`)
			const bought = Date.now()
			await page.locator('.notice', { hasText: 'Someone just made a purchase (order 78)' }).waitFor({ timeout: 8000 })
			t.diagnostic(`the notice after ${Date.now() - bought} ms`)
			await beat(page)
			assert.equal(page.beats.length, before)
			await page.close()
		})

		await t.test('the example shows a purchase without heartbeatd, with the next beat', async () => {
			await server.stop('SIGKILL')
			const page = await open('admin', '/wp-admin/')
			php(`do_action('woocommerce_payment_complete', 79);`)
			assert.equal((await beat(page)).purchase, 79)
			await page.locator('.notice', { hasText: 'Someone just made a purchase (order 79)' }).waitFor()
			php(`require_once ABSPATH . 'wp-admin/includes/plugin.php'; deactivate_plugins('heartbeatd/heartbeatd.php');`)
			await page.reload()
			php(`do_action('woocommerce_payment_complete', 80);`)
			assert.equal((await beat(page)).purchase, 80)
			await page.close()
		})
	})
})
