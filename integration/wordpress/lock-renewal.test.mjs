// heartbeatd's call that renews post locks: which locks WordPress renews, for whom, and what it answers.

import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import { addMuPlugin, claimsOf, logIn, secret, withPlugin } from './plugin.mjs'

const OLD = 100 // seconds since a lock was renewed

// A plugin notes as whom a lock is written, and how.
const watching = `
add_action('updated_post_meta', function ($id, $post, $key, $value) {
	if ('_edit_lock' === $key) update_option('seen_lock', get_current_user_id() . ' ' . $value);
}, 10, 4);
`

test('the call that renews locks', { timeout: 200_000 }, async (t) => {
	await withPlugin(t, async ({ site, browser, php }) => {
		addMuPlugin(site, 'watching', watching)
		const url = `${site.url}/wp-json/heartbeatd/v1/locks`
		const call = async (locks, key = sign({ aud: 'site', url })) => {
			const answer = await fetch(url, { method: 'POST', headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${key}` }, body: JSON.stringify({ locks }) })
			return { status: answer.status, ...await answer.json() }
		}
		const { request } = await logIn(await browser(), site, 'editor')
		const [anna, ben] = ['editor', 'admin'].map((name) => site.users[name].id)
		const id = php(`return wp_insert_post(array('post_title' => 'To edit', 'post_status' => 'publish', 'post_author' => ${anna}));`)
		// open opens the editor, and returns the claims of the ticket that its first beat gets.
		const open = async () => {
			const html = await (await request.get(`${site.url}/wp-admin/post.php?post=${id}&action=edit`)).text()
			const { nonce } = JSON.parse(html.match(/heartbeatSettings = (\{.*?\});/)[1])
			const form = { action: 'heartbeat', _nonce: nonce, screen_id: 'post', has_focus: 'true', 'data[wp-refresh-post-lock][post_id]': id, 'data[wp-refresh-post-lock][lock]': stored() }
			const answer = await request.post(`${site.url}/wp-admin/admin-ajax.php`, { form })
			return claimsOf(answer.headers()['x-heartbeatd-ticket'])
		}
		const stored = () => php(`wp_cache_delete(${id}, 'post_meta'); return get_post_meta(${id}, '_edit_lock', true);`)
		const { sid, renewal, repeat_until: until, iat } = await open()
		const [, , document] = stored().split(':')
		const write = (user, rest = `:${document}`, age = OLD) => php(`delete_option('seen_lock'); return update_post_meta(${id}, '_edit_lock', (time() - ${age}) . ':${user}${rest}');`)
		const asked = { post_id: id, user_id: anna, session: sid, lock: `1:${anna}:${document}` }

		await t.test("an editor's ticket names the call", () => {
			assert.equal(renewal, url)
			assert.ok(until - iat > 299, `${until - iat} s`)
		})

		await t.test('a lock that the user and the document hold is renewed, as the user', async () => {
			write(anna)
			const { status, locks: [answer] } = await call([asked])
			assert.deepEqual([status, answer.renewed, answer.room], [200, true, `postType/post:${id}`])
			const { user, name, left_ms: left } = answer.change
			assert.ok(user === anna && name === 'Editor' && left > 140_000 && !('released' in answer.change), JSON.stringify(answer))
			const [time, holder, held] = stored().split(':')
			assert.ok(time >= Date.now() / 1000 - 20 && holder === String(anna) && held === document, stored())
			assert.equal(php(`return get_option('seen_lock');`), `${anna} ${stored()}`)
		})

		const refused = {
			'another user holds the lock': [() => write(ben), asked, ben],
			'another document of the user holds it': [() => write(anna, ':7'), asked, anna],
			'several documents of the user hold it': [() => write(anna, ':0'), { ...asked, lock: `1:${anna}:0` }, anna],
			'it names no document': [() => write(anna, ''), { ...asked, lock: `1:${anna}` }, anna],
			'it has expired': [() => write(anna, `:${document}`, 151), asked, 0],
			'it was released': [() => write(anna, `:${document}:left`), asked, anna],
			'nobody holds it': [() => php(`return delete_post_meta(${id}, '_edit_lock');`), asked, 0],
			'the call names another user': [() => write(anna), { ...asked, user_id: ben }, anna],
			'the user has no such log-in': [() => write(anna), { ...asked, session: 'f'.repeat(64) }, anna],
			'the post does not exist': [() => write(anna), { ...asked, post_id: 987654 }, 0],
		}
		for (const [name, [prepare, lock, holder]] of Object.entries(refused)) {
			await t.test(`not renewed: ${name}`, async () => {
				prepare()
				const before = stored()
				const { locks: [answer] } = await call([lock])
				assert.deepEqual(answer, { renewed: false, holder })
				assert.equal(stored(), before)
			})
		}

		await t.test('not renewed: the page was closed, and has released it', async () => {
			const html = await (await request.get(`${site.url}/wp-admin/post.php?post=${id}&action=edit`)).text()
			const nonce = html.match(/"unlockNonce":"(\w+)"|name="_wpnonce" value="(\w+)"/)
			const lock = stored()
			const form = { action: 'wp-remove-post-lock', _wpnonce: nonce[1] ?? nonce[2], post_ID: id, active_post_lock: lock }
			await request.post(`${site.url}/wp-admin/admin-ajax.php`, { form })
			const released = stored()
			assert.match(released, /:left$/)
			assert.equal((await call([{ ...asked, lock }])).locks[0].renewed, false)
			assert.equal(stored(), released)
		})

		await t.test('one lock that is refused, or no lock, does not stop the others', async () => {
			write(anna)
			const { locks } = await call(['x', { ...asked, user_id: ben }, { ...asked, post_id: '5' }, asked])
			assert.deepEqual(locks.map(({ renewed }) => renewed), [false, false, false, true])
		})

		await t.test('not renewed: the user may no longer edit the post', async () => {
			write(anna)
			php(`(new WP_User(${anna}))->set_role('subscriber'); return 1;`)
			assert.deepEqual((await call([asked])).locks, [{ renewed: false, holder: anna }])
			php(`(new WP_User(${anna}))->set_role('editor'); return 1;`)
		})

		await t.test('not renewed: the log-in has ended', async () => {
			write(anna)
			php(`WP_Session_Tokens::get_instance(${anna})->destroy_all(); return 1;`)
			assert.deepEqual((await call([asked])).locks, [{ renewed: false, holder: anna }])
		})

		await t.test('a call needs a key for this URL, and has at most 100 locks', async () => {
			const keys = [sign({ aud: 'site', url }, 'another secret'), sign({ aud: 'api', url }), sign({ aud: 'site', url: url.replace('locks', 'presence/rows') }), '']
			for (const key of keys) assert.equal((await call([asked], key)).status, 401)
			assert.equal((await call(Array(101).fill(asked))).status, 400)
		})

		await t.test('a ticket does not name the call if a plugin answers about locks, or shortens them', async () => {
			await logBackIn(request, site)
			assert.equal((await open()).renewal, url)
			for (const code of ["add_action('admin_init', fn () => remove_filter('heartbeat_received', 'wp_refresh_post_lock', 10));", "add_filter('wp_check_post_lock_window', fn () => 60);"]) {
				addMuPlugin(site, 'other', code)
				assert.equal((await open()).renewal, undefined, code)
				addMuPlugin(site, 'other', '')
			}
		})
	})
})

async function logBackIn(request, site) {
	const { login, password } = site.users.editor
	await request.post(`${site.url}/wp-login.php`, { form: { log: login, pwd: password, testcookie: '1' }, maxRedirects: 0 })
}

// sign returns a key that is good for a minute.
function sign(claims, key = secret) {
	const now = Math.floor(Date.now() / 1000)
	const text = [{ alg: 'HS256', typ: 'JWT', kid: 'default' }, { iat: now, exp: now + 60, ...claims }].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
	return `${text}.${createHmac('sha256', key).update(text).digest('base64url')}`
}
