// The back/forward cache: an admin page without no-store that is left with the mouse is stored
// with every client, and opens one link when it is restored.

import assert from 'node:assert/strict'
import { beat, hasLink, linked, newEditor, until } from './live.mjs'

// A hyperlink from the list of comments to another page.
const WAYS = { 'a link of the menu': '#menu-tools a', 'the button of a form': '#search-submit' }

// keepsPage leaves a page and returns to it, while another user looks on.
export async function keepsPage({ site, php, person }, client) {
	const { login } = newEditor(site, php, `kept-${client}`)
	const [here, ben] = [await person(login, { client, store: true }), await person('admin')]
	const dashboard = await ben.open('/wp-admin/')
	await linked(dashboard, 'websocket')
	const seenOn = async (screen) => {
		if (!hasLink(client)) return
		await until(`${login} on ${screen}`, async () => String(await screensOf(dashboard, login)) === screen)
	}
	for (const [way, selector] of Object.entries(WAYS)) {
		const page = await here.open('/wp-admin/edit-comments.php')
		await linked(page, client)
		await beat(page)
		await seenOn('Comments')
		await page.evaluate(() => {
			window.transports = []
			jQuery(document).on('heartbeat-transport', (event, name) => window.transports.push(name))
			window.addEventListener('pageshow', (event) => { window.kept = event.persisted })
		})
		await goAndReturn(page, selector)
		assert.equal(await page.evaluate(() => window.kept), true, `${client}: left by ${way}`)
		await linked(page, client)
		await beat(page)
		if (hasLink(client)) assert.deepEqual(await page.evaluate(() => window.transports), ['post', client], way)
		await seenOn('Comments')
		await page.close()
	}
	await Promise.all([here.close(), ben.close()])
}

// While a page navigates, evaluate fails.
const isReady = (page, url) => page.evaluate((url) => document.readyState === 'complete' && location.href === url, url).catch(() => false)

async function goAndReturn(page, selector) {
	const from = page.url()
	await page.click(selector, { delay: 100 })
	await until('another page', async () => page.url() !== from && isReady(page, page.url()), 30)
	await page.evaluate(() => void setTimeout(() => history.back()))
	await until('the page again', () => isReady(page, from), 30)
}

// screensOf returns the screens of a user that a dashboard shows.
const screensOf = (dashboard, name) => dashboard.locator('#heartbeatd-who .heartbeatd-person').filter({ hasText: name }).locator('.heartbeatd-screen').allInnerTexts()
