// Pages that change jQuery, the document or the clock: beats go on, if necessary by POST, and no
// exception is thrown that core's client would not throw.

/* global seen */

import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { pageOf, settings, startFake } from './fake.mjs'
import { startChromium, suite, until } from '../harness.mjs'

const JQUERY = '/wp-includes/js/jquery/jquery.js'
const HOOKS = '/wp-includes/js/dist/hooks.js'
const OURS = '/client/dist/heartbeat.js'
const FAST = settings({ interval: 1 })
const TABS = 100
// Beats as soon as the last beat is answered.
const HURRY = `addEventListener('DOMContentLoaded', () => setInterval(() => wp.heartbeat.connectNow(), 50))`

describe('hostile pages', () => {
	let browser
	const t = suite()
	before(async () => {
		browser = await startChromium(t)
	})

	// open opens a page of a fake site, and returns functions to inspect it.
	async function open(t, page, options = {}) {
		const ticks = []
		const fake = await startFake(t, {
			answer(fields, via, request) {
				ticks.push({ via, headers: request?.headers, url: request?.url })
				return { tick: { via, server_time: 1 } }
			},
			page: typeof page === 'function' ? page : page.replace('</head>', options.slow ? '</head>' : `<script>${HURRY}</script></head>`),
		})
		const context = await browser.newContext()
		t.after(() => context.close())
		const tab = await context.newPage()
		await tab.goto(fake.url)
		return { fake, tab, ticks, context, beats: (via, count = 2) => until(`${count} ticks by ${via}`, () => came(tab, via, count)) }
	}

	const came = (tab, via, count) =>
		tab.evaluate(([name, least]) => seen.filter((event) => event.name === 'tick' && event.detail.via === name).length >= least, [via, count])
	const thrown = (tab) => tab.evaluate(() => window.thrown)
	const names = (tab) => tab.evaluate(() => [...new Set(seen.map((event) => event.name))].sort())

	// These change the request, which must be posted as changed.
	const customised = {
		'ajaxSetup with headers': [`jQuery.ajaxSetup({ headers: { 'X-Site': '7' } })`, ({ headers }) => assert.equal(headers['x-site'], '7')],
		'an ajaxPrefilter that changes the URL': [
			`jQuery.ajaxPrefilter((options) => { options.url += '?site=7' })`,
			({ url }) => assert.match(url, /\?site=7$/),
		],
		'an ajaxPrefilter that adds data': [`jQuery.ajaxPrefilter((options) => { options.data += '&lang=de' })`],
		'an ajaxSend handler that adds a header': [
			`jQuery(document).on('ajaxSend', (event, xhr) => xhr.setRequestHeader('X-Site', '7'))`,
			({ headers }) => assert.equal(headers['x-site'], '7'),
		],
		'an ajaxSend handler that changes the URL': [
			`jQuery(document).on('ajaxSend', (event, xhr, options) => { options.url += '?site=7' })`,
			({ url }) => assert.match(url, /\?site=7$/),
		],
		'async: false': [`jQuery.ajaxSetup({ async: false })`],
		'traditional parameters': [`jQuery.ajaxSetup({ traditional: true }); jQuery(document).on('heartbeat-send', (e, data) => { data.n = [1, 2] })`],
		'xhrFields': [`jQuery.ajaxSetup({ xhrFields: { withCredentials: true } })`],
		'a copied request': [`const ajax = jQuery.ajax; jQuery.ajax = (options) => ajax(jQuery.extend({}, options))`],
		'no WebSocket and no fetch': [`delete window.WebSocket; delete window.fetch`],
		'heartbeatSettings that are null': [`ajaxurl = heartbeatSettings.ajaxurl; heartbeatSettings = null`],
		'no native handles': [`jQuery(document).on('heartbeat-send', (event, data) => { data.mine = 1 })`],
	}
	for (const [name, [before, look]] of Object.entries(customised)) {
		test(`a beat is posted: ${name}`, async (t) => {
			const { tab, ticks, beats } = await open(t, pageOf(FAST, { scripts: [JQUERY, HOOKS, OURS], before }))
			await beats('post', 3)
			assert.ok(ticks.every(({ via }) => via === 'post'))
			for (const tick of ticks.slice(-1)) look?.(tick)
			assert.deepEqual(await thrown(tab), [])
			assert.ok(!(await names(tab)).includes('error'))
		})
	}

	const carried = {
		'jQuery Migrate': pageOf(FAST),
		'two copies of jQuery': pageOf(FAST, {
			after: `const first = jQuery; document.write('<script src="${JQUERY}"><\\/script><script>window.second = jQuery.noConflict(true)<\\/script>')`,
		}),
		'another jQuery in the place of the first': pageOf(FAST, { after: `document.write('<script src="${JQUERY}"><\\/script>')` }),
		'no wp.hooks': pageOf(FAST, { scripts: [JQUERY, OURS] }),
		'no document.hasFocus': pageOf(FAST, { before: 'document.hasFocus = undefined' }),
		'no sessionStorage': pageOf(FAST, { before: `Object.defineProperty(window, 'sessionStorage', { get() { throw new Error('forbidden') } })` }),
		'an Array.prototype that was extended': pageOf(FAST, { before: 'Array.prototype.extra = () => 1' }),
	}
	for (const [name, page] of Object.entries(carried)) {
		test(`a beat goes over the link: ${name}`, async (t) => {
			const { tab, beats } = await open(t, page)
			await beats('websocket', 3)
			assert.deepEqual(await thrown(tab), [])
		})
	}

	test("with a Content-Security-Policy without heartbeatd's host, beats are posted", async (t) => {
		let page = ''
		const { fake, tab, beats } = await open(t, () => page)
		const elsewhere = `${fake.url.replace('127.0.0.1', 'localhost')}/heartbeat`
		page = pageOf(settings({ interval: 1 }, { url: elsewhere }), { head: `<meta http-equiv="Content-Security-Policy" content="connect-src 'self'">` })
		await tab.goto(fake.url)
		await beats('post', 3)
		assert.deepEqual(await thrown(tab), [])
		assert.equal(fake.hellos.length, 0)
		assert.deepEqual(await names(tab), ['send', 'tick'])
	})

	for (const on of ['send', 'tick', 'transport']) {
		test(`beats go on after a ${on} handler throws`, async (t) => {
			const { tab, fake, beats } = await open(t, pageOf(FAST, { after: `jQuery(document).one('heartbeat-${on}', () => { throw new Error('bug') })` }))
			await beats('websocket', 3)
			assert.deepEqual(await thrown(tab), ['Uncaught Error: bug'])
			assert.ok(fake.beats)
		})
	}

	// A renderer of an earlier test may end in the meantime.
	const signal = (pids, name) =>
		pids.forEach((pid) => {
			try {
				process.kill(pid, name)
			} catch (error) {
				if (error.code !== 'ESRCH') throw error
			}
		})

	// Chromium freezes only hidden tabs, and Playwright shows all tabs. Therefore the test stops the
	// renderer processes, so that no timer runs.
	test('beats go on in a tab that was frozen', async (t) => {
		const { tab, fake, beats } = await open(t, pageOf(FAST))
		await beats('websocket')
		const protocol = await browser.newBrowserCDPSession()
		const { processInfo } = await protocol.send('SystemInfo.getProcessInfo')
		const renderers = processInfo.filter(({ type }) => type === 'renderer').map(({ id }) => id)
		await protocol.detach()
		const links = fake.hellos.length
		signal(renderers, 'SIGSTOP')
		try {
			fake.cut()
			await until('the link to be gone', () => !fake.sessions.size)
			await sleep(3000) // longer than the page waits before it tries again
			assert.equal(fake.sessions.size, 0, 'it is frozen')
			assert.equal(fake.hellos.length, links)
		} finally {
			signal(renderers, 'SIGCONT')
		}
		await until('a new link', () => fake.sessions.size)
		await beats('websocket', (await tab.evaluate(() => seen.filter((event) => event.name === 'tick').length)) + 2)
		assert.deepEqual(await thrown(tab), [])
	})

	test('beats go on in a page that was in the back/forward cache', async (t) => {
		const { tab, fake, beats } = await open(t, pageOf(FAST))
		await beats('websocket')
		await tab.evaluate(() => dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true })))
		await until('the link to be closed', () => !fake.sessions.size)
		await tab.evaluate(() => dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true })))
		await until('a new link', () => fake.sessions.size)
		assert.equal(new Set(fake.hellos.map((hello) => hello.conn)).size, 1, 'the page keeps its connection id')
		await beats('websocket', 4)
		assert.deepEqual(await thrown(tab), [])
	})

	for (const [name, jump] of [['forward', 86_400_000], ['back', -86_400_000]]) {
		test(`beats go on after the clock is set ${name} by a day`, async (t) => {
			const { tab, beats } = await open(t, pageOf(FAST))
			await beats('websocket')
			await tab.evaluate((ms) => {
				const now = Date.now
				const Real = Date
				const shifted = () => now() + ms
				window.Date = class extends Real {
					constructor(...args) {
						super(...(args.length ? args : [shifted()]))
					}
					static now() {
						return shifted()
					}
				}
				seen.length = 0
				wp.heartbeat.connectNow()
			}, jump)
			// The ticket seems to be too old, or from the future: PHP sends a new one.
			await beats('post', 1)
			await beats('websocket', jump > 0 ? 2 : 0)
			assert.deepEqual(await thrown(tab), [])
		})
	}

	test('unknown frames, and text that is not a frame, are ignored', async (t) => {
		const { tab, fake, beats } = await open(t, pageOf(FAST))
		await beats('websocket')
		const bad = [null, 7, 'x', [], {}, { type: 7 }, { type: 'nonsense' }, { type: 'presence' }, { type: 'presence', room: 7 }, { type: 'push' }]
		const odd = [{ type: 'presence', room: 'r', joined: 'x', left: [null] }, { type: 'tick', id: 999, status: 200, body: '{}' }, { type: 'decline' }, { type: 'welcome' }]
		fake.send(...bad, ...odd)
		await beats('websocket', (await tab.evaluate(() => seen.filter((event) => event.name === 'tick').length)) + 2)
		assert.deepEqual(await thrown(tab), [])
		assert.equal(fake.hellos.length, 1)
	})

	test(`${TABS} tabs that are opened in a row have links`, async (t) => {
		const { fake, context, tab } = await open(t, pageOf(FAST), { slow: true })
		for (let i = 1; i < TABS; i++) {
			const next = await context.newPage()
			await next.goto(fake.url, { waitUntil: 'commit' })
		}
		const [last] = context.pages().slice(-1)
		await until('every tab to be on a link', () => fake.sessions.size === TABS, 90)
		await until('the first and the last to beat', async () => (await came(tab, 'websocket', 1)) && came(last, 'websocket', 1), 60)
		assert.equal(new Set(fake.hellos.map((hello) => hello.conn)).size, TABS, 'each with a connection id of its own')
		assert.deepEqual(await thrown(tab), [])
	})
})
