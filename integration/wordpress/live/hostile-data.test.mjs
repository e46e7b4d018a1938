// Data that a user who may edit posts writes into presence, against the pages of the others and
// against PHP: one bad entry is refused or left out, and everybody else is shown.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { logIn } from '../presence/person.mjs'
import { beat, editorOf, linked, newEditor, newPost, until, withLive } from './live.mjs'

const route = '/wp-presence/v1/presence'
const deep = (levels) => '{"a":'.repeat(levels) + '1' + '}'.repeat(levels)
const x = (n) => 'x'.repeat(n)

// What the REST route takes, and what pages then show of it.
const accepted = [
	'{"screen_label":{"toString":"a"},"screen":{"valueOf":1}}', '{"name":[],"screen_label":null}', '{"__proto__":{"screen_label":{"toString":1}},"constructor":1}',
	'{"screen_label":["a"],"screen":[[]],"title":{"length":-1}}', '{"screen_label":1.7976931348623157e308,"screen":-0}', '{"toString":1,"valueOf":1,"toJSON":1}',
	deep(16), `{"screen_label":"${x(10_000)}"}`, `{"x":"${x(10_000)}"}`, '{"screen":"\\ud83d\\ude00<img src=x onerror=alert(1)>"}', '{}', '{"title":"Of the author"}',
]
const refused = [
	deep(17), deep(500), '7', '[1]', '"x"', `{"x":"${x(10_241)}"}`, `{"x":[${'0,'.repeat(600)}0]}`, '{"x":1e999}', '{"\\u0000x":1}', '{"x":"\\ud800"}',
]

test('data that another user has written', { timeout: 600_000 }, async (t) => {
	await withLive(t, async ({ site, php, person }) => {
		const author = await logIn(site, 'author')
		const post = newPost(php, 'Of the author', site.users.author.id)
		const put = async (room, id, data) => (await fetch(`${site.url}/wp-json${route}`, {
			method: 'POST', headers: { cookie: author.cookie, 'x-wp-nonce': author.nonce, 'content-type': 'application/json' },
			body: `{"room":${JSON.stringify(room)},"client_id":"${id}","data":${data}}`,
		})).status
		// Each entry has a user of its own: of the entries of one user, pages show the newest.
		const others = accepted.map((data, i) => newEditor(site, php, `evil-${String.fromCharCode(97 + i)}`))
		// Writes or renews all entries: in the room of all users and in that of a post.
		const attack = () => {
			const calls = ['admin/online', `postType/post:${post}`].flatMap((room) => accepted.map((data, i) => [others[i].id, `{"room":${JSON.stringify(room)},"client_id":"evil-${i}","data":${data}}`]))
			const statuses = php(`return array_map(function ($call) {
				wp_set_current_user($call[0]);
				$request = new WP_REST_Request('POST', '${route}');
				$request->set_header('content-type', 'application/json');
				$request->set_body($call[1]);
				return rest_do_request($request)->get_status();
			}, json_decode(base64_decode('${Buffer.from(JSON.stringify(calls)).toString('base64')}')));`)
			assert.deepEqual(statuses, calls.map(() => 200))
		}
		const failures = () => php(`return heartbeatd_failed_calls()['count'];`)

		await t.test('what PHP or pages cannot read is refused, and lists stay', async () => {
			for (const data of refused) assert.equal(await put('admin/online', 'evil', data), 400, data.slice(0, 60))
			attack()
			const list = await author.rest('GET', route, { room: 'admin/online' })
			assert.equal(list.status, 200)
			const isEvil = ({ client_id: id }) => id.startsWith('evil-')
			assert.equal(list.body.filter(isEvil).length, accepted.length)
			assert.equal((await author.rest('GET', `${route}/rooms`)).status, 200)
			assert.equal(php(`return wp_get_presence('admin/online');`).filter(isEvil).length, accepted.length)
			const tick = await author.beat({ 'presence-ping': { screen: 'dashboard' }, 'presence-active-posts-ping': true })
			assert.ok(tick['presence-online'].every(({ screen, screen_label: label }) => typeof screen === 'string' && typeof label === 'string' && label.length <= 191))
			assert.ok(tick['presence-active-posts'].some(({ post_id: id }) => id === post))
			assert.equal(failures(), 0)
		})

		await t.test('the functions of PHP take no such data', () => {
			const set = (data) => php(`return wp_set_presence('r', 'c', json_decode('${data}', true, 2000), ${author.id});`)
			assert.equal(set(deep(16)), true)
			for (const data of [deep(17), deep(600), `{"x":[${'0,'.repeat(600)}0]}`]) assert.equal(set(data), false, data.slice(0, 40))
			assert.deepEqual(php(`$d = json_decode('${deep(17)}'); $n = array('a' => array_fill(0, 10001, 1)); return array(heartbeatd_push('all', $d), heartbeatd_answer('all', 'h', $d, 5), heartbeatd_push('all', $n), heartbeatd_push('all', json_decode('${deep(16)}')));`), [false, false, false, true])
		})

		await t.test('functions of PHP report data that they refuse', () => {
			for (const [name, call, bytes] of [['heartbeatd_push', `heartbeatd_push('all', $data)`, 65536], ['heartbeatd_answer', `heartbeatd_answer('all', 'stock', $data, 60)`, 16384]]) {
				const reports = php(`$reports = array(); add_action('doing_it_wrong_run', function ($called, $message) use (&$reports) { $reports[] = "$called: $message"; }, 10, 2); add_filter('doing_it_wrong_trigger_error', '__return_false');
					foreach (array(array_fill(0, 10001, 1), str_repeat('x', 70000), json_decode('${deep(17)}'), NAN) as $data) ${call};
					return $reports;`)
				assert.equal(reports.length, 4, JSON.stringify(reports))
				for (const text of reports) assert.match(text, new RegExp(`^${name}: The data is not sent\\. .* at most ${bytes} bytes and 10000 values, and be nested at most 16 levels deep`))
			}
		})

		await t.test('a row of the Presence API plugin does not spoil the answer to heartbeatd', () => {
			const row = (data) => `array('room' => 'r', 'client_id' => 'c', 'user_id' => 1, 'data' => ${data}, 'date_gmt' => '2030-01-01 00:00:00')`
			const large = `'{"x":"' . str_repeat('x', 10000) . '","screen":"post"}'`
			const rows = [`'${deep(16)}'`, `'${deep(510)}'`, `'{"a":1e999}'`, "'no JSON'", ...Array(200).fill(large)]
			const [bytes, entries] = php(`require_once WP_PLUGIN_DIR . '/heartbeatd/includes/presence/sync.php'; $e = heartbeatd_sync_rows_to_entries(array(${rows.map(row)})); return array(strlen(wp_json_encode(array('entries' => $e))), array($e[0], $e[1], $e[2], $e[3], $e[4], $e[203]));`)
			assert.ok(bytes > 0 && bytes < 512 * 1024, `${bytes} bytes`)
			assert.deepEqual(entries.map(({ data }) => data), [JSON.parse(deep(16)), {}, {}, {}, { x: x(10_000), screen: 'post' }, { screen: 'post' }])
		})

		await t.test('an unreadable answer is not an answer of a heartbeatd that is down', () => {
			const entry = (id, data) => `{"room":"r","client_id":"${id}","user_id":1,"display_name":"A","avatar_url":"","data":${data},"date_gmt":"2030-01-01 00:00:00"}`
			const read = (body) => php(`add_filter('pre_http_request', fn () => array('response' => array('code' => 200), 'headers' => array(), 'body' => base64_decode('${Buffer.from(body).toString('base64')}')));
				$ids = array(); for ($i = 0; $i < 3; $i++) { heartbeatd_presence_clear_cache(); $ids[] = array_column(wp_get_presence('r'), 'client_id'); }
				$failed = heartbeatd_failed_calls()['count']; update_option('heartbeatd_failures', array()); return array($ids[2], $failed);`)
			for (const bad of [deep(510), '{"a":1e999}', '{"\\u0000a":1}']) {
				const [ids, failed] = read(`[${entry('a', '{}')},${entry('bad', bad)},${entry('b', '{}')}]`)
				assert.deepEqual([ids.filter((id) => id !== 'bad'), failed], [['a', 'b'], 0], bad.slice(0, 40))
			}
			assert.deepEqual(read(`[${entry('a', '{}')},{"room":{},"client_id":[],"user_id":"x"},null,7,${entry('b', '{}')}]`), [['a', 'b'], 0])
			assert.deepEqual(read(`[${entry('a', '{"a":"\\ud800"}')}]`)[1], 0, 'half of a surrogate pair')
			assert.equal(read('<html>')[1], 2, 'another program')
			assert.equal(read(`[${entry('a', '{')}`)[1], 2, 'an answer that ended early')
		})

		for (const client of ['websocket', 'post', 'core']) {
			await t.test(`no script throws, and others are shown: ${client}`, async () => {
				attack()
				const admin = await person('admin', { client })
				const errors = []
				const open = async (path, editor) => {
					await admin.uses({ client, editor })
					const page = await admin.context.newPage()
					page.on('pageerror', (error) => errors.push(`${path}: ${error.message}`))
					page.on('dialog', (dialog) => errors.push(`${path}: ${dialog.message()}`))
					await page.goto(`${site.url}${path}`)
					return page
				}
				const names = others.map(({ login: name }) => name)
				const hasAll = (text) => names.every((name) => text.includes(name))
				const shows = {
					'/wp-admin/': [...names.map((name) => ['#heartbeatd-who', name]), ['#heartbeatd-active-posts', 'Of the author']],
					'/wp-admin/users.php': others.map(({ id }) => [`.heartbeatd-status[data-user="${id}"]`, /Online|Idle/]),
					'/wp-admin/edit.php': [[`#post-${post} .heartbeatd-editors`, 'evil-']],
					'/wp-admin/options-general.php?page=heartbeatd': [],
					[editorOf(post)]: [],
				}
				for (const [path, parts] of Object.entries(shows)) {
					const page = await open(path)
					if (client === 'core') {
						await page.waitForFunction(() => document.readyState === 'complete')
						// Without the plugin, its settings screen is an error page.
						const tick = path.includes('page=heartbeatd') ? {} : await beat(page)
						assert.deepEqual(Object.keys(tick).filter((handle) => handle.startsWith('presence')), [])
						assert.equal(await page.locator('[id^="heartbeatd"], [class*="heartbeatd"]').count(), 0, path)
					} else {
						await linked(page, client)
						attack() // updates
						await beat(page)
						for (const [selector, text] of parts) {
							await until(`${path} ${selector}`, async () => new RegExp(text).test(await page.textContent(selector)), 10)
						}
						if (path !== editorOf(post)) await until(`the admin bar of ${path}`, async () => hasAll(await page.textContent('#wp-admin-bar-heartbeatd-online')), 10)
						const longest = await page.evaluate(() => Math.max(0, ...Array.from(document.querySelectorAll('.heartbeatd-screen'), (node) => node.textContent.length)))
						assert.ok(longest <= 200, `a text of ${longest} characters`)
					}
					await page.close()
				}
				if (client !== 'core') {
					const classic = await open(editorOf(post), 'classic')
					await linked(classic, client)
					attack()
					await beat(classic)
					await until('the others in the publish box', async () => (await classic.textContent('#heartbeatd-here')).includes('evil-'), 10)
					await classic.close()
					const front = await open(`/?p=${post}`)
					await until('the admin bar of the site', async () => hasAll(await front.textContent('#wp-admin-bar-heartbeatd-online')), 10)
					await front.close()
				}
				assert.deepEqual(errors, [])
				await admin.close()
				assert.equal(failures(), 0)
			})
		}

		await t.test('what 50 entries with 10 KB send to every page', async () => {
			php(`return array_map('wp_remove_user_presence', array(${[author, ...others].map(({ id }) => id)}));`)
			const editor = await person('editor', { client: 'websocket' })
			for (const [what, data] of [['labels', `{"screen_label":"${x(10_000)}"}`], ['other members', `{"x":"${x(10_000)}"}`]]) {
				for (let i = 0; i < 50; i++) assert.equal(await put('admin/online', `large-${i}`, data), 200)
				const page = await editor.context.newPage()
				const sizes = []
				page.on('websocket', (socket) => socket.on('framereceived', ({ payload }) => payload.includes('"snapshot"') && payload.includes('admin/online') && sizes.push(payload.length)))
				await page.goto(`${site.url}/wp-admin/`)
				await until('a snapshot', () => sizes.length, 10)
				t.diagnostic(`a snapshot with 50 entries of large ${what}: ${Math.max(...sizes)} bytes`)
				assert.ok(Math.max(...sizes) < 128 * 1024, `${sizes}`)
				await page.close()
			}
			await editor.close()
		})
	})
})
