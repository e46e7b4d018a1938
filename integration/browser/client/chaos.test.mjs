// While transports change and connections are killed, delayed, truncated and half-opened, every
// beat gets exactly its own tick, or an error if its POST was broken, in order.
//
// HEARTBEAT_CHAOS_SECONDS (default 20) sets the duration, HEARTBEAT_SEED (default 1) the seed.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { pageOf, settings, startFake } from './fake.mjs'
import { startChaos } from './chaos.mjs'
import { startChromium, until } from '../harness.mjs'
import { generator } from './random.mjs'

const SECONDS = Number(process.env.HEARTBEAT_CHAOS_SECONDS || 20)
const SEED = Number(process.env.HEARTBEAT_SEED || 1)
const PAGES = 6
const MARK = /data(?:%5B|\[)n(?:%5D|\])=(\d+-\d+)/

// Beats as fast as they are answered, each with a number.
const DRIVE = `
	window.log = [];
	window.over = {};
	const id = location.search.slice(1);
	let n = 0;
	jQuery(document)
		.on('heartbeat-send', (event, data) => { data.n = id + '-' + ++n; log.push(['send', data.n]) })
		.on('heartbeat-tick', (event, tick) => { log.push(['tick', tick.echo]); over[tick.via] = (over[tick.via] || 0) + 1; again() })
		.on('heartbeat-error', (event, xhr, status) => { log.push(['error', status]); again() })
		.on('heartbeat-transport', (event, name) => { over['to ' + name] = (over['to ' + name] || 0) + 1 });
	const orders = [['longpoll'], ['websocket', 'longpoll'], ['events'], ['websocket'], [], ['events', 'websocket']];
	let turn = Number(id);
	setInterval(() => wp.heartbeat.transport.use(orders[turn++ % orders.length]), 2000);
	const again = () => setTimeout(() => { if (!window.enough) wp.heartbeat.connectNow() }, 15);
	wp.heartbeat.interval(5);
	again();
`

function fates(r) {
	return (path) => {
		const link = path.startsWith('/heartbeat/')
		if (!link && !path.includes('admin-ajax')) return { kind: 'none' }
		// A half-open POST waits for core's timeout of 30 s, with every client.
		const kinds = link ? ['none', 'kill', 'truncate', 'delay', 'half-open'] : ['none', 'none', 'none', 'kill', 'truncate', 'delay']
		return { kind: r.pick(kinds), after: path.endsWith('/socket') ? r.int(0, 6000) : r.int(0, 300), ms: r.int(10, 2800) }
	}
}

test(`every beat gets one outcome while connections break for ${SECONDS} s, HEARTBEAT_SEED=${SEED}`, async (t) => {
	const r = generator(SEED)
	const harmed = new Set()
	const kinds = {}
	const fake = await startFake(t, {
		page: () => pageOf(settings({ interval: 15 }, { transports: ['websocket', 'events', 'longpoll'] }), { after: DRIVE }),
		answer: (fields, via) => ({
			tick: { echo: fields['data[n]'], via },
			decline: via !== 'post' && r.chance(0.1),
			// Sometimes later than the client's timeout.
			delay: via !== 'post' && r.chance(0.01) ? 3000 : r.int(0, 30),
		}),
	})
	const chaos = await startChaos(t, fake.url, {
		fate: fates(r),
		onHarm(request, kind) {
			kinds[kind] = (kinds[kind] ?? 0) + 1
			const mark = request.startsWith('POST /wp-admin/admin-ajax.php') && MARK.exec(request)
			if (mark) harmed.add(mark[1])
		},
	})
	const browser = await startChromium(t)
	const pages = await Promise.all(Array.from({ length: PAGES }, (_, i) => openPage(browser, `${chaos.url}/?${i}`)))
	await sleep(SECONDS * 1000)
	// A slow machine needs more time for as many beats.
	await until('beats went over links and by POST, and every kind of harm was done', () =>
		fake.beats > PAGES * 10 && fake.posts > PAGES && ['kill', 'truncate', 'half-open'].every((kind) => kinds[kind] > 0), 120)
	const total = { tick: 0, error: 0 }
	for (const page of pages) {
		await page.evaluate(() => void (window.enough = true))
		await page.waitForFunction(() => window.log.filter(([kind]) => kind === 'send').length * 2 === window.log.length, null, { timeout: 40_000 })
		const { log, over, thrown } = await page.evaluate(() => ({ log, over, thrown }))
		assert.deepEqual(thrown, [])
		check(log, harmed, total)
		t.diagnostic(JSON.stringify(over))
	}
	t.diagnostic(JSON.stringify({ ...total, harm: kinds, sockets: fake.hellos.length }))
})

async function openPage(browser, url) {
	const page = await (await browser.newContext()).newPage()
	await page.goto(url)
	return page
}

// The n-th outcome belongs to the n-th send: a tick echoes its number, and an error follows only a
// broken POST. If a beat took longer than the interval, the next one is sent before its tick is
// announced, as in core.
function check(log, harmed, total) {
	const sends = []
	let outcomes = 0
	for (const [kind, detail] of log) {
		if (kind === 'send') {
			assert.equal(Number(detail.split('-')[1]), sends.push(detail))
			assert.ok(sends.length - outcomes <= 2, 'two beats at once')
			continue
		}
		const number = sends[outcomes++]
		assert.ok(number, 'an outcome without a beat')
		if (kind === 'tick') assert.equal(detail, number, "a tick for another's beat")
		else assert.ok(harmed.has(number), `beat ${number} failed with ${detail} and its POST was not harmed`)
		total[kind]++
	}
	assert.equal(outcomes, sends.length, 'every beat has its outcome')
}
