// Many pages of one browser with long-poll over HTTP/1.1: a browser opens six connections to a
// host, so at most two pages poll, and the others post.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { beat, openDemo, seen } from './demo.mjs'
import { setVisibility, startChromium, startFirefox, startHeartbeatd, until } from './harness.mjs'

for (const [name, start] of Object.entries({ Chromium: startChromium, Firefox: startFirefox })) {
	describe(name, () => {
		test('two of seven pages poll, and a third one when one of them is closed', async (t) => {
			const server = await startHeartbeatd(t)
			const browser = await start(t)
			const context = await browser.newContext()
			t.after(() => context.close())
			const pages = []
			const polling = async () => {
				const names = await Promise.all(pages.map((page) => page.evaluate(() => wp.heartbeat.transport.name)))
				return pages.filter((page, index) => names[index] === 'longpoll')
			}
			let usual = 0 // what the slower of the first two pages took
			for (let number = 1; number <= 7; number++) {
				const started = Date.now()
				pages.push(await openDemo(t, browser, server, 1 + (number % 5), { context, transport: number <= 2 ? 'longpoll' : 'post', transports: ['longpoll'] }))
				await beat(pages.at(-1))
				const took = Date.now() - started
				t.diagnostic(`page ${number} is open, and has beaten, after ${took} ms`)
				if (number <= 2) usual = Math.max(usual, took)
				else assert.ok(took < usual + 5000, `page ${number}: ${took} ms`)
			}
			// Not always the first two: a page that a busy machine stops for 15 s loses its slot.
			await until('two pages poll', async () => (await polling()).length === 2)
			for (const page of pages) {
				await beat(page)
				assert.deepEqual((await seen(page)).filter(({ name }) => /error|lost/.test(name)), [])
			}
			const ends = {
				'hides': (page) => setVisibility(page, 'hidden'),
				'has a WebSocket': (page) => page.evaluate(() => wp.heartbeat.transport.use(['websocket'])),
				'closes': (page) => pages.splice(pages.indexOf(page), 1)[0].close(),
			}
			for (const [what, end] of Object.entries(ends)) {
				const [page, other] = await polling()
				await end(page)
				const ended = Date.now()
				await until(`another page polls when one ${what}`, async () => {
					const now = await polling()
					return now.length === 2 && !now.includes(page) && now.includes(other)
				})
				t.diagnostic(`one ${what}: another polls after ${Date.now() - ended} ms`)
			}
		})
	})
}
