// Sessions that expire: core's log-in dialog opens as early as with core's client.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '../../browser/harness.mjs'
import { TRANSPORTS, addMuPlugin, beat, hasLink, linked, newEditor, withLive } from './live.mjs'
import { claimsOf } from '../plugin.mjs'

// In seconds. The next beat notices the expired session.
const LIFE = 45
const INTERVAL = 5
// How long a beat may take on a busy machine, in milliseconds.
const SLACK = 3000

const shortLogins = `
add_filter('auth_cookie_expiration', fn ($life, $user) => 0 === strpos(get_userdata($user)->user_login, 'short-') ? ${LIFE} : $life, 10, 2);
add_filter('heartbeat_settings', fn ($settings) => array('interval' => ${INTERVAL}) + $settings);`

test('the log-in dialog opens when a session expires while a page is open', { timeout: 300_000 }, async (t) => {
	await withLive(t, async ({ site, php, person }) => {
		addMuPlugin(site, 'short-logins', shortLogins)
		// After the first beats the plugin knows that no callback needs them, and heartbeatd
		// answers them.
		const editor = await person('editor', { client: 'websocket' })
		const first = await editor.open('/wp-admin/')
		await linked(first, 'websocket')
		await beat(first)
		const long = claimsOf(await (await editor.open('/wp-admin/')).evaluate(() => heartbeatSettings.heartbeatd.ticket))
		assert.ok(long.native)
		assert.equal(long.exp, Math.floor(long.iat) + 3600)
		await editor.close()

		// The cookie may expire before the session. WordPress's grace period of an hour does not
		// count as logged in.
		const ticket = (life) => php(`wp_set_current_user(${site.users.editor.id}); $_COOKIE[LOGGED_IN_COOKIE] = 'editor|' . (time() + ${life}) . '|token|hmac'; return array(time(), heartbeatd_sign_ticket(heartbeatd_ticket_claims('n', 'dashboard', array(), 0)));`)
		const [now, soon] = ticket(100)
		assert.ok(Math.abs(claimsOf(soon).exp - now - 101) <= 1)
		assert.equal(ticket(-2)[1], '')

		const late = Object.fromEntries(await Promise.all(['core', ...TRANSPORTS].map(async (client) => [client, await expire(client)])))
		t.diagnostic(`the dialog, in ms after the log-in's end: ${JSON.stringify(late)}`)
		for (const client of TRANSPORTS) assert.ok(late[client] < late.core + 1000 * INTERVAL + SLACK, client)

		async function expire(client) {
			const { id, login } = newEditor(site, php, `short-${client}`)
			const here = await person(login, { client })
			const page = await here.open('/wp-admin/')
			const end = 1 + php(`return current(get_user_meta(${id}, 'session_tokens', true))['expiration'];`)
			if (client !== 'core') {
				const ticket = async () => claimsOf(await page.evaluate(() => heartbeatSettings.heartbeatd.ticket))
				// A ticket is not native if a call of the log-in to heartbeatd has taken too long.
				await until('a native ticket', async () => (await ticket()).native || (await page.reload(), false), 15)
				const claims = await ticket()
				assert.deepEqual([claims.exp, claims.fresh_until], [end, end])
			}
			if (hasLink(client)) await linked(page, client)
			await page.waitForFunction(() => !document.querySelector('#wp-auth-check-wrap').classList.contains('hidden'), null, { timeout: 120_000 })
			const shown = await page.evaluate(() => Date.now())
			await here.close()
			return shown - 1000 * end
		}
	})
})
