// Many pages of one browser on long-poll, over HTTP/1.1: a browser opens six connections to
// a host, so at most two pages keep a poll waiting and the others post.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { beat, openDemo, seen } from './demo.mjs'
import { startChromium, startFirefox, startHeartbeatd, until } from './harness.mjs'

for (const [name, start] of Object.entries({ Chromium: startChromium, Firefox: startFirefox })) {
	describe(name, () => {
		test('of seven pages two poll, and another when one of them closes', async (t) => {
			const server = await startHeartbeatd(t)
			const browser = await start(t)
			const context = await browser.newContext()
			t.after(() => context.close())
			const pages = []
			const polling = async () => {
				const names = await Promise.all(pages.map((page) => page.evaluate(() => wp.heartbeat.transport.name)))
				return pages.filter((page, index) => names[index] === 'longpoll')
			}
			for (let number = 1; number <= 7; number++) {
				const started = Date.now()
				pages.push(await openDemo(t, browser, server, 1 + (number % 5), { context, transport: number <= 2 ? 'longpoll' : 'post', only: 'longpoll' }))
				await beat(pages.at(-1))
				t.diagnostic(`page ${number} is open, and has beaten, after ${Date.now() - started} ms`)
				assert.ok(Date.now() - started < 5000, `page ${number}: ${Date.now() - started} ms`)
			}
			assert.deepEqual(await polling(), pages.slice(0, 2))
			for (const page of pages) {
				await beat(page)
				assert.deepEqual((await seen(page)).filter(({ name }) => /error|lost/.test(name)), [])
			}
			await pages.shift().close()
			const closed = Date.now()
			await until('another page that polls', async () => (await polling()).length === 2)
			t.diagnostic(`another page polls after ${Date.now() - closed} ms`)
			assert.ok((await polling()).includes(pages[0]))
		})
	})
}
