// The live console of the admin listener, in Chromium.

import assert from 'node:assert/strict'
import { request } from 'node:http'
import { before, describe, test } from 'node:test'
import { API_KEY, root, startChromium, startHeartbeatd, suite, until } from './harness.mjs'
import { openDemo, seen } from './demo.mjs'

// openConsole opens the console, and fails the test if the page logs an error.
async function openConsole(t, browser, server, options = {}) {
	const context = await browser.newContext(options)
	const complaints = []
	context.on('console', (message) => message.type() === 'error' && complaints.push(message.text()))
	context.on('weberror', (error) => complaints.push(String(error.error())))
	const page = await context.newPage()
	t.after(async () => {
		await context.close()
		// The browser itself logs each request that is refused.
		assert.deepEqual(complaints.filter((text) => !/status of 4\d\d/.test(text)), [])
	})
	await page.goto(server.admin)
	await until('the first metrics', async () => (await page.textContent('#state')) === 'Ready')
	return page
}

// listSites has the node list these sites from now on. It resolves, when the page has read them, with a function
// that lists others.
async function listSites(page, ids) {
	await page.route('**/api/v1/node', async (route) => {
		const node = await (await route.fetch()).json()
		await route.fulfill({ json: { ...node, sites: ids.map((id) => ({ id, sessions: 1 })) } })
	})
	const read = async (next) => {
		ids = next
		for (let i = 0; i < 3; i++) await page.waitForResponse(/api\/v1\/node/) // the first one may be of before
	}
	await read(ids)
	return read
}

const legend = (page, plot, line) => page.locator(`#plot-${plot} li`).filter({ hasText: line }).locator('b').textContent()
const isWide = (page) => page.evaluate(() => document.scrollingElement.scrollWidth > innerWidth)

// statusOf asks under another host name, as a page does whose name resolves to this machine.
const statusOf = (server, path, headers) => new Promise((resolve, reject) => {
	request(`${server.admin}${path}`, { headers }, (answer) => {
		answer.resume()
		resolve(answer.statusCode)
	}).on('error', reject).end()
})

describe('the console of the demo site', () => {
	const all = suite()
	let server, browser
	before(async () => {
		server = await startHeartbeatd(all)
		browser = await startChromium(all)
	})

	test('it shows pages, rooms and people, and they change', async (t) => {
		const page = await openConsole(t, browser, server)
		await openDemo(t, browser, server, 1)
		const second = await openDemo(t, browser, server, 3, { query: '&post=42' })
		await until('two pages in the plot', async () => (await legend(page, 'pages', 'WebSocket')) === '2')
		await until('rates', async () => (await legend(page, 'beats', 'answered')) !== '–')
		assert.equal(await page.locator('#plots canvas').count(), 6)
		const room = page.locator('#room-list > li').filter({ hasText: 'postType/post:42' })
		await until('the room of the post', () => room.count())
		await room.locator('summary').click()
		await until('its editor', async () => /editor-3.*seen \d{4}-/.test(await room.locator('ul').textContent()))
		await page.getByLabel('Search rooms and people').fill('alice')
		await until('only the room with Alice', async () => (await page.locator('#room-list > li').count()) === 1)
		await page.getByLabel('Search rooms and people').fill('')
		await second.context().close()
		await until('one page in the plot', async () => (await legend(page, 'pages', 'WebSocket')) === '1')
		await until('the room is empty', async () => (await room.count()) === 0)
	})

	test('a nudge and a test reach pages', async (t) => {
		const page = await openConsole(t, browser, server)
		const demo = await openDemo(t, browser, server, 1)
		await until('a site', async () => (await page.getByLabel('Site', { exact: true }).inputValue()) === 'demo')
		await page.getByRole('button', { name: 'Push a test' }).click()
		await until('the push', async () => JSON.stringify((await seen(demo, 'push'))[0] ?? '').includes('heartbeatd-test'))
		assert.match(await page.textContent('#sent'), /^Accepted: the push/)
		const beats = (await seen(demo, 'tick')).length
		await page.getByRole('button', { name: 'Nudge' }).click()
		await until('the beat', async () => (await seen(demo, 'tick')).length > beats)
		await page.getByLabel('Pages of').selectOption('room')
		await page.getByLabel('Room', { exact: true }).fill('postType/postt')
		await page.getByRole('button', { name: 'Nudge' }).click()
		await until('the error', async () => /^Not sent: to: /.test(await page.textContent('#sent')))
	})

	test('plots and rooms can be used with the keyboard, and are described', async (t) => {
		const page = await openConsole(t, browser, server)
		await openDemo(t, browser, server, 1)
		const plot = page.locator('#plot-pages [role=img]')
		await until('a page', async () => /WebSocket 1/.test(await plot.getAttribute('aria-label')))
		assert.match(await plot.getAttribute('aria-label'), /^Connected pages, in pages: WebSocket 1, event stream 0/)
		await plot.focus()
		await page.keyboard.press('Home')
		await until('the first value', async () => /WebSocket [–0]/.test(await plot.getAttribute('aria-label')))
		await page.keyboard.press('Escape')
		await until('the last value', async () => /WebSocket 1/.test(await plot.getAttribute('aria-label')))
		const room = page.locator('#room-list > li').first()
		await until('a room', () => room.count())
		await room.locator('summary').focus()
		await page.keyboard.press('Enter')
		await until('its people', () => room.locator('ul li').count())
		for (const label of ['Site', 'Search rooms and people', 'Pages of']) assert.equal(await page.getByLabel(label, { exact: true }).count(), 1, label)
	})

	test('the chosen site stays, also when it is gone', async (t) => {
		const page = await openConsole(t, browser, server)
		const listed = await listSites(page, ['news', 'demo'])
		const site = page.getByLabel('Site', { exact: true })
		await until('the sites', async () => (await site.textContent()) === 'demonews')
		await site.selectOption('news')
		await site.evaluate((select) => { select.options[0].isOld = true })
		await listed(['demo', 'news'])
		assert.equal(await site.evaluate((select) => select.options[0].isOld), true, 'the list was made again')
		await listed(['demo'])
		assert.equal(await site.inputValue(), 'news')
		assert.equal(await site.textContent(), 'news (gone)demo')
		await page.getByRole('button', { name: 'Nudge' }).click()
		await until('the error', async () => /^Not sent: this node no longer has the site/.test(await page.textContent('#sent')))
		await until('the error of the rooms', async () => /site must name/.test(await page.textContent('#rooms-note')))
		await until('the state', async () => (await page.textContent('#state')) === 'Ready')
		await site.selectOption('demo')
		await until('the rooms', async () => /^\d+ pe/.test(await page.textContent('#rooms-note')))
		assert.equal(await page.locator('.bad').count(), 0)
	})

	test('a late answer for another site is dropped', async (t) => {
		const page = await openConsole(t, browser, server)
		let release
		const released = new Promise((done) => { release = done })
		await page.route('**/api/v1/presence?site=news*', async (route) => {
			await released
			await route.fulfill({ json: [{ room: 'news/room', client_id: 'user-1', user_id: 1, display_name: 'Of the news' }], headers: { 'X-WP-Total': '1' } })
		})
		await listSites(page, ['news', 'demo'])
		await page.evaluate(() => {
			window.rooms = []
			new MutationObserver((changes) => changes.forEach(({ addedNodes }) => addedNodes.forEach((item) => window.rooms.push(item.textContent)))).observe(document.getElementById('room-list'), { childList: true })
		})
		const site = page.getByLabel('Site', { exact: true })
		const asked = page.waitForRequest(/presence\?site=news/)
		await site.selectOption('news')
		await asked
		await site.selectOption('demo')
		const answered = page.waitForEvent('requestfinished', (request) => /presence\?site=news/.test(request.url()))
		release()
		await answered
		await page.waitForResponse(/presence\?site=demo/)
		assert.deepEqual((await page.evaluate(() => window.rooms)).filter((text) => text.includes('news/')), [])
	})

	for (const [width, height] of [[1280, 900], [390, 844]]) {
		for (const colorScheme of ['light', 'dark']) {
			test(`${width} pixels wide, ${colorScheme}`, async (t) => {
				const page = await openConsole(t, browser, server, { viewport: { width, height }, colorScheme })
				await openDemo(t, browser, server, 1)
				await openDemo(t, browser, server, 3, { query: '&post=42', transport: 'longpoll' })
				await until('values', async () => (await legend(page, 'pages', 'long-poll')) === '1')
				await until('rooms', () => page.locator('#room-list > li').count())
				await page.locator('#room-list summary').first().click()
				assert.equal(await isWide(page), false, 'it scrolls sideways')
				await page.screenshot({ path: `${root}.cache/test/console-${width}-${colorScheme}.png`, fullPage: true })
			})
		}
	}

	test('pages of other sites get no data', async () => {
		const evil = { Host: 'evil.example:8081', Origin: 'http://evil.example:8081' }
		assert.equal(await statusOf(server, '/metrics', evil), 421)
		assert.equal(await statusOf(server, '/api/v1/node', evil), 401)
		assert.equal(await statusOf(server, '/api/v1/presence?site=demo', evil), 401)
		assert.equal(await statusOf(server, '/api/v1/node', { Origin: 'http://evil.example' }), 401)
		assert.equal(await statusOf(server, '/api/v1/node', { 'X-Forwarded-For': '192.0.2.7' }), 401)
		assert.equal(await statusOf(server, '/api/v1/node', {}), 200)
	})
})

describe('the console of a node with a key', () => {
	const all = suite()
	let server, browser
	before(async () => {
		server = await startHeartbeatd(all, { flags: ['--api-key', API_KEY] })
		browser = await startChromium(all)
	})

	test('it asks for the key, and keeps it in the tab', async (t) => {
		const page = await openConsole(t, browser, server)
		const key = page.getByLabel('Key of --api-key')
		await key.waitFor()
		assert.equal(await page.locator('#send-form').isVisible(), false)
		await key.fill('another key')
		await page.keyboard.press('Enter')
		await until('the refusal', async () => (await page.textContent('#key-note')) === 'The node refuses this key.')
		assert.equal(await page.getByRole('button', { name: 'Forget the key' }).isVisible(), true)
		await key.fill(API_KEY)
		await page.keyboard.press('Enter')
		await page.locator('#send-form').waitFor()
		assert.equal(await key.isVisible(), false)
		assert.deepEqual(await page.evaluate(() => [document.cookie, localStorage.length, location.search]), ['', 0, ''])
		await page.reload()
		await page.locator('#send-form').waitFor()
		await page.getByRole('button', { name: 'Forget the key' }).click()
		await key.waitFor()
		assert.equal(await page.evaluate(() => sessionStorage.length), 0)
	})

	test('the key may have letters of any script', async (t) => {
		const other = await startHeartbeatd(t, { flags: ['--api-key', 'clé 鍵'] })
		const page = await openConsole(t, browser, other)
		await page.getByLabel('Key of --api-key').fill('clé 鍵')
		await page.keyboard.press('Enter')
		await page.locator('#send-form').waitFor()
	})

	test('what others have written is text', async (t) => {
		const evil = '<img src=x onerror="document.title=1">'
		const entry = { site: 'demo', room: `evil/${evil}`, client_id: 'evil', user_id: 90, display_name: evil, data: { screen_label: evil, screen: { toString: 1 } } }
		const answer = await fetch(`${server.admin}/api/v1/presence`, { method: 'PUT', headers: { authorization: `Bearer ${API_KEY}` }, body: JSON.stringify(entry) })
		assert.equal(answer.status, 200, await answer.text())
		const page = await openConsole(t, browser, server)
		await page.getByLabel('Key of --api-key').fill(API_KEY)
		await page.keyboard.press('Enter')
		const room = page.locator('#room-list > li').filter({ hasText: 'evil/' })
		await until('the room', () => room.count())
		await room.locator('summary').click()
		await until('its person', async () => (await room.locator('ul').textContent()).includes(evil))
		assert.equal(await page.locator('img, #room-list script').count(), 0)
		assert.equal(await page.title(), 'heartbeatd console')
	})
})
