// What an author, a subscriber or the administrator of one site of a network can try, and what
// they must not achieve. docs/security.md lists these attacks.

import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { test } from 'node:test'
import { until } from '../browser/harness.mjs'
import { addMuPlugin, beat, claimsOf, connected, secret, withPlugin } from './plugin.mjs'
import { logIn } from './presence/person.mjs'

const presence = '/wp-presence/v1/presence'

test('attacks of users', { timeout: 400_000 }, async (t) => {
	await withPlugin(t, async ({ site, server, php, open }) => {
		const { author, subscriber } = site.users
		const person = await logIn(site, 'author')
		const id = php(`return wp_insert_post(array('post_title' => 'The real title', 'post_status' => 'publish', 'post_author' => ${author.id}));`)

		await t.test('the title of an edited post is that of the post, not one of an entry\'s author', async () => {
			const page = await open('admin', '/wp-admin/')
			await connected(page)
			// PHP answers until it has seen a beat of the screen.
			for (let i = 0; i < 10 && (i === 0 || page.beats.length); i++) {
				page.beats.length = 0
				await beat(page)
			}
			const write = async (room, data) => (await person.rest('POST', presence, { room, client_id: `mine-${author.id}`, data })).status
			for (const room of [`postType/weird:${id}`, `postType/weird:99${id}`, `postType/post:0${id}`, 'postType/weird:0', `postType/page:${id}`]) {
				assert.equal(await write(room, { title: 'forged' }), 403, room)
			}
			const listed = async () => {
				await page.evaluate(() => wp.heartbeat.enqueue('presence-active-posts-ping', true))
				const tick = await beat(page)
				return (tick['presence-active-posts'] ?? []).map((post) => [post.post_id, post.post_title, post.post_type])
			}
			for (const data of [{ title: 'forged', post_type: 'forged' }, {}, { title: ['forged'] }]) {
				assert.equal(await write(`postType/post:${id}`, data), 200)
				page.beats.length = 0
				let posts = []
				for (const end = Date.now() + 10_000; !posts.length && Date.now() < end;) posts = await listed()
				assert.deepEqual(posts, [[id, 'The real title', 'post']])
				assert.deepEqual(page.beats.map(String), [], 'heartbeatd answers')
			}
			await person.rest('DELETE', presence, { room: `postType/post:${id}`, client_id: `mine-${author.id}` })
			await page.close()
		})

		await t.test('screens that only a page has named replace no others', async () => {
			const stale = async (key) => (await person.rest('POST', `${presence}/screen-revisions/stale`, { screen_key: key }))
			php(`heartbeatd_bump_screen_revision('options/general', 1); heartbeatd_bump_screen_revision('of-a-plugin/1', 1); return 1;`)
			for (let i = 0; i < 15; i++) assert.equal((await stale(`invented/${i}`)).status, 200)
			for (const key of [`post/${id}x`, `post/${id}/x`, `post/0${id}`, `post/x${id}`]) assert.equal((await stale(key)).status, 403, key)
			const editor = await logIn(site, 'editor')
			const term = php(`return get_option('default_category');`)
			const status = async (key) => (await editor.rest('POST', `${presence}/screen-revisions/stale`, { screen_key: key })).status
			for (const key of [`term/invented/${term}`, `term//${term}`, `term/post_tag/${term}`, 'term/category/999999']) assert.equal(await status(key), 403, key)
			assert.equal(php(`wp_set_current_user(${editor.id}); return heartbeatd_can_access_screen('term/category/${term}');`), true)
			const keys = (code = '') => php(`${code} return array_keys(heartbeatd_screen_revisions());`)
			assert.deepEqual(keys(), ['', 'options/general', 'of-a-plugin/1', ...Array.from({ length: 10 }, (_, i) => `invented/${i + 5}`)])
			const all = keys(`wp_set_current_user(${author.id}); for ($i = 0; $i < 205; $i++) heartbeatd_bump_screen_revision("invented/$i", 0, true); for ($u = 100; $u < 130; $u++) for ($i = 0; $i < 10; $i++) heartbeatd_bump_screen_revision("invented/$u-$i", $u, true);`)
			assert.deepEqual([all.slice(0, 3), all.length], [['', 'options/general', 'of-a-plugin/1'], 103])
		})

		await t.test('the revision of a screen never decreases', async () => {
			const bump = (key, named) => php(`return heartbeatd_bump_screen_revision('${key}', 1, ${named});`)
			php(`delete_option('heartbeatd_screen_revisions'); return 1;`)
			for (const rev of [1, 2, 3]) assert.equal(bump('forgotten', false), rev)
			php(`for ($i = 0; $i < 205; $i++) heartbeatd_bump_screen_revision("x/$i", 1); return 1;`)
			assert.equal(php(`return isset(heartbeatd_screen_revisions()['forgotten']);`), false)
			assert.equal(bump('forgotten', false), 4)
			assert.equal(bump('forgotten', true), 5)
			php(`for ($i = 0; $i < 20; $i++) heartbeatd_bump_screen_revision("y/$i", 1, true); return 1;`)
			assert.equal(bump('forgotten', true), 6, 'a page cannot make it one of its own')
			assert.equal(bump('y/0', true), 5, 'above all that were removed')
		})

		await t.test('an invented screen is not stored', async () => {
			await person.beat({}, { screen: 'dashboard' })
			addMuPlugin(site, 'writes', `add_action('update_option', fn ($name) => 0 === strpos($name, 'heartbeatd_') && update_option('written', array($name, 1 + (get_option('written')[1] ?? 0))));
				add_action('admin_menu', fn () => add_menu_page('Own', 'Own', 'read', 'own', fn () => print 'own'));
				add_action('admin_menu', fn () => add_menu_page('Own', 'Own', 'read', 'Own-Page', fn () => print 'own'));`)
			for (let i = 0; i < 70; i++) await person.beat({}, { screen: `invented-${i}` })
			assert.equal(php(`return get_option('written', null);`), null)
			const knows = (screen) => php(`return heartbeatd_is_known_screen('${screen}');`)
			assert.deepEqual(['dashboard', 'edit-post', 'post', 'edit-category', 'front', 'toplevel_page_own', 'invented-1'].map(knows), [true, true, true, true, true, false, false])
			for (let i = 0; i < 2; i++) await fetch(`${site.url}/wp-admin/admin.php?page=own`, { headers: { cookie: person.cookie } })
			assert.deepEqual([knows('toplevel_page_own'), php(`return get_option('written');`)], [true, ['heartbeatd_screens', 1]])
		})

		await t.test('a screen whose id has capitals becomes native', async () => {
			const page = await (await fetch(`${site.url}/wp-admin/admin.php?page=Own-Page`, { headers: { cookie: person.cookie } })).text()
			assert.match(page, /'toplevel_page_Own-Page'/, 'the id is not what core makes of it in a beat')
			assert.equal(claimsOf(page.match(/"ticket":"([^"]+)"/)[1]).screen, 'toplevel_page_own-page')
			const isNative = async () => Boolean(claimsOf((await person.rawBeat({}, { screen: 'toplevel_page_Own-Page' })).headers.get('x-heartbeatd-ticket')).native)
			await isNative()
			assert.equal(await isNative(), true)
		})

		await t.test('a refused value of a setting is printed as text', () => {
			const errors = php(`require_once ABSPATH . 'wp-admin/includes/template.php'; heartbeatd_sanitize_settings(array('api' => '<img src=x onerror=alert(1)>', 'url' => str_repeat('<', 1000))); return wp_list_pluck(get_settings_errors('heartbeatd'), 'message');`)
			assert.equal(errors.length, 2)
			for (const text of errors) assert.ok(!text.includes('<') && text.length < 1000, text)
			assert.match(errors.join(), /&lt;img src=x/)
		})

		await t.test('the Host header does not choose where heartbeatd calls the site', async () => {
			const host = new URL(site.url).host
			const config = `${site.dir}/wp-config.php`
			assert.equal(php(`global $wpdb; $wpdb->update($wpdb->options, array('option_value' => 'http://old.example'), array('option_name' => 'home')); wp_cache_delete('alloptions', 'options'); return heartbeatd_call_url('');`), `${site.url}/wp-json/`, 'WP_HOME, which is the same in each request')
			php(`global $wpdb; $wpdb->update($wpdb->options, array('option_value' => '${site.url}'), array('option_name' => 'home')); return 1;`)
			writeFileSync(config, readFileSync(config, 'utf8').replace(/^define\('WP_HOME', .*$/m, `define('WP_HOME', 'http://' . $_SERVER['HTTP_HOST']); // 'WP_HOME', 'http://${host}'`))
			addMuPlugin(site, 'probe', `if (isset($_GET['probe'])) add_action('init', function () {
				echo json_encode(array(home_url(), heartbeatd_call_url('heartbeatd/v1/presence/rows'), heartbeatd_verify_key((string) $_GET['probe'], 'site', '/heartbeatd/v1/presence/rows')));
				exit;
			});`)
			const good = `${site.url}/wp-json/heartbeatd/v1/presence/rows`
			const probe = async (at, url) => JSON.parse(await get(site, `/?probe=${sign(url)}`, { host: at }))
			const evil = (key) => [['http://evil.test', good, key], ['http://evil.test', good, false]]
			const tried = async () => [await probe('evil.test', good), await probe('evil.test', 'http://evil.test/wp-json/heartbeatd/v1/presence/rows')]
			assert.deepEqual(await probe(host, good), [site.url, good, true])
			assert.deepEqual(await probe(host, `${site.url}/wp-json/heartbeatd/v1/presence/sync`), [site.url, good, false], 'a key for another route')
			assert.deepEqual(await tried(), evil(true), 'the option home counts')

			php(`global $wpdb; $wpdb->update($wpdb->options, array('option_value' => 'http://old.example'), array('option_name' => 'home')); wp_cache_delete('alloptions', 'options'); return 1;`)
			await get(site, '/wp-admin/profile.php', { host: 'evil.test', cookie: (await logIn(site, 'subscriber')).cookie })
			assert.deepEqual(php(`return get_option('heartbeatd_address');`), [], `user ${subscriber.id} confirms nothing`)
			assert.equal((await probe('evil.test', good))[1], good.replace(site.url, 'http://old.example'))
			await get(site, '/wp-admin/', { host, cookie: (await logIn(site, 'admin')).cookie })
			assert.deepEqual(php(`return get_option('heartbeatd_address');`), [site.url], 'an administrator does')
			assert.deepEqual(await tried(), evil(true))

			const second = 'http://second.example'
			const atSecond = good.replace(site.url, second)
			assert.deepEqual(await probe('second.example', atSecond), [second, good, false])
			await get(site, '/wp-admin/', { host: 'second.example', cookie: (await logIn(site, 'admin')).cookie })
			const both = php(`return get_option('heartbeatd_address');`)
			assert.deepEqual(both, [second, site.url])
			await get(site, '/wp-admin/', { host, cookie: (await logIn(site, 'admin')).cookie })
			assert.deepEqual(php(`return get_option('heartbeatd_address');`), both, 'a known address is not written again')
			assert.deepEqual(await probe('second.example', good), [second, atSecond, true], 'each host names itself, and accepts the keys of both')
			assert.deepEqual(await probe(host, atSecond), [site.url, good, true])
			assert.deepEqual(await probe('evil.test', 'http://evil.test/wp-json/heartbeatd/v1/presence/rows'), ['http://evil.test', atSecond, false])
			php(`for ($i = 0; $i < 9; $i++) heartbeatd_add_address("http://$i.example"); return 1;`)
			assert.equal(php(`return count(get_option('heartbeatd_address'));`), 5)
		})

		await t.test('a set-back of the clock brings no revoked ticket back, and refuses no newer one', async () => {
			const fetchTicket = async () => {
				const page = await (await fetch(`${site.url}/wp-admin/`, { headers: { cookie: person.cookie } })).text()
				return page.match(/"ticket":"([^"]+)"/)[1]
			}
			const shifted = (ticket, seconds) => signed({ ...claimsOf(ticket), iat: claimsOf(ticket).iat + seconds })
			const post = async (ticket) => (await fetch(`${server.url}/heartbeat/beat`, { method: 'POST', body: new URLSearchParams({ action: 'heartbeat' }), headers: { 'heartbeat-ticket': ticket } })).status
			const revoke = (code) => php(`${code} heartbeatd_flush(); return 1;`)
			for (const code of [`heartbeatd_revoke_user(${author.id});`, 'heartbeatd_revoke_all();']) {
				const old = await fetchTicket()
				assert.equal(await post(shifted(old, 30)), 409, 'before')
				revoke(code)
				await until('the revocation', async () => await post(old) === 403)
				assert.equal(await post(shifted(old, 30)), 403, 'issued before the clock was set back')
				const fresh = await fetchTicket()
				for (const seconds of [0, -600]) assert.equal(await post(shifted(fresh, seconds)), 409, `${code} issued ${seconds} s later`)
			}
			const serials = php(`return array(get_user_meta(${author.id}, 'heartbeatd_serial', true), get_option('heartbeatd_serial'));`).map(Number)
			assert.deepEqual(claimsOf(await fetchTicket()).serials, serials)
			php(`update_user_meta(${author.id}, 'heartbeatd_serial', ${Date.now() + 600_000}); return 1;`)
			const first = php(`return heartbeatd_next_serial(${author.id});`)
			assert.ok(first > Date.now() + 590_000, 'a serial never decreases')
			assert.equal(php(`return heartbeatd_next_serial(${author.id});`), first + 1)
			assert.equal(php('return heartbeatd_next_serial(999999);'), 2 ** 53, 'nobody gets tickets of a deleted user')
		})

		await t.test('WP-CLI confirms an address only if no administrator has', () => {
			const confirm = (known, home) => php(`update_option('heartbeatd_address', ${known}); add_filter('rest_url', fn ($url) => '${home}/wp-json/'); heartbeatd_confirm_address_in_cli(); return get_option('heartbeatd_address');`)
			assert.deepEqual(confirm('array()', 'https://new.example'), ['https://new.example'])
			assert.deepEqual(confirm(`array('${site.url}')`, 'https://new.example'), [site.url])
			assert.deepEqual(confirm(`''`, 'http://old.example'), '', 'that of the option home is known')
		})
	})
})

// sign signs the key of a call to a URL, as heartbeatd does.
function sign(url) {
	const now = Math.floor(Date.now() / 1000)
	return signed({ aud: ['site'], iat: now, exp: now + 60, url })
}

// signed returns a JWT of the site.
function signed(claims) {
	const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
	const text = `${part({ alg: 'HS256', typ: 'JWT', kid: 'default' })}.${part(claims)}`
	return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`
}

// get requests a page with headers that fetch does not set.
function get(site, path, headers) {
	return new Promise((done, fail) => {
		request(`${site.url}${path}`, { headers }, (response) => {
			let text = ''
			response.setEncoding('utf8').on('data', (chunk) => (text += chunk)).on('end', () => done(text))
		}).on('error', fail).end()
	})
}
