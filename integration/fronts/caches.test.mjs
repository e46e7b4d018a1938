// Caches that store or merge heartbeatd's answers in spite of its headers.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { describe, test } from 'node:test'
import { beat, onTransport, openDemo, seen } from '../browser/demo.mjs'
import { binary, startChromium, startHeartbeatd, until } from '../browser/harness.mjs'
import { nginx, startProxy, varnish } from './fronts.mjs'

const caching = (key) => nginx({
	upgrade: false,
	location: `proxy_cache cache; proxy_cache_key ${key}; proxy_ignore_headers Cache-Control Expires Set-Cookie Vary; proxy_cache_valid 200 10m;`,
})

// answersOf returns the answers to a page's polls: the status of a refusal, or the number of frames.
function answersOf(page) {
	const answers = []
	page.on('response', async (response) => {
		if (!response.url().includes('/heartbeat/poll')) return
		answers.push(response.ok() ? (await response.json()).frames.length : response.status())
	})
	return answers
}

describe('caches', { concurrency: true }, () => {
	test('nginx caches answers by URL: a page polls no faster, and gets new frames', async (t) => {
		const server = await startHeartbeatd(t, { flags: ['--api-key', 'operator'] })
		const front = await startProxy(t, server.url, caching('$request_uri'))
		const browser = await startChromium(t)
		const page = await openDemo(t, browser, front, 5, { transport: 'longpoll' }) // a subscriber hears of no room
		const answers = answersOf(page)
		await until('a poll without news', () => answers.length > 0, 40)
		execFileSync(binary, ['push', '--api', server.admin, '--api-key', 'operator', '--site-id', 'demo', '--all', '"news"'])
		await until('the push', async () => (await seen(page, 'push')).length > 0)
		await until('its answer', () => answers.length > 1)
		assert.deepEqual(answers, [0, 1])
		assert.equal(await page.evaluate(() => wp.heartbeat.transport.name), 'longpoll')
	})

	test('nginx caches answers by path: no page shows another’s frames, and all stop polling', async (t) => {
		const server = await startHeartbeatd(t)
		const front = await startProxy(t, server.url, caching('$uri'))
		const browser = await startChromium(t)
		for (const user of [1, 5]) {
			const page = await openDemo(t, browser, front, user, { transport: 'post' })
			const answers = answersOf(page)
			const warnings = []
			page.on('console', (message) => message.type() === 'warning' && warnings.push(message.text()))
			await page.evaluate(() => wp.heartbeat.transport.use(['longpoll']))
			await until('the link is given up', () => warnings.length > 0)
			assert.deepEqual(warnings, ['heartbeatd: no longpoll for 5 minutes: GET /poll got the answer to another request'])
			await onTransport(page, 'post')
			await beat(page)
			// User 5 is a subscriber, whose pages hear no room.
			if (user === 5) assert.deepEqual(await seen(page, 'presence'), [])
			assert.ok(answers.length <= 2, `${answers.length} polls`)
		}
	})

	test('Varnish merges requests for one URL: three pages keep their links', async (t) => {
		const server = await startHeartbeatd(t)
		const front = await startProxy(t, server.url, varnish())
		const browser = await startChromium(t)
		const pages = []
		for (let i = 0; i < 3; i++) {
			const context = await browser.newContext()
			t.after(() => context.close())
			// Varnish does not merge requests with a cookie.
			await context.addInitScript(() => {
				const { fetch } = window
				window.fetch = (url, options) => fetch(url, { ...options, credentials: 'omit' })
			})
			pages.push(await openDemo(t, browser, front, 5, { context, transport: 'longpoll' })) // a subscriber hears of no room
		}
		const polls = pages.map(answersOf)
		await until('an answer to each page', () => polls.every((answers) => answers.length > 0), 80)
		assert.deepEqual(polls, [[0], [0], [0]])
		for (const page of pages) assert.deepEqual((await seen(page, 'transport')).map(({ detail }) => detail), ['longpoll'])
	})
})
