// The demo page after heartbeatd was started.

import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { accessibleTree, violations } from './axe.mjs'
import { startChromium, startHeartbeatd, suite, until } from './harness.mjs'
import { tabTo, walk } from './keyboard.mjs'
import { beat, onTransport, openDemo, seen, shows } from './demo.mjs'

const KEY = 'the key of an operator who tests the demo page'

describe('the demo page', () => {
	const all = suite()
	let server, browser
	before(async () => {
		server = await startHeartbeatd(all, { flags: ['--api-key', KEY] })
		browser = await startChromium(all)
	})

	test('two windows of one browser are two users', async (t) => {
		const context = await browser.newContext()
		t.after(() => context.close())
		const windows = []
		for (const user of [1, 2]) {
			const page = await context.newPage()
			await page.goto(server.url)
			assert.equal(new URL(page.url()).searchParams.get('user'), String(user))
			windows.push(page)
			await shows(page, windows.map((_, index) => index + 1))
		}
		for (const page of windows) await shows(page, [1, 2])
	})

	test('the page shows who edits which post', async (t) => {
		const page = await openDemo(t, browser, server, 1)
		await openDemo(t, browser, server, 3, { query: '&post=42' })
		await until('the post', () => page.locator('#posts li[data-post-id="42"] img').count())
	})

	test('data that no page writes cannot stop the page from showing others', async (t) => {
		const hostile = ['{"screen_label":{"toString":"a"}}', '{"screen":{"valueOf":1}}', '{"__proto__":{"screen_label":{"toString":1}}}', '{"screen_label":["x"],"screen":null}', '{"screen":1e300}', '{"toString":1}']
		for (const [i, data] of hostile.entries()) {
			const answer = await fetch(`${server.admin}/api/v1/presence`, {
				method: 'PUT', headers: { authorization: `Bearer ${KEY}` },
				body: `{"site":"demo","room":"admin/online","client_id":"evil-${i}","user_id":${90 + i},"display_name":"Eve ${i}","data":${data}}`,
			})
			assert.equal(answer.status, 200, await answer.text())
		}
		for (const transport of ['websocket', 'post']) {
			const context = await browser.newContext()
			t.after(() => context.close())
			const errors = []
			context.on('weberror', (error) => errors.push(String(error.error())))
			const page = await openDemo(t, browser, server, 1, { context, transport })
			await beat(page)
			for (const i of hostile.keys()) await until(`entry ${i} over ${transport}`, () => page.locator(`#online li[data-user-id="${90 + i}"]`).count())
			await until('the user of the page', () => page.locator('#online li[data-user-id="1"]').count())
			assert.deepEqual(errors, [])
		}
		for (const i of hostile.keys()) await fetch(`${server.admin}/api/v1/presence?site=demo&room=admin/online&client_id=evil-${i}`, { method: 'DELETE', headers: { authorization: `Bearer ${KEY}` } })
	})

	test('the switch changes the transport, and beats go on', async (t) => {
		const page = await openDemo(t, browser, server, 1)
		for (const [choice, name, label] of [['events', 'events', 'server-sent events'], ['longpoll', 'longpoll', 'long-poll'], ['', 'post', 'POST'], ['websocket', 'websocket', 'WebSocket'], ['websocket events longpoll', 'websocket', 'WebSocket']]) {
			await page.selectOption('#transport-switch', choice)
			await onTransport(page, name)
			await until('its name on the page', async () => (await page.textContent('#transport')) === label)
			await beat(page)
		}
		assert.deepEqual((await seen(page)).filter(({ name }) => /error|lost|expired/.test(name)), [])
		assert.match(await page.textContent('#latency-text'), /last beat [\d.]+ ms/)
		assert.equal(await page.isVisible('#gone'), false, 'a transport that was chosen is no failure')
	})

	test('the page plots its beats beside those of WordPress, and counts the saved requests', async (t) => {
		const page = await openDemo(t, browser, server, 1)
		await beat(page)
		const figures = async () => {
			const count = async (name) => (await seen(page, name)).length
			await until('answers to all beats', async () => await count('send') === await count('tick'))
			const shown = await Promise.all(['requests-wordpress', 'requests', 'saved'].map(async (id) => Number(await page.textContent(`#${id}`))))
			assert.equal(shown[0], await count('tick'))
			return shown
		}
		const [beats, requests, saved] = await figures()
		assert.ok(saved > 0)
		await page.selectOption('#transport-switch', '')
		await onTransport(page, 'post')
		for (let i = 0; i < 2; i++) await beat(page)
		const [later, ...rest] = await figures()
		assert.ok(later >= beats + 2)
		assert.deepEqual(rest, [requests + later - beats, saved])
		assert.match(await page.textContent('#legend'), /^WebSocket[\d.]+ msserver-sent events–long-poll–POST[\d.]+ msWordPress 7\.1\.4, as measured[\d.]+ ms$/)
		assert.match(await page.getAttribute('#plot', 'aria-label'), /WebSocket [\d.]+ ms, POST [\d.]+ ms; WordPress/)
		assert.equal(await page.locator('#plot canvas').count(), 1)
	})

	test('the log has a line for each event, and its data on demand', async (t) => {
		const page = await openDemo(t, browser, server, 1)
		await beat(page)
		const tick = page.locator('#log li', { hasText: /heartbeat-tick.*WebSocket/ }).first() // the first beat may be posted
		assert.match(await tick.innerText(), /^[\d:]{8}\s*heartbeat-tick\s*WebSocket, [\d.]+ ms: .*server_time$/)
		await tick.locator('summary').focus()
		await page.keyboard.press('Enter')
		await until('the data', async () => JSON.parse((await tick.locator('pre').textContent()) || '{}').server_time > 0)
	})

	test('the keyboard reaches each control, changes the transport and beats', async (t) => {
		const page = await openDemo(t, browser, server, 1, { query: '&post=42' })
		await beat(page)
		assert.deepEqual(await walk(page, 'a, select, button, #log li:last-child summary'), [])
		await page.focus('#transport-switch')
		await page.keyboard.type('long-poll')
		await onTransport(page, 'longpoll')
		await tabTo(page, '#beat')
		const beats = (await seen(page, 'tick')).length
		await page.keyboard.press('Enter')
		await until('a tick', async () => (await seen(page, 'tick')).length > beats)
	})

	test('a screen reader gets names, and reads who comes', async (t) => {
		const page = await openDemo(t, browser, server, 1)
		await beat(page)
		await page.locator('#log li', { hasText: 'heartbeat-tick' }).first().waitFor()
		const tree = (await accessibleTree(page, 'body')).join('\n')
		for (const line of [/^combobox "use the transport" collapsed$/m, /^image "Time from beat to tick of the last beats. Medians: .*"$/m, /^list polite$/m, /^DisclosureTriangle "[\d:]{8} heartbeat-tick .*" collapsed$/m]) assert.match(tree, line)
	})

	test('a subscriber reads why nobody is there', async (t) => {
		const page = await openDemo(t, browser, server, 5)
		await beat(page)
		assert.match(await page.innerText('main'), /Sue Subscriber is a subscriber and may not edit posts/)
		assert.equal(await page.locator('#online, #posts').count(), 0)
	})

	test('the page says that heartbeatd is gone, until it is back', async (t) => {
		const other = await startHeartbeatd(t)
		const page = await openDemo(t, browser, other, 1)
		await shows(page, [1])
		await other.stop('SIGKILL')
		await page.locator('#gone').waitFor()
		assert.match(await page.innerText('#gone'), /^heartbeatd does not answer\. You see what this page knew at \d\d:\d\d:\d\d/)
		assert.match(await page.locator('#online img').first().evaluate((img) => getComputedStyle(img).filter), /grayscale/)
		await shows(page, [1])
		await other.restart()
		await onTransport(page, 'websocket', 60)
		await page.locator('#gone').waitFor({ state: 'hidden' })
	})

	test('it is accessible and fits on a phone, in light and dark', async (t) => {
		const context = await browser.newContext({ bypassCSP: true }) // of axe
		t.after(() => context.close())
		const page = await openDemo(t, browser, server, 1, { context, query: '&post=42' })
		await shows(page, [1])
		await beat(page)
		await page.locator('#log summary').first().click()
		for (const [width, colorScheme] of [[1280, 'light'], [390, 'light'], [390, 'dark'], [1280, 'dark']]) {
			await page.setViewportSize({ width, height: 844 })
			await page.emulateMedia({ colorScheme })
			assert.deepEqual(await violations(page), [], `${width} ${colorScheme}`)
			assert.equal(await page.evaluate(() => document.scrollingElement.scrollWidth > innerWidth), false, `${width}: it is too wide`)
		}
	})

	test('the page loads nothing from other hosts, and logs no errors', async (t) => {
		const context = await browser.newContext()
		t.after(() => context.close())
		const [elsewhere, complaints] = [[], []]
		context.on('request', (request) => request.url().startsWith(server.url) || elsewhere.push(request.url()))
		context.on('console', (message) => ['error', 'warning'].includes(message.type()) && complaints.push(message.text()))
		context.on('weberror', (error) => complaints.push(String(error.error())))
		const page = await openDemo(t, browser, server, 2, { context })
		await beat(page)
		assert.deepEqual(elsewhere, [])
		assert.deepEqual(complaints, [])
	})
})
