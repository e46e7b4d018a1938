// The back/forward cache: a page that may be stored is stored. Its user leaves while it is stored,
// and joins once when it is restored.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { beat, changes, onTransport, openDemo, seen, shows } from './demo.mjs'
import { startWebServer } from './front.mjs'
import { startChromium, startFirefox, startHeartbeatd, until } from './harness.mjs'

const click = (page, selector) => page.click(selector, { delay: 100 })

// press presses a key on an element.
const press = async (page, selector, key) => {
	await page.focus(selector)
	await page.keyboard.press(key, { delay: 100 })
}

const ways = {
	'a click on a button': (page) => click(page, '#go'),
	'a tap on a link': (page) => tap(page, '#away'),
	'the Enter key on a link': (page) => press(page, '#away', 'Enter'),
	'a script': (page) => page.evaluate(() => void setTimeout(() => { location.href = document.querySelector('#away').href })),
	'the address bar': async (page) => page.goto(await page.evaluate(() => document.querySelector('#away').href)),
}

// The ways that leave time to close the connection when a button or finger goes down.
const slowWays = {
	'a click on a link': (page) => click(page, '#away'),
	'a click on a button': ways['a click on a button'],
	'the space bar on a button': (page) => press(page, '#go', 'Space'),
	'a tap on a link': ways['a tap on a link'],
	'a tap on a button': (page) => tap(page, '#go'),
}

test('Chromium stores a page that is left by a click on a hyperlink', async (t) => {
	const front = await startWebServer(t, await startHeartbeatd(t))
	const browser = await startChromium(t, { bfcache: true })
	await keepsPage(t, front, browser, 'websocket')
})

// The connections are in a worker, so how the page is left matters for none of them.
test('Firefox stores a page, however its user leaves it', async (t) => {
	const front = await startWebServer(t, await startHeartbeatd(t), { policy: false })
	const browser = await startFirefox(t)
	for (const transport of ['websocket', 'events', 'longpoll']) {
		await t.test(`${transport}, a click on a hyperlink`, (t) => keepsPage(t, front, browser, transport))
	}
	for (const [way, leave] of Object.entries(ways)) {
		await t.test(`websocket, ${way}`, (t) => isKept(t, front, browser, 'websocket', leave))
	}
})

// Firefox may end a worker, for example when memory is short. The page is not told.
test('Firefox replaces a worker that has ended', async (t) => {
	const front = await startWebServer(t, await startHeartbeatd(t), { policy: false })
	const browser = await startFirefox(t)
	for (const transport of ['websocket', 'events', 'longpoll']) {
		await t.test(transport, async (t) => {
			const context = await browser.newContext()
			t.after(() => context.close())
			await context.addInitScript(() => {
				window.workers = 0
				window.Blob = class extends Blob {
					constructor(parts, options) {
						super(parts.concat(';new BroadcastChannel("end").onmessage = () => self.close()'), options)
						window.workers++
					}
				}
			})
			const page = await openDemo(t, browser, front, 1, { context, transport })
			await beat(page)
			await page.evaluate(() => { new BroadcastChannel('end').postMessage('') })
			await beat(page) // succeeds although the worker has ended
			await until('a link in a new worker', async () => {
				await beat(page)
				return page.evaluate((name) => window.workers === 2 && wp.heartbeat.transport.name === name, transport)
			}, 60)
			const posts = () => page.evaluate(() => performance.getEntriesByType('resource').filter(({ name }) => name.includes('admin-ajax')).length)
			const before = await posts()
			await beat(page)
			assert.equal(await posts(), before, 'the beat goes over the link')
		})
	}
})

// The demo site's policy forbids the worker. All ways close any connection in the same way.
test('Firefox without a worker keeps a page that was left by hand', async (t) => {
	const front = await startWebServer(t, await startHeartbeatd(t))
	const browser = await startFirefox(t)
	const left = (transport, way) => t.test(`${transport}, ${way}`, (t) => inOneOfThree(() => isKept(t, front, browser, transport, slowWays[way])))
	for (const way of Object.keys(slowWays)) await left('websocket', way)
	for (const transport of ['events', 'longpoll']) await left(transport, 'a click on a link')
})

// The page closes its connection when a button or finger is pressed, and navigates when it is
// released. On a busy machine the time in between may be too short, which no page can prevent: the
// page must be stored in one of three attempts.
async function inOneOfThree(attempt) {
	for (let left = 2; ; left--) {
		try {
			return await attempt()
		} catch (error) {
			if (!left) throw error
		}
	}
}

async function isKept(t, front, browser, transport, leave) {
	const page = await openDemo(t, browser, front, 1, { transport })
	try {
		await beat(page)
		await addControls(page)
		await handlesItself(page, transport)
		await goAndReturn(page, leave)
		await onTransport(page, transport)
	} finally {
		await page.close()
	}
}

// handlesItself clicks on what does not lead away: the link is back at once.
async function handlesItself(page, transport) {
	for (const selector of ['#handled', '#sent']) {
		await click(page, selector)
		await onTransport(page, transport, 5)
	}
}

async function keepsPage(t, front, browser, transport) {
	const other = await openDemo(t, browser, front, 2)
	const page = await openDemo(t, browser, front, 1, { transport })
	await shows(other, [1, 2])
	await beat(page)
	await addControls(page)
	await handlesItself(page, transport)

	const before = (await changes(other, 1)).length
	await goAndReturn(page, () => click(page, '#away'), () => until('the other page sees that user 1 has left', async () => (await changes(other, 1)).some(({ change }, i) => i >= before && change === 'left'), 20))
	await onTransport(page, transport)
	await shows(other, [1, 2])
	await shows(page, [1, 2])
	await beat(page)
	const news = (await changes(other, 1)).slice(before).map(({ change }) => change).filter((change) => change !== 'updated')
	assert.deepEqual(news, ['left', 'joined'])
	assert.deepEqual((await seen(page)).filter(({ name }) => /error|lost/.test(name)), [])
	await page.close()
	await shows(other, [2])
	await other.close()
}

async function goAndReturn(page, leave, meanwhile = () => {}) {
	await leave(page)
	await page.waitForURL(/version/)
	await meanwhile()
	await page.evaluate(() => void setTimeout(() => history.back()))
	await until('the page is back', () => page.evaluate(() => window.kept).catch(() => false)) // while it navigates there is none
}

// addControls adds a hyperlink and a form that leave the page, and two that the page handles. The
// value that it sets is still there if the page was stored.
const addControls = (page) => page.evaluate(() => {
	document.body.insertAdjacentHTML('afterbegin', `
		<a id="away" href="/heartbeat/heartbeat.js?version">away</a> <a id="handled" href="/elsewhere">handled</a>
		<form action="/heartbeat/heartbeat.js"><button id="go" name="version">go</button></form>
		<form action="/elsewhere"><button id="sent">sent</button></form>`)
	document.querySelector('#handled').addEventListener('click', (event) => event.preventDefault())
	document.querySelector('#sent').form.addEventListener('submit', (event) => event.preventDefault())
	window.addEventListener('pageshow', (event) => { window.kept = event.persisted })
})

// tap touches an element in Firefox, where Playwright has no touchscreen.
async function tap(page, selector) {
	const { x, y, width, height } = await page.locator(selector).boundingBox()
	const session = page._connection.toImpl(page).delegate._session
	await session.send('input.performActions', {
		context: session.sessionId,
		actions: [{
			type: 'pointer', id: 'finger', parameters: { pointerType: 'touch' },
			actions: [
				{ type: 'pointerMove', x: Math.round(x + width / 2), y: Math.round(y + height / 2) },
				{ type: 'pointerDown', button: 0 }, { type: 'pause', duration: 100 }, { type: 'pointerUp', button: 0 },
			],
		}],
	})
}
