// Plugins that hang on the hooks of a beat: with ours, no screen asks PHP more often than with
// core's client, those where nobody acts hardly ever, and a plugin that turns from silent to
// acting is seen at once. integration/load/plugins.mjs measures each plugin alone.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { ACTING, SCREENS, SILENT, activate, deactivate, learn, openCells, posted } from './cells.mjs'
import { addMuPlugin, until, withLive } from './live.mjs'

const SECONDS = 45
const INTERVAL = 10 // of a dashboard; lists and editors have the same from core
const CLIENTS = { core: 'core', ours: 'websocket' }

const switches = ['option-switch']
const acting = ['answers-lists', 'one-screen']

test('plugins on the hooks of a beat', { timeout: 400_000 }, async (t) => {
	await withLive(t, async (live) => {
		const { site, php } = live
		addMuPlugin(site, 'interval', `add_filter('heartbeat_settings', fn ($settings) => array('interval' => ${INTERVAL}) + $settings);`)
		activate(site, php, [...SILENT, ...switches])
		const cells = {}
		for (const [name, client] of Object.entries(CLIENTS)) cells[name] = await openCells(live, client)

		await t.test('silent ones are learned, and PHP rests on all screens', async () => {
			for (const screen of SCREENS) {
				const beats = await learn(cells.ours[screen])
				assert.ok(beats !== null, `${screen}: all beats go to PHP`)
				t.diagnostic(`${screen}: native after ${beats} beats`)
			}
			const counts = await count(t, cells)
			for (const screen of SCREENS) assert.ok(counts.ours[screen] <= 1, `${screen}: ${counts.ours[screen]} beats to PHP`)
		})

		await t.test('one that turns is seen at once on all screens', async () => {
			const before = Object.fromEntries(SCREENS.map((screen) => [screen, 0]))
			for (const screen of SCREENS) before[screen] = await cells.ours[screen].evaluate(() => window.ticks.length)
			php(`return update_option('option_switch', 1);`)
			for (const screen of SCREENS) {
				const first = await until(`a beat of the ${screen}`, () => cells.ours[screen].evaluate((from) => window.ticks[from + 1] && window.ticks.slice(from), before[screen]), 3 * INTERVAL)
				assert.ok(first[1].includes('option-switch'), `${screen}: ${JSON.stringify(first)}`)
			}
			php(`return update_option('option_switch', 0);`)
		})

		await t.test('where one acts, PHP gets as many beats as from core, and the dashboard does not', async () => {
			deactivate(php, [...SILENT, ...switches])
			activate(site, php, acting)
			await until('the list to see them', () => cells.ours.list.evaluate((names) => names.every((name) => window.ticks.some((handles) => handles.includes(name))), acting), 3 * INTERVAL)
			for (const screen of SCREENS) await learn(cells.ours[screen])
			const counts = await count(t, cells)
			for (const screen of SCREENS) {
				const acts = acting.some((name) => ACTING[name].includes(screen))
				assert.ok(acts ? Math.abs(counts.ours[screen] - counts.core[screen]) <= 1 : counts.ours[screen] <= 1, `${screen}: ${counts.ours[screen]} beats to PHP, core ${counts.core[screen]}`)
			}
		})
	})
})

// count returns the beats to PHP of each client's screens in some seconds.
async function count(t, cells) {
	const before = Object.fromEntries(Object.entries(cells).map(([name, pages]) => [name, posted(pages)]))
	await sleep(1000 * SECONDS)
	const counts = {}
	for (const [name, pages] of Object.entries(cells)) {
		counts[name] = posted(pages)
		for (const screen of SCREENS) counts[name][screen] -= before[name][screen]
	}
	t.diagnostic(`beats to PHP in ${SECONDS} s, core : ours: ${SCREENS.map((screen) => `${screen} ${counts.core[screen]} : ${counts.ours[screen]}`).join(', ')}`)
	for (const screen of SCREENS) assert.ok(counts.core[screen] >= SECONDS / INTERVAL - 2, `core's ${screen}: ${counts.core[screen]} beats`)
	return counts
}
