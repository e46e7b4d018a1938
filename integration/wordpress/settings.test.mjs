// An administrator activates the plugin and sets it up in the browser, without constants in
// wp-config.php.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { violations } from '../browser/axe.mjs'
import { hasFocus } from '../browser/keyboard.mjs'
import { beat, connected, logIn, secret, withPlugin } from './plugin.mjs'

const screen = '/wp-admin/options-general.php?page=heartbeatd'

test('the settings screen', { timeout: 300_000 }, async (t) => {
	await withPlugin(t, async ({ site, server, browser, php, open }) => {
		const page = await open('admin', '/wp-admin/plugins.php')
		const report = () => page.locator('#heartbeatd-report li').allInnerTexts().then((lines) => lines.map((line) => line.trim()))
		const verdict = async () => [await page.getAttribute('#heartbeatd-card', 'class'), (await page.innerText('#heartbeatd-card h2')).trim()]
		const save = async (fields) => {
			for (const [name, value] of Object.entries(fields)) await page.fill(`#heartbeatd-${name}`, value)
			await Promise.all([page.waitForNavigation(), page.click('#submit')])
		}

		await t.test('the list of plugins links to the screen, which names what is missing', async () => {
			assert.match(await page.evaluate(() => document.querySelector('#heartbeat-js')?.src ?? ''), /wp-includes/)
			await Promise.all([page.waitForEvent('load'), page.click('tr[data-slug="heartbeatd"] .settings a')])
			await page.waitForURL(`**${screen}`)
			const [only, ...rest] = await report()
			assert.match(only, /^No secret is set/)
			assert.deepEqual(rest, [])
			assert.deepEqual(await verdict(), ['heartbeatd-error', 'heartbeatd is not set up yet.'])
			assert.deepEqual(await violations(page, '#heartbeatd-card, #heartbeatd-setup'), [])
		})

		await t.test('a notice in the list of plugins leads to a new secret, with the lines to copy', async () => {
			await page.goto(`${site.url}/wp-admin/plugins.php`)
			await Promise.all([page.waitForEvent('load'), page.click('#heartbeatd-setup-notice a')])
			const lines = () => page.locator('#heartbeatd-setup code[data-line]').allInnerTexts()
			const [ofServer, ofWordPress] = await lines()
			const [, made] = ofServer.match(/^HEARTBEATD_SITE_SECRET=([0-9a-f]{64})$/)
			assert.equal(ofWordPress, `define( 'HEARTBEATD_SECRET', '${made}' );`)
			await page.locator('#heartbeatd-setup button').first().press('Enter')
			await page.getByRole('button', { name: 'Copied' }).waitFor()
			assert.ok(await hasFocus(page, '#heartbeatd-setup button'), 'the button keeps the focus')
			await Promise.all([page.waitForEvent('load'), page.click('#heartbeatd-check')])
			assert.deepEqual(await lines(), [ofServer, ofWordPress], 'the same secret')
		})

		await t.test('an invalid URL is refused, and the other values are kept', async () => {
			await save({ secret, api: 'not an address' })
			assert.match(await page.locator('.notice-error, #setting-error-api').first().innerText(), /“not an address”/)
			assert.equal(await page.inputValue('#heartbeatd-api'), '')
			assert.match((await report())[0], /^WordPress does not reach heartbeatd’s API at/)
		})

		await t.test('with a secret and a URL it works', async () => {
			await save({ api: server.admin })
			assert.match(await page.locator('#setting-error-settings_updated').innerText(), /Settings saved/)
			await connected(page)
			await page.waitForFunction(() => document.querySelector('#heartbeatd-transport').innerText === 'This browser is connected over a WebSocket.')
			assert.ok((await report()).some((line) => /^heartbeatd \S+ runs\.$/.test(line)))
			assert.doesNotMatch((await report()).join(), /people are online/, 'only the number that this page knows')
			await page.getByText('People online: 1').waitFor()
			assert.equal(await page.inputValue('#heartbeatd-secret'), '')
			assert.ok(!(await page.content()).includes(secret), 'the secret is on the page')
			await beat(page)
			assert.match((await verdict()).join(': '), /^heartbeatd-(good|notice): Heartbeat is real-time\.$/)
			assert.equal(await page.locator('#heartbeatd-setup').count(), 0)
			assert.equal(await page.evaluate(() => sessionStorage.getItem('heartbeatd-new-secret')), null)
			assert.equal(await page.getAttribute('#heartbeatd-connection', 'class'), 'heartbeatd-good')
			assert.deepEqual(await violations(page, '#heartbeatd-card'), [])
			const plugins = await open('admin', '/wp-admin/plugins.php')
			assert.equal(await plugins.locator('#heartbeatd-setup-notice').count(), 0)
			await plugins.close()
		})

		await t.test('the next page reports whether this one had a link', async () => {
			const reports = () => php(`return array_column(heartbeatd_link_reports(), 1);`)
			const forget = () => php(`update_option('heartbeatd_link_reports', array()); return 1;`)
			forget()
			await page.reload()
			assert.deepEqual(reports(), [true])
			await page.reload()
			assert.deepEqual(reports(), [true], 'at most one in five minutes')
			forget()
			const { request } = await logIn(await browser(), site, 'editor')
			const load = (transport) => request.get(`${site.url}/wp-admin/`, { headers: { cookie: `heartbeatd_transport=${transport}; ${cookies}` } })
			const cookies = (await request.storageState()).cookies.map(({ name, value }) => `${name}=${value}`).join('; ')
			await load('of-nobody')
			assert.deepEqual(reports(), [])
			const answer = await load('post')
			assert.deepEqual(reports(), [false])
			assert.match(answer.headers()['set-cookie'], /^heartbeatd_transport=deleted;.*; path=\/wp-admin\/$/m, 'the next page may have no script')
			forget()
		})

		await t.test('a wrong secret is reported', async () => {
			await save({ secret: 'another secret that is also long enough' })
			assert.match((await report())[0], /^heartbeatd has another secret for this site/)
			assert.doesNotMatch((await report()).join(), /does not pass|must forward/, 'the route is fine')
			assert.deepEqual(await verdict(), ['heartbeatd-error', 'Heartbeat is not real-time: PHP answers every beat.'])
			assert.equal(await page.innerText('#heartbeatd-report .heartbeatd-error a'), 'wrong-secret')
			assert.match(await page.innerText('#heartbeatd-report .heartbeatd-error code'), /^HEARTBEATD_SECRET$/, 'code is shown as code')
			await Promise.all([page.waitForNavigation(), page.click('#heartbeatd-check')])
			await save({ secret: `HEARTBEATD_SITE_SECRET=${secret}` }) // the line of /etc/heartbeatd.secret
			await save({ secret: 'HEARTBEATD_SITE_SECRET=' }) // changes nothing, like an empty field
			assert.match((await report())[0], /^The web server passes \/heartbeat\/ on to heartbeatd\./)
		})

		await t.test('Site Health has the same report', async () => {
			const health = await open('admin', '/wp-admin/site-health.php')
			await health.locator('#health-check-issues-good').getByText(/^heartbeatd \S+ runs/).first().waitFor({ state: 'attached' })
			await health.close()
		})

		await t.test('only administrators can open and save it', async () => {
			const editor = await open('editor', screen)
			assert.equal(await editor.locator('#heartbeatd-secret').count(), 0)
			const nonce = await page.inputValue('#_wpnonce')
			const form = { option_page: 'heartbeatd', action: 'update', 'heartbeatd[site]': 'stolen', _wpnonce: nonce }
			const post = async (user, form) => (await (await logIn(await browser(), site, user)).request.post(`${site.url}/wp-admin/options.php`, { form, maxRedirects: 0 })).status()
			assert.equal(await post('editor', form), 403)
			assert.equal(await post('admin', { ...form, _wpnonce: 'made up' }), 403)
			assert.equal(php(`return get_option('heartbeatd')['site'] ?? '';`), '')
			await editor.close()
		})

		await t.test('after the secret is removed, the site works as without the plugin', async () => {
			await page.check('input[name="heartbeatd[forget_secret]"]')
			await save({})
			assert.match((await report())[0], /^No secret is set/)
			assert.match(await page.evaluate(() => document.querySelector('#heartbeat-js')?.src ?? ''), /wp-includes/)
		})
	}, { constants: null })
})
