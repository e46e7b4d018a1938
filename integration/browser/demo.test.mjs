// The demo page after heartbeatd was started.

import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { startChromium, startHeartbeatd, suite, until } from './harness.mjs'
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
		for (const [choice, name] of [['events', 'events'], ['longpoll', 'longpoll'], ['', 'post'], ['websocket', 'websocket'], ['websocket events longpoll', 'websocket']]) {
			await page.selectOption('#transport-switch', choice)
			await onTransport(page, name)
			await until('its name on the page', async () => (await page.textContent('#transport')) === name)
			await beat(page)
		}
		assert.deepEqual((await seen(page)).filter(({ name }) => /error|lost|expired/.test(name)), [])
		assert.match(await page.textContent('#latency-text'), /last beat [\d.]+ ms/)
		assert.ok((await page.locator('#log li').count()) > 5)
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
