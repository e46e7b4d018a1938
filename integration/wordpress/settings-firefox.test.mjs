// An administrator sets the plugin up in Firefox. HEARTBEATD_SCREENSHOTS=folder stores screenshots.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startFirefox } from '../browser/harness.mjs'
import { hasFocus } from '../browser/keyboard.mjs'
import { connected, secret, withPlugin } from './plugin.mjs'

test('the settings screen in Firefox', { timeout: 300_000 }, async (t) => {
	await withPlugin(t, async ({ site, server, open }) => {
		const keep = async (name) => process.env.HEARTBEATD_SCREENSHOTS && page.screenshot({ path: `${process.env.HEARTBEATD_SCREENSHOTS}/${name}.png`, fullPage: true })
		const outside = () => page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)
		const page = await open('admin', '/wp-admin/plugins.php')
		await Promise.all([page.waitForURL('**/options-general.php?page=heartbeatd**'), page.click('#heartbeatd-setup-notice a')])
		await page.locator('#heartbeatd-setup code[data-line]', { hasText: /^HEARTBEATD_SITE_SECRET=[0-9a-f]{64}$/ }).waitFor()
		await page.locator('#heartbeatd-setup button').first().press('Enter')
		await page.getByRole('button', { name: 'Copied' }).waitFor()
		assert.ok(await hasFocus(page, '#heartbeatd-setup button'), 'the button keeps the focus')
		await keep('firefox-setup')

		for (const [name, value] of Object.entries({ secret, api: server.admin })) await page.fill(`#heartbeatd-${name}`, value)
		await Promise.all([page.waitForURL('**settings-updated=true**'), page.click('#submit')])
		await connected(page)
		await page.getByText('This browser is connected over a WebSocket.').waitFor()
		await page.getByText('People online: 1').waitFor()
		assert.equal(await page.getAttribute('#heartbeatd-connection', 'class'), 'heartbeatd-good')
		await keep('firefox-1280')
		for (const width of [1280, 390]) {
			await page.setViewportSize({ width, height: 800 })
			assert.ok(await outside() <= 0, `${width}: nothing is outside of the page`)
		}
		await keep('firefox-390')
		await page.goto(`${site.url}/wp-admin/options-general.php?page=heartbeatd`)
		assert.equal(await page.locator('#heartbeatd-report .heartbeatd-error').count(), 0)
	}, { constants: null, startBrowser: startFirefox })
})
