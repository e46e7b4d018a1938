// The picture of the README: two browsers on the demo site, which see each other.

import { until } from '../../browser/harness.mjs'

const STYLE = `
	body { margin: 0; width: 1300px; height: 1000px; position: relative; font: 13px system-ui, sans-serif; background: #fff; }
	figure { position: absolute; margin: 0; border: 1px solid #646970; border-radius: 8px; overflow: hidden; box-shadow: 0 6px 20px rgb(0 0 0 / .4); }
	figcaption { padding: 6px 12px; background: #dcdcde; color: #1d2327; }
	img { display: block; }`

// drawDemo makes the picture: in the window behind, Alice has beaten over each transport; Ed edits a post in the one in front.
export async function drawDemo(browser, { url }, path) {
	const open = async (query, width, height) => {
		const page = await (await browser.newContext({ viewport: { width, height } })).newPage()
		await page.goto(`${url}/?${query}`)
		return page
	}
	const alice = await open('user=1', 1200, 780)
	const ed = await open('user=2&post=51', 420, 400)
	await open('user=3&screen=upload', 420, 400)
	await open('user=4&post=42', 420, 400)
	for (const choice of ['', 'longpoll', 'events', 'websocket events longpoll']) {
		await alice.selectOption('#transport-switch', choice)
		await until('the transport', () => alice.evaluate((wanted) => (wanted || 'post').startsWith(wp.heartbeat.transport.name), choice))
		for (let i = 0; i < 4; i++) await alice.evaluate(() => new Promise((done) => jQuery(document).one('heartbeat-tick', () => setTimeout(done, 500)).find('#beat').trigger('click')))
	}
	for (const page of [alice, ed]) await until('four people', async () => await page.locator('#online li').count() === 4)
	await ed.evaluate(() => document.querySelector('.boxes').scrollIntoView())
	await alice.evaluate(() => scrollTo(0, 0))
	const frame = async (page, x, y) => `<figure style="left:${x}px;top:${y}px"><figcaption>${page.url()}</figcaption><img src="data:image/png;base64,${(await page.screenshot()).toString('base64')}"></figure>`
	const picture = await browser.newPage({ viewport: { width: 1300, height: 1080 } })
	await picture.setContent(`<style>${STYLE}</style>${await frame(alice, 10, 10)}${await frame(ed, 860, 620)}`)
	await picture.screenshot({ path })
}
