// Callbacks of other plugins are judged for each set of handles that beats carry: heartbeatd
// answers beats with the sets with which all callbacks were silent, and PHP those with any other.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '../browser/harness.mjs'
import { addMuPlugin, claimsOf, connected, logIn, tickOf, withPlugin } from './plugin.mjs'

const BEATS = 5 // after which a callback is silent
const LOCK = 'wp-refresh-post-lock'
const LOCKS = 'wp-check-locked-posts'

// Callbacks of which one is registered at a time.
const callbacks = {
	reads: `add_filter('heartbeat_send', function ($r) { get_user_meta(get_current_user_id(), 'reads', true); return $r; });`,
	lists: `add_filter('heartbeat_received', fn ($r, $d) => isset($d['${LOCKS}']) ? $r + array('lists' => 1) : $r, 10, 2);`,
	magic: `class Magic { function __call($name, $values) { return $values[0]; } } add_filter('heartbeat_received', array(new Magic, 'on'));`,
}

test('sets of handles', { timeout: 300_000 }, async (t) => {
	await withPlugin(t, async ({ site, browser, php, open }) => {
		const post = php(`return wp_insert_post(array('post_title' => 'A post', 'post_status' => 'publish'));`)
		addMuPlugin(site, 'callbacks', Object.entries(callbacks).map(([name, code]) => `if ('${name}' === get_option('callback')) {\n${code}\n}`).join('\n'))
		const use = (name) => php(`update_option('callback', '${name}', true); heartbeatd_reset_observations(); return 1;`)
		const beats = await beatsOf(await browser(), site)
		const none = [], lock = [LOCK, { post_id: post }], locks = [LOCKS, { '': `post-${post}` }]

		await t.test('a set that beats rarely carry does not delay the others', async () => {
			use('reads')
			assert.deepEqual(await beats(none, 1), [undefined])
			assert.deepEqual(await beats(lock, BEATS), [...Array(BEATS - 1).fill(undefined), [LOCK]])
			assert.deepEqual(await beats(none, BEATS - 1), [...Array(BEATS - 2).fill([LOCK]), ['', LOCK, '*']])
		})

		await t.test('a callback that acts with one set does not keep beats with the others from heartbeatd', async () => {
			use('lists')
			const learned = [...Array(BEATS - 1).fill('own'), [LOCK, '']]
			assert.deepEqual(await beats(lock, BEATS), learned)
			assert.deepEqual(await beats(locks, 1), ['own'], 'the first effect counts for all sets')
			assert.deepEqual(await beats(lock, BEATS), learned)
			php(`$l = get_option('heartbeatd_learned'); array_walk_recursive($l['silent'], function (&$n) { if ($n < 0) $n++; }); return update_option('heartbeatd_learned', $l);`)
			assert.deepEqual(await beats(locks, 1), [[LOCK, '']], 'an hour later the same effect counts for its own set')
		})

		await t.test('with a pace beats may carry each set that was seen', async () => {
			use('magic')
			php(`return update_option('heartbeatd', array('paces' => array(heartbeatd_pace_key(array('hook' => 'heartbeat_received', 'callback' => 'Magic::on')) => 60)));`)
			assert.deepEqual(await beats(lock, 2), [[LOCK, ''], [LOCK, '']])
			php(`return delete_option('heartbeatd');`)
		})

		await t.test('a ticket without room loses sets, and is not valid for all', () => {
			assert.deepEqual(php(`wp_set_current_user(1);
				$claims = array('rooms' => array(), 'sets' => array('${LOCK}', '', '*'), 'iat' => time());
				$sizes = array_map('strlen', array_map('heartbeatd_sign_jwt', array(array('sets' => array('${LOCK}', '')) + $claims, array('sets' => array('${LOCK}')) + $claims)));
				foreach (array($sizes[0], $sizes[1], $sizes[1] - 1) as $limit) $all[] = heartbeatd_sign_ticket($claims, $limit);
				return $all;`).map((ticket) => ticket && claimsOf(ticket).sets), [[LOCK, ''], [LOCK], ''])
		})

		await t.test('a page', async () => {
			use('reads')
			const page = await open('admin', '/wp-admin/edit.php')
			await connected(page)
			await page.evaluate((handle) => jQuery(document).on('heartbeat-send', (event, data) => { if (window.bare) delete data[handle] }), LOCKS)
			const byPHP = async (bare) => {
				await page.evaluate((bare) => { window.bare = bare }, bare)
				return (await tickOf(page)).byPHP
			}
			const learn = (what, bare) => until(`heartbeatd answers ${what}`, async () => !(await byPHP(bare)), 60)
			assert.equal(await byPHP(true), true)
			await learn('beats of the list', false)
			assert.equal(await byPHP(true), true, 'a set that was seen once')
			await learn('beats without the handle of a list', true)
			await learn('beats of the list again', false)
			await page.close()
		})
	})
})

// beatsOf returns a function that has an editor beat, as a page that edits a post, and resolves
// with what each beat's ticket allows: sets, 'own' for beats with the plugin's own handles only,
// 'all' for all, or undefined for none.
async function beatsOf(browser, site) {
	const { request } = await logIn(browser, site, 'editor')
	const dashboard = await (await request.get(`${site.url}/wp-admin/`)).text()
	const nonce = dashboard.match(/heartbeatSettings = .*?"nonce":"(\w+)"/)[1]
	return async ([handle, values = {}], count) => {
		const data = Object.fromEntries(Object.entries(values).map(([key, value]) => [`data[${handle}][${key}]`, String(value)]))
		const seen = []
		for (let i = 0; i < count; i++) {
			const answer = await request.post(`${site.url}/wp-admin/admin-ajax.php`, {
				form: { action: 'heartbeat', _nonce: nonce, screen_id: 'post', has_focus: 'true', interval: '60', 'data[presence-screen-ping][key]': 'x/1', ...data },
			})
			const { native, repeat_until: repeats, sets } = claimsOf(answer.headers()['x-heartbeatd-ticket'])
			seen.push(native && (repeats ? sets ?? 'all' : 'own'))
		}
		return seen
	}
}
