// Server-sent events behind nginx: over HTTP/2, and where nginx buffers the stream.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { describe, test } from 'node:test'
import { beat, onTransport, openDemo, seen } from '../browser/demo.mjs'
import { binary, startChromium, startFirefox, startHeartbeatd, until } from '../browser/harness.mjs'
import { nginx, startProxy } from './fronts.mjs'

const FLAGS = ['--api-key', 'operator']

// push sends data to all pages, and waits until each has it.
async function push(server, pages, data) {
	execFileSync(binary, ['push', '--api', server.admin, '--api-key', 'operator', '--site-id', 'demo', '--all', JSON.stringify(data)])
	for (const page of pages) {
		await until(`${data} on every page`, async () => (await seen(page, 'push')).some(({ detail }) => detail.data === data))
	}
}

const pathsOf = (page) => {
	const paths = []
	page.on('request', (request) => paths.push(new URL(request.url()).pathname))
	return paths
}

for (const [name, start] of Object.entries({ Chromium: startChromium, Firefox: startFirefox })) {
	test(`${name}: over HTTP/2 eight pages have a stream each, and a ninth loads`, async (t) => {
		const server = await startHeartbeatd(t, { flags: FLAGS })
		const front = await startProxy(t, server.url, nginx({ upgrade: false, http2: true }), 'https')
		const browser = await start(t)
		const context = await browser.newContext({ ignoreHTTPSErrors: true })
		t.after(() => context.close())
		const pages = []
		for (let number = 1; number <= 8; number++) {
			pages.push(await openDemo(t, browser, front, 1 + (number % 5), { context, transport: 'events' }))
		}
		await push(server, pages, 'news')
		const ninth = await openDemo(t, browser, front, 1, { context, transport: 'post' })
		for (const page of [...pages, ninth]) await beat(page)
		for (const page of pages) {
			assert.deepEqual((await seen(page, 'transport')).map(({ detail }) => detail), ['events'])
			assert.deepEqual((await seen(page)).filter((event) => /error|lost/.test(event.name)), [])
		}
	})
}

test('over HTTP/1.1 two pages of a browser have a stream, and the others post', async (t) => {
	const server = await startHeartbeatd(t)
	const front = await startProxy(t, server.url, nginx({ upgrade: false }))
	const browser = await startChromium(t)
	const context = await browser.newContext()
	t.after(() => context.close())
	const pages = []
	for (const transport of ['events', 'events', 'post', 'post']) {
		pages.push(await openDemo(t, browser, front, 1, { context, transport, transports: ['events', 'longpoll'] }))
		await beat(pages.at(-1))
	}
	await pages[0].close()
	await until('another page takes over', async () => {
		const names = await Promise.all(pages.slice(1).map((page) => page.evaluate(() => wp.heartbeat.transport.name)))
		return String(names.sort()) === 'events,events,post'
	})
})

// These wait most of the time.
describe('streams that end or wait', { concurrency: true }, () => {
	test('when a stream ends, the next one follows, and no push is lost', async (t) => {
		const server = await startHeartbeatd(t, { flags: FLAGS })
		const front = await startProxy(t, server.url, nginx({ upgrade: false }))
		const page = await openDemo(t, await startChromium(t), front, 1, { transport: 'events' })
		const paths = pathsOf(page)
		await push(server, [page], 'first')
		await until('the second stream', () => paths.includes('/heartbeat/events'), 40)
		await push(server, [page], 'second')
		assert.deepEqual((await seen(page, 'transport')).map(({ detail }) => detail), ['events'])
		assert.ok(!paths.includes('/heartbeat/open'))
	})

	test('a page whose stream nginx buffers long-polls, and tries the stream again only after a while', async (t) => {
		const server = await startHeartbeatd(t, { flags: FLAGS })
		// With HTTP/1.0, its default, nginx fills its buffer before it sends.
		const hold = `location = /heartbeat/events {
			proxy_pass ${server.url};
			proxy_set_header Host $http_host;
			proxy_buffering on;
			proxy_ignore_headers X-Accel-Buffering;
		}`
		const front = await startProxy(t, server.url, nginx({ upgrade: false, server: hold }))
		const browser = await startChromium(t)
		const started = Date.now()
		const page = await openDemo(t, browser, front, 1, { transport: 'longpoll', transports: ['websocket', 'events', 'longpoll'] })
		t.diagnostic(`long-polls after ${Date.now() - started} ms`)
		const paths = pathsOf(page)
		const ends = []
		page.on('requestfailed', (request) => ends.push(new URL(request.url()).pathname))
		const climbs = () => paths.filter((path) => path === '/heartbeat/events').length
		await push(server, [page], 'news')

		// A stream is tested beside the long-poll, which goes on.
		await until('the page tries a stream again', climbs, 90)
		const began = Date.now()
		const took = []
		for (let i = 0; !ends.includes('/heartbeat/events'); i++) {
			const at = Date.now()
			await push(server, [page], `during the climb ${i}`)
			await beat(page)
			took.push(Date.now() - at)
		}
		const climb = Date.now() - began
		t.diagnostic(`a failed climb took ${climb} ms, a push and a beat during it at most ${Math.max(...took)} ms`)
		assert.ok(Math.max(...took) < climb / 2, `${took}, during a climb of ${climb} ms`)
		await push(server, [page], 'after the climb')
		assert.equal(climbs(), 1)
		assert.deepEqual((await seen(page, 'transport')).map(({ detail }) => detail), ['longpoll'])
		assert.ok(!paths.some((path) => path.endsWith('admin-ajax.php')), 'no beat is posted')

		paths.length = 0
		await page.reload()
		await onTransport(page, 'longpoll')
		assert.ok(!paths.includes('/heartbeat/events'))
	})
})
