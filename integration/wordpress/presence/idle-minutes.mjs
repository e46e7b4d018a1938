// Shows what ten idle minutes beside the Presence API plugin cost: beats of each page to PHP,
// beside the same page with WordPress's own client; renewals; and changes of the rows' data. Then
// it closes pages, one at a time, and looks for rows that come back.
//
//	node --test integration/wordpress/presence/idle-minutes.mjs
//	HEARTBEATD_MINUTES=2 HEARTBEATD_LEAVES=3 HEARTBEATD_VERSION=0.15 node --test integration/wordpress/presence/idle-minutes.mjs

import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'node:test'
import { newEditor, until } from '../live/live.mjs'
import { withStandIn } from './standins/standins.mjs'
import { beatsSince, countRenewals, isHeld, openPage, stateOf } from './transport.mjs'

const minutes = Number(process.env.HEARTBEATD_MINUTES ?? 10)
const leaves = Number(process.env.HEARTBEATD_LEAVES ?? 20)
const VERSION = process.env.HEARTBEATD_VERSION ?? '0.18'
const LATE = 2000

test('idle minutes and leaves', { timeout: 60_000 * (minutes + 2 * leaves + 5) }, async (t) => {
	await withStandIn(t, VERSION, async (parts) => {
		const { site, php, person, rows } = parts
		const renewals = countRenewals(parts)
		// Only beside versions with hooks for transports, heartbeatd holds the rows of pages.
		const holds = VERSION === '0.18'
		const held = async (page) => holds && until('the rows to be held', () => isHeld(page), 60)
		const ours = []
		for (const login of ['one', 'two', 'three', 'four']) {
			newEditor(site, php, login)
			ours.push(await openPage(await person(login, { client: 'any' }), '/wp-admin/index.php'))
		}
		const core = await openPage(await person('editor', { client: 'core' }), '/wp-admin/index.php', 'core')
		const moving = ours[0]
		for (const page of ours) await held(page)
		const everybody = ['editor', 'one', 'two', 'three', 'four'].map((login) => `user-${site.users[login].id}`)
		const present = async () => (await rows()).map((row) => row.client_id)
		await until('a row for everybody', async () => { const ids = await present(); return everybody.every((id) => ids.includes(id)) }, 120)
		await sleep(10_000)

		await t.test('idle', async () => {
			const others = async () => JSON.stringify(JSON.parse(await stateOf(rows)).filter(([, client]) => client !== `user-${site.users.editor.id}`))
			const [start, before, state] = [Date.now(), renewals().length, await others()]
			const changes = []
			for (let last = state; Date.now() - start < 60_000 * minutes;) {
				await moving.mouse.move(100 + Math.random() * 100, 200)
				await sleep(1000)
				const now = await others()
				if (now !== last) changes.push(`after ${Math.round((Date.now() - start) / 1000)} s: ${last} became ${now}`)
				last = now
			}
			const count = (page) => beatsSince([page], start)
			const allowed = beatsSince([core], start - LATE)
			t.diagnostic(`in ${minutes} min: beats of core's client ${allowed}, of ours ${ours.map(count)} (the first with a moving mouse); ${renewals().length - before} renewals; ${changes.length} changes of rows`)
			assert.ok(ours.every((page) => count(page) <= allowed), 'no page beats more often than with core\'s client')
			assert.equal(renewals().length > before, holds)
			assert.ok(renewals().length - before <= Math.ceil(minutes * 60 / 65) + 1)
			assert.deepEqual(changes, [])
		})

		await t.test('leaves', async () => {
			const who = await person('author')
			const isThere = async () => (await rows(`client_id = 'user-${who.id}'`)).length > 0
			let returned = 0
			for (let i = 0; i < leaves; i++) {
				const page = await openPage(who, '/wp-admin/index.php')
				await held(page)
				await until('the row', isThere, 40)
				await sleep(Math.random() * 5000)
				await page.close()
				const closed = Date.now()
				await until('the row to go', async () => !(await isThere()), 25)
				let back = false
				while (Date.now() - closed < 60_000) {
					back = back || await isThere()
					await sleep(500)
				}
				if (back) returned++
			}
			t.diagnostic(`${returned} of ${leaves} rows came back`)
			assert.equal(returned, 0)
		})
	})
})
