// Plugins on the hooks of a beat: with the drop-in no screen posts more beats than with core's
// client, screens where no plugin acts post almost none, and a plugin that begins to act is
// noticed at once. integration/load/plugins.mjs measures each plugin alone, for ten minutes.

import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { ACTING, SCREENS, SILENT, activate, deactivate, learn, native, openCells } from './cells.mjs'
import { beat, withLive } from './live.mjs'

const BEATS = 5
const LOCKS_LAST = 100_000 // ms that an answer about locks is repeated
const CLIENTS = { core: 'core', ours: 'websocket' }

const acting = ['answers-lists', 'one-screen']

test('plugins on the hooks of a beat', { timeout: 800_000 }, async (t) => {
	await withLive(t, async (live) => {
		const { site, php } = live
		activate(site, php, [...SILENT, 'option-switch', 'file-switch'])
		const cells = {}
		for (const [name, client] of Object.entries(CLIENTS)) cells[name] = await openCells(live, client)

		await t.test('callbacks without effects are learned, and heartbeatd answers the beats of all screens', async (t) => {
			for (const screen of SCREENS) {
				const before = cells.ours[screen].beats.length
				await native(cells.ours[screen], screen)
				t.diagnostic(`${screen}: native after ${cells.ours[screen].beats.length - before} beats`)
				const { ours, most } = await postedOf(cells, screen)
				assert.ok(ours <= most, `${screen}: ${ours} beats to PHP`)
			}
		})

		await t.test('plugins that are activated get the beats of open pages at once on the screens where they act', async () => {
			activate(site, php, acting)
			const tick = await beat(cells.ours.list)
			assert.deepEqual(acting.filter((name) => name in tick), acting)
			for (const screen of SCREENS) {
				await learn(cells.ours[screen])
				const acts = acting.some((name) => ACTING[name].includes(screen))
				const { core, ours, most } = await postedOf(cells, screen)
				assert.ok(acts ? Math.abs(core - ours) <= 1 : ours <= most, `${screen}: ${ours} beats to PHP, core ${core}`)
			}
			deactivate(php, acting)
		})

		// The dashboard again at the end: its ticket must name the posts that the others edit.
		const learnAll = async () => {
			for (const screen of [...SCREENS, 'dashboard']) await native(cells.ours[screen], screen)
		}

		await t.test('a plugin that begins to act when its option changes is noticed at once on all screens', async () => {
			await learnAll()
			php(`return update_option('option_switch', 1);`)
			for (const screen of SCREENS) assert.ok('option-switch' in await beat(cells.ours[screen]), screen)
			deactivate(php, ['option-switch'])
		})

		await t.test('a plugin that begins to act because of a file is noticed when a ticket is five minutes old, and then on all screens', async () => {
			await learnAll()
			writeFileSync(`${site.dir}/wp-content/file-switch`, '')
			assert.equal('file-switch' in await beat(cells.ours.dashboard), false)
			await cells.ours.dashboard.evaluate(() => {
				const now = Date.now
				Date.now = () => now() + 361_000 // tickets last five minutes, or up to a fifth longer
			})
			for (const screen of SCREENS) assert.ok('file-switch' in await beat(cells.ours[screen]), screen)
		})
	})
})

// postedOf has a screen beat with each client, and returns the numbers of beats to PHP. It also
// returns the most that a page with the drop-in may post if no plugin acts: one because its ticket
// or answer about locks is too old, and one more for each time that the answer about locks lasts.
async function postedOf(cells, screen) {
	const counts = {}
	const start = performance.now()
	for (const name of Object.keys(cells)) {
		const page = cells[name][screen]
		const before = page.beats.length
		for (let i = 0; i < BEATS; i++) await beat(page)
		counts[name] = page.beats.length - before
	}
	assert.ok(counts.core >= BEATS - 1, `core's ${screen}: ${counts.core} beats`)
	return { ...counts, most: 1 + Math.floor((performance.now() - start) / LOCKS_LAST) }
}
