// The back/forward cache: an admin page without no-store is stored with every client, however its
// user leaves it, and opens one link when it is restored.

import assert from 'node:assert/strict'
import { beat, hasLink, linked, newEditor, until } from './live.mjs'

// A hyperlink from the list of comments to another page.
const LINK = '#menu-tools a'
const WAYS = {
	'a link of the menu': (page) => page.click(LINK, { delay: 100 }),
	'the button of a form': (page) => page.click('#search-submit', { delay: 100 }),
	'the Enter key': async (page) => {
		await page.focus(LINK)
		await page.keyboard.press('Enter')
	},
	'a script': (page) => page.evaluate((link) => void setTimeout(() => { location.href = document.querySelector(link).href }), LINK),
	'the address bar': async (page) => page.goto(await page.evaluate((link) => document.querySelector(link).href, LINK)),
}

// keepsPage leaves a page and returns to it, while another user looks on: in all ways, or in those
// with that name.
export async function keepsPage({ site, php, person }, client, names = Object.keys(WAYS)) {
	const { login } = newEditor(site, php, `kept-${client}`)
	const [here, ben] = [await person(login, { client, store: true }), await person('admin')]
	const requests = requestsOf(here.context)
	const dashboard = await ben.open('/wp-admin/')
	await linked(dashboard, 'websocket')
	const seenOn = async (screen) => {
		if (!hasLink(client)) return
		await until(`${login} on ${screen}`, async () => String(await screensOf(dashboard, login)) === screen)
	}
	for (const way of names) {
		requests.clear()
		const page = await here.open('/wp-admin/edit-comments.php')
		await linked(page, client)
		await beat(page)
		await seenOn('Comments')
		await page.evaluate(() => {
			window.transports = []
			jQuery(document).on('heartbeat-transport', (event, name) => window.transports.push(name))
			window.addEventListener('pageshow', (event) => { window.kept = event.persisted })
		})
		await until('no open request of the page', () => requests.size === 0)
		await goAndReturn(page, WAYS[way])
		assert.equal(await page.evaluate(() => window.kept), true, `${client}: left by ${way}`)
		await linked(page, client)
		await beat(page)
		if (hasLink(client)) assert.deepEqual(await page.evaluate(() => window.transports), ['post', client], way)
		await seenOn('Comments')
		await page.close()
	}
	await Promise.all([here.close(), ben.close()])
}

// requestsOf returns the open requests of a browser context, without those of links. Core's scripts
// and images are still requested after a page has loaded, and Firefox stores no page with an open
// request.
function requestsOf(context) {
	const open = new Set()
	context.on('request', (request) => void (request.url().includes('/heartbeat/') || open.add(request)))
	for (const end of ['requestfinished', 'requestfailed']) context.on(end, (request) => void open.delete(request))
	return open
}

// While a page navigates, evaluate fails.
const isReady = (page, url) => page.evaluate((url) => document.readyState === 'complete' && location.href === url, url).catch(() => false)

async function goAndReturn(page, leave) {
	const from = page.url()
	await leave(page)
	await until('another page', async () => page.url() !== from && isReady(page, page.url()), 30)
	await page.evaluate(() => void setTimeout(() => history.back()))
	await until('the page again', () => isReady(page, from), 30)
}

// screensOf returns the screens of a user that a dashboard shows.
const screensOf = (dashboard, name) => dashboard.locator('#heartbeatd-who .heartbeatd-person').filter({ hasText: name }).locator('.heartbeatd-screen').allInnerTexts()
