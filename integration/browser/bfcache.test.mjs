// The back/forward cache: a page that may be kept is kept, leaves while it is there, and
// comes back once.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { beat, changes, onTransport, openDemo, seen, shows } from './demo.mjs'
import { startFront } from './front.mjs'
import { startChromium, startFirefox, startHeartbeatd, until } from './harness.mjs'

test('Chromium keeps a page that a click on a link has left', (t) => keepsPage(t, (t) => startChromium(t, { bfcache: true }), ['websocket']))
test('Firefox keeps a page that a click on a link has left', (t) => keepsPage(t, startFirefox, ['websocket', 'longpoll']))

async function keepsPage(t, start, transports) {
	const front = await startFront(t, await startHeartbeatd(t))
	const browser = await start(t)
	const other = await openDemo(t, browser, front, 2)
	for (const transport of transports) {
		await t.test(transport, async (t) => {
			const page = await openDemo(t, browser, front, 1, { transport })
			await shows(other, [1, 2])
			await beat(page)
			await addLinks(page)

			// A link that the page handles itself: the link is back at once.
			await page.click('#handled', { delay: 100 })
			await onTransport(page, transport, 5)

			const before = (await changes(other, 1)).length
			await page.click('#away', { delay: 100 })
			await page.waitForURL(/version/)
			await until('the other page sees that user 1 has left', async () => (await changes(other, 1)).some(({ change }, i) => i >= before && change === 'left'), 20)
			await page.evaluate(() => void setTimeout(() => history.back()))
			await until('the page is back', () => page.evaluate(() => window.kept).catch(() => false)) // while it navigates there is none
			await onTransport(page, transport)
			await shows(other, [1, 2])
			await shows(page, [1, 2])
			await beat(page)
			const news = (await changes(other, 1)).slice(before).map(({ change }) => change).filter((change) => change !== 'updated')
			assert.deepEqual(news, ['left', 'joined'])
			assert.deepEqual((await seen(page)).filter(({ name }) => /error|lost/.test(name)), [])
			await page.close()
			await shows(other, [2])
		})
	}
}

// addLinks adds a link that leads away and one that the page handles; what it sets is
// still there after the page was kept.
const addLinks = (page) => page.evaluate(() => {
	for (const [id, href] of [['away', '/heartbeat/heartbeat.js?version'], ['handled', '/elsewhere']]) {
		const link = Object.assign(document.createElement('a'), { id, href, textContent: id })
		if (id === 'handled') link.addEventListener('click', (event) => event.preventDefault())
		document.body.prepend(link)
	}
	window.addEventListener('pageshow', (event) => { window.kept = event.persisted })
})
