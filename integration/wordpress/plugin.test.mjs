// The plugin on a live WordPress, in a browser.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '../browser/harness.mjs'
import { addMuPlugin, addPlugin, beat, claimsOf, connected, logIn, nativeHandles, withPlugin } from './plugin.mjs'
import { fileURLToPath } from 'node:url'

test('the plugin', { timeout: 400_000 }, async (t) => {
	await withPlugin(t, async ({ site, server, browser, php, open }) => {
		await t.test('an admin page is connected, and heartbeatd answers its beats', async () => {
			const page = await open('editor', '/wp-admin/')
			await connected(page)
			assert.equal(page.beats.length, 0)
			await beat(page)
			assert.equal(page.beats.length, 1, 'the first beat goes to PHP: nothing was learned yet')
			const tick = await beat(page)
			assert.equal(page.beats.length, 1, 'the second is answered by heartbeatd')
			assert.equal(tick['wp-auth-check'], true)
			assert.deepEqual(tick['presence-online'].map((person) => [person.display_name, person.screen, person.screen_label]), [['Editor', 'dashboard', 'Dashboard']])
			await page.evaluate(() => wp.heartbeat.enqueue('foreign', 1))
			const request = page.waitForRequest((one) => one.url().includes('admin-ajax.php'))
			const [online] = (await beat(page))['presence-online']
			assert.equal((await request).headers()['heartbeat-link'], '1')
			assert.deepEqual({ ...online, date_gmt: '' }, { ...tick['presence-online'][0], date_gmt: '' }, 'where PHP answers, the page adds the same')
			await page.close()

			const again = await open('editor', '/wp-admin/')
			await until('the early beat', () => again.frames.received.some((frame) => frame.type === 'tick'))
			assert.equal(again.beats.length, 0)
			assert.deepEqual(again.errors, [])
			await again.close()
		})

		await t.test('tickets have the user, the screen and the rights', async () => {
			const page = await open('editor', '/wp-admin/')
			const ticket = await page.evaluate(() => heartbeatSettings.heartbeatd.ticket)
			const claims = claimsOf(ticket)
			assert.equal(await page.evaluate(() => heartbeatSettings.heartbeatd.lock_window), 150)
			const nonce = await page.evaluate(() => heartbeatSettings.nonce)
			assert.equal(claims.sub, String(site.users.editor.id))
			assert.deepEqual([claims.name, claims.can, claims.rooms, claims.screen], ['Editor', ['edit_posts'], [], 'dashboard'])
			assert.equal(claims.nonce, php(`return hash('sha256', '${nonce}');`))
			assert.equal(claims.fresh_until, Math.ceil(claims.iat / 43200) * 43200)
			assert.equal(claims.exp, Math.floor(claims.iat) + 3600)
			assert.ok(php(`return array_keys(get_user_meta(${claims.sub}, 'session_tokens', true));`).includes(claims.sid))
			await page.close()

			const subscriber = await open('subscriber', '/wp-admin/')
			assert.deepEqual(claimsOf(await subscriber.evaluate(() => heartbeatSettings.heartbeatd.ticket)).can, [])
			assert.equal(await subscriber.evaluate(() => typeof window.heartbeatdPresence), 'undefined')
			await subscriber.close()
		})

		await t.test('every ticket of a posts list and of an editor names their rooms', async () => {
			const ids = php(`$ids = array(); for ($i = 0; $i < 30; $i++) $ids[] = wp_insert_post(array('post_title' => "Post $i", 'post_status' => 'publish', 'post_author' => ${site.users.editor.id})); return $ids;`)
			const list = await open('editor', '/wp-admin/edit.php')
			const shown = await list.evaluate(() => Array.from(document.querySelectorAll('#the-list tr'), (row) => `postType/post:${row.id.slice(5)}`))
			assert.equal(shown.length, 20)
			assert.deepEqual(claimsOf(await list.evaluate(() => heartbeatSettings.heartbeatd.ticket)).rooms, shown)
			const [answer] = await Promise.all([beatAnswer(list), askPHP(list)])
			const fresh = answer.headers()['x-heartbeatd-ticket']
			assert.ok(fresh.length <= 2048)
			assert.deepEqual(claimsOf(fresh).rooms, shown)
			assert.deepEqual(claimsOf(fresh).native, nativeHandles)
			await list.close()

			const author = await open('author', '/wp-admin/edit.php')
			assert.deepEqual(claimsOf(await author.evaluate(() => heartbeatSettings.heartbeatd.ticket)).rooms, [], 'an author may not edit others\' posts')
			await author.close()
			const long = php(`wp_set_current_user(${site.users.editor.id}); $_COOKIE[LOGGED_IN_COOKIE] = 'editor|9999999999|token|hmac';
				return array_map(fn ($n) => strlen(heartbeatd_sign_ticket(heartbeatd_ticket_claims('n', 'edit-post', array_slice(get_posts(array('fields' => 'ids', 'numberposts' => -1)), 0, $n), 0))), array(0, 10, 20, 30));`)
			assert.ok(long[0] > 400 && long[3] <= 2048, String(long))

			const editor = await open('editor', `/wp-admin/post.php?post=${ids[0]}&action=edit`)
			const claims = claimsOf(await editor.evaluate(() => heartbeatSettings.heartbeatd.ticket))
			assert.deepEqual([claims.rooms, claims.post], [[`postType/post:${ids[0]}`], { id: ids[0], type: 'post', status: 'publish', title: 'Post 0' }])
			const [posted] = await Promise.all([beatAnswer(editor), askPHP(editor)])
			const next = claimsOf(posted.headers()['x-heartbeatd-ticket'])
			assert.deepEqual([next.rooms, next.post], [claims.rooms, claims.post])
			await editor.close()
		})

		await t.test('other pages show at once that a lock is taken, taken over or released', async () => {
			const id = php(`return wp_insert_post(array('post_title' => 'Locked', 'post_status' => 'publish', 'post_author' => ${site.users.editor.id}));`)
			const list = await open('admin', '/wp-admin/edit.php')
			await connected(list)
			await beat(list)
			const row = list.locator(`#post-${id}`)
			const editor = await open('editor', `/wp-admin/post.php?post=${id}&action=edit`)
			const opened = Date.now()
			await until('the lock in the list', () => row.evaluate((element) => element.classList.contains('wp-locked')), 8)
			t.diagnostic(`taken: in the list ${Date.now() - opened} ms after the editor had loaded`)

			await connected(editor)
			await beat(editor)
			php(`require_once ABSPATH . 'wp-admin/includes/post.php'; wp_set_current_user(${site.users.admin.id}); wp_set_post_lock(${id});`)
			const taken = Date.now()
			await until('the editor to hear of it', () => editor.evaluate(() => document.body.innerText.includes('Someone else has taken over this post') || Boolean(document.querySelector('.editor-post-locked-modal'))), 8)
			t.diagnostic(`taken over: in the editor after ${Date.now() - taken} ms`)
			await editor.close()

			const other = await open('editor', `/wp-admin/post.php?post=${id}&action=edit&get-post-lock=1&_wpnonce=${encodeURIComponent(await lockNonce(open, id))}`)
			await until('the lock in the list again', () => row.evaluate((element) => element.classList.contains('wp-locked')), 8)
			await connected(other)
			await beat(other)
			await other.goto(`${site.url}/wp-admin/about.php`)
			await other.close()
			const left = Date.now()
			await until('the lock to go', () => row.evaluate((element) => !element.classList.contains('wp-locked')), 20)
			t.diagnostic(`let go: gone from the list after ${Date.now() - left} ms`)

			addMuPlugin(site, 'classic', `add_filter('use_block_editor_for_post', '__return_false');`)
			const classic = await open('editor', `/wp-admin/post.php?post=${id}&action=edit`)
			await until('the lock of the classic editor', () => row.evaluate((element) => element.classList.contains('wp-locked')), 8)
			await connected(classic)
			await beat(classic)
			php(`require_once ABSPATH . 'wp-admin/includes/post.php'; wp_set_current_user(${site.users.admin.id}); wp_set_post_lock(${id});`)
			await classic.locator('#post-lock-dialog .currently-editing').filter({ hasText: 'admin' }).waitFor({ timeout: 8000 })
			await classic.close()
			await list.close()
		})

		await t.test('the log-in dialog opens at once when the session ends elsewhere', async () => {
			const context = await logIn(await browser(), site, 'author')
			const page = await context.newPage()
			await page.goto(`${site.url}/wp-admin/`)
			await connected(page)
			const sid = claimsOf(await page.evaluate(() => heartbeatSettings.heartbeatd.ticket)).sid
			php(`$all = get_user_meta(${site.users.author.id}, 'session_tokens', true); unset($all['${sid}']); update_user_meta(${site.users.author.id}, 'session_tokens', $all);`)
			const ended = Date.now()
			await until('the dialog', () => page.evaluate(() => !document.getElementById('wp-auth-check-wrap').classList.contains('hidden')), 8)
			t.diagnostic(`the dialog after ${Date.now() - ended} ms`)
			await context.close()
		})

		await t.test('a page whose user gets another role opens its link again at once', async () => {
			const page = await open('author', '/wp-admin/')
			await connected(page)
			for (const role of ['contributor', 'author', 'contributor', 'author']) {
				page.frames.received.length = 0
				const started = Date.now()
				php(`get_userdata(${site.users.author.id})->set_role('${role}'); return 1;`)
				await until('the end of the ticket', () => page.frames.received.some(({ type, code }) => type === 'bye' && code === 4003), 8)
				await until('a link with the next', () => page.frames.received.some(({ type }) => type === 'welcome'), 8)
				t.diagnostic(`linked again ${Date.now() - started} ms after the role was changed`)
			}
			await page.close()
		})

		await t.test('a front-end page fetches its ticket, and logged-out pages have none', async () => {
			addMuPlugin(site, 'front', `add_action('wp_enqueue_scripts', function () { wp_enqueue_script('heartbeat'); });`)
			const page = await open('editor', '/')
			assert.deepEqual(await page.evaluate(() => Object.keys(heartbeatSettings.heartbeatd)), ['url'])
			await connected(page)
			assert.equal(page.beats.length, 1)
			await page.close()
			const visitor = await (await (await browser()).newContext()).newPage()
			await visitor.goto(`${site.url}/`)
			await beat(visitor)
			assert.equal(await visitor.evaluate(() => wp.heartbeat.transport.name), 'post')
			await visitor.context().close()
		})

		await t.test('pushes and nudges arrive, also those of the example plugin', async () => {
			addPlugin(site, fileURLToPath(new URL('examples/purchase-notice', import.meta.url)))
			php(`require_once ABSPATH . 'wp-admin/includes/plugin.php'; activate_plugin('purchase-notice/purchase-notice.php'); activate_plugin('heartbeatd/heartbeatd.php');`)
			const page = await open('admin', '/wp-admin/index.php')
			await connected(page)
			php(`do_action('woocommerce_payment_complete', 77);`)
			await until('the notice', () => page.evaluate(() => document.body.innerText.includes('Someone just made a purchase (order 77)')), 8)
			await page.evaluate(() => { window.pushes = []; wp.hooks.addAction('heartbeat.push', 'test', (push) => window.pushes.push(push)) })
			php(`foreach (array('user:${site.users.admin.id}', 'all', 'can:manage_options', 'admin/online') as $to) heartbeatd_push($to, array('to' => $to));`)
			await until('four pushes', () => page.evaluate(() => window.pushes.length === 4), 8)
			php(`heartbeatd_push('user:${site.users.editor.id}', 1); add_filter('heartbeatd_capabilities', fn () => array('nothing')); heartbeatd_push('can:nothing', 2); heartbeatd_nudge('all', 0);`)
			const sent = page.frames.sent.length
			await until('a beat after the nudge', () => page.frames.sent.slice(sent).some((frame) => frame.type === 'beat') || page.beats.length > 0, 8)
			assert.equal(await page.evaluate(() => window.pushes.length), 4)
			await page.close()
		})

		await t.test('with a foreign callback every beat goes to PHP, and the settings screen names it', async () => {
			addMuPlugin(site, 'nosy', `function nosy_received($response) { $response['nosy'] = 1; return $response; }\nadd_filter('heartbeat_received', 'nosy_received');`)
			const page = await open('admin', '/wp-admin/options-general.php?page=heartbeatd')
			await connected(page)
			for (let i = 1; i <= 3; i++) {
				await beat(page)
				assert.equal(page.beats.length, i)
			}
			assert.equal('native' in claimsOf(await page.evaluate(() => heartbeatSettings.heartbeatd.ticket)), false)
			await page.reload()
			await connected(page)
			const report = await page.innerText('#heartbeatd-report')
			assert.match(report, /PHP must see beats with handles of WordPress or of another plugin in which nosy_received in mu-plugins\/nosy\.php:2 on the hook heartbeat_received may do something/)
			assert.match(report, /heartbeatd .* runs\./)
			assert.match(report, /This browser is connected over a WebSocket/)
			assert.doesNotMatch(await page.content(), /a secret of the tests/)

			addMuPlugin(site, 'nosy-known', `add_filter('heartbeatd_known_callbacks', function ($known) { $known['heartbeat_received'][] = 'nosy_received'; return $known; });`)
			await page.goto(`${site.url}/wp-admin/`)
			await connected(page)
			await beat(page)
			const before = page.beats.length
			await beat(page)
			assert.equal(page.beats.length, before, 'the site\'s owner vouched for it')
			await page.close()
		})

		await t.test('while heartbeatd is down, pages and calls work as without it', async () => {
			await server.stop('SIGKILL')
			const page = await open('admin', '/wp-admin/options-general.php?page=heartbeatd')
			const report = await page.innerText('#heartbeatd-report')
			assert.match(report, /heartbeatd does not run, or cannot be reached/)
			assert.match(await page.innerText('#heartbeatd-transport'), /not connected/)
			assert.equal((await beat(page))['wp-auth-check'], true)
			php(`update_option('heartbeatd_failures', array()); return 1;`) // calls for presence have failed
			const [first, second, paused] = [1, 2, 3].map(() => php(`$n = 0; add_action('heartbeatd_called', function () use (&$n) { $n++; }); heartbeatd_nudge('all'); heartbeatd_flush(); return $n;`))
			assert.deepEqual([first, second, paused], [1, 1, 0], 'after two failures calls pause')
			await page.close()
		})
	})
})

const beatAnswer = (page) => page.waitForResponse((response) => response.url().includes('admin-ajax') && /(^|&)action=heartbeat(&|$)/.test(response.request().postData() ?? ''))

// lockNonce returns the nonce of the takeover button in the editor's dialog.
async function lockNonce(open, id) {
	const page = await open('editor', `/wp-admin/post.php?post=${id}&action=edit`)
	const link = await page.waitForSelector('a[href*="get-post-lock"]', { state: 'attached' })
	const href = await link.getAttribute('href')
	await page.close()
	return new URL(href, page.url()).searchParams.get('_wpnonce')
}

// askPHP sends a beat with a handle that heartbeatd does not know.
async function askPHP(page) {
	await page.evaluate(() => wp.heartbeat.enqueue('of-a-plugin', 1))
	return beat(page)
}
