// Measures how often pages ask PHP while a plugin hangs on the hooks of a beat: each plugin of
// integration/wordpress/live/plugins/beats on a WordPress of its own, with four screens open with
// core's client and with ours at the same time, without and with a persistent object cache. Each row
// of the table is printed as soon as it is known.
//
//	node --test integration/load/plugins.mjs
//
// HEARTBEATD_COUNT_SECONDS=180 counts for three minutes instead of ten; HEARTBEATD_COUNT_SITES=2 has
// two sites at a time instead of eight; HEARTBEATD_COUNT_PLUGINS=own-closure,queries measures these only;
// HEARTBEATD_COUNT_CACHES=redis only with an object cache.

import assert from 'node:assert/strict'
import { readdirSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { ACTING, SCREENS, TURNING, activate, learn, learned, openCells, posted } from '../wordpress/live/cells.mjs'
import { until, withLive } from '../wordpress/live/live.mjs'
import { startRedis } from '../wordpress/live/redis.mjs'

const SECONDS = Number(process.env.HEARTBEATD_COUNT_SECONDS || 600)
const SITES = Number(process.env.HEARTBEATD_COUNT_SITES || 8)
const ALL = readdirSync(new URL('../wordpress/live/plugins/beats/', import.meta.url)).map((file) => file.replace(/\.php$/, ''))
const PLUGINS = process.env.HEARTBEATD_COUNT_PLUGINS?.split(',') ?? ['none', ...ALL]
const CACHES = process.env.HEARTBEATD_COUNT_CACHES?.split(',') ?? ['none', 'redis']
const CLIENTS = { core: 'core', ours: 'websocket' }

// PHP must see a beat of each page within five minutes.
const UNANNOUNCED = 300

const cases = CACHES.flatMap((cache) => PLUGINS.map((plugin) => ({ cache, plugin })))

test('beats to PHP of each plugin', { concurrency: SITES, timeout: 3_600_000 + cases.length * 2000 * SECONDS }, async (t) => {
	await Promise.all(cases.map((one) => t.test(`${one.plugin}, object cache: ${one.cache}`, async (t) => {
		one.result = await measure(t, one)
		console.error(`object cache ${one.cache}: ${row(one)}`)
		check(one)
	})))
	for (const cache of CACHES) {
		t.diagnostic(`object cache: ${cache}; beats to PHP in ${SECONDS} seconds, core : ours; in brackets after how many beats the page's were native`)
		t.diagnostic(`| plugin | what was learned | ${SCREENS.join(' | ')} | |`)
		t.diagnostic(`|---|---|${'--:|'.repeat(SCREENS.length)}---|`)
		for (const one of cases.filter((one) => one.cache === cache && one.result)) t.diagnostic(row(one))
	}
})

// measure returns what was learned of a plugin, after how many beats, and the beats to PHP.
async function measure(t, { plugin, cache }) {
	let result
	await withLive(t, async (live) => {
		const { site, php } = live
		if (cache === 'redis') await startRedis(t, site)
		if (plugin !== 'none') activate(site, php, [plugin])
		const cells = {}
		const native = {}
		await inTurn(async () => {
			for (const [name, client] of Object.entries(CLIENTS)) cells[name] = await openCells(live, client)
			for (const screen of SCREENS) native[screen] = await learn(cells.ours[screen])
		})
		const counts = await count(cells)
		result = { learned: learned(php), native, counts, turned: await turn(live, plugin, cells.ours) }
	})
	return result
}

// inTurn runs open after those of the sites before: opening pages needs a processor.
let before = Promise.resolve()
function inTurn(open) {
	const opened = before.then(open)
	before = opened.catch(() => {})
	return opened
}

// count returns the beats to PHP of each client's screens, while nobody touches them.
async function count(cells) {
	const start = Object.fromEntries(Object.entries(cells).map(([name, pages]) => [name, posted(pages)]))
	await sleep(1000 * SECONDS)
	const counts = {}
	for (const [name, pages] of Object.entries(cells)) {
		counts[name] = posted(pages)
		for (const screen of SCREENS) counts[name][screen] -= start[name][screen]
	}
	return counts
}

// turn lets a plugin with a switch act, and returns after how many seconds each of our pages has
// seen it.
async function turn({ site, php }, plugin, pages) {
	if (!/-switch$/.test(plugin)) return null
	if (plugin === 'option-switch') php(`return update_option('option_switch', 1);`)
	else writeFileSync(`${site.dir}/wp-content/file-switch`, '')
	const start = performance.now()
	const seconds = await Promise.all(SCREENS.map(async (screen) => {
		await until(`${plugin} on the ${screen}`, () => pages[screen].evaluate((name) => window.ticks.some((handles) => handles.includes(name)), plugin), UNANNOUNCED + 120)
		return Math.round((performance.now() - start) / 1000)
	}))
	return Object.fromEntries(SCREENS.map((screen, i) => [screen, seconds[i]]))
}

function check({ plugin, result: { counts, learned, native } }) {
	for (const screen of SCREENS) {
		const [core, ours] = [counts.core[screen], counts.ours[screen]]
		assert.ok(ours <= core + 1, `${plugin}, ${screen}: ${ours} beats to PHP, with core's client ${core}`)
		const acts = [...ACTING[plugin] ?? [], ...TURNING[plugin] ?? []].includes(screen)
		if (!ACTING[plugin]?.includes(screen)) assert.notEqual(native[screen], null, `${plugin}, ${screen}: every beat goes to PHP`)
		// The ticket of a dashboard is good for five minutes, an answer about locks for 100 s.
		// From their fifth minute on, editors have one more handle, with which PHP answers five beats.
		const editor = ['classic', 'block'].includes(screen)
		const most = Math.ceil(SECONDS / (screen === 'dashboard' ? 240 : 100)) + (editor && learned !== 'no callback' ? 4 : 0)
		if (!acts) assert.ok(ours <= 1 + most, `${plugin}, ${screen}: ${ours} beats to PHP`)
	}
}

function row({ plugin, result: { learned, native, counts, turned } }) {
	const cells = SCREENS.map((screen) => `${counts.core[screen]} : ${counts.ours[screen]} (${native[screen] ?? 'never'})`)
	const seen = turned ? `on: seen after ${SCREENS.map((screen) => `${turned[screen]} s`).join(', ')}` : ''
	return `| ${[plugin, learned, ...cells, seen].join(' | ')} |`
}
