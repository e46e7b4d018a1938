// Browsers reach heartbeatd, but PHP does not reach its API: PHP cannot announce changes, so
// every beat goes to PHP until it reaches the API again.

import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { claimsOf } from '../plugin.mjs'
import { beat, editorOf, linked, newEditor, newPost, since, until, withLive } from './live.mjs'
import { takeOver } from './locks.mjs'

const NOWHERE = 'http://127.0.0.1:1'
// An editor beats every ten seconds; the rest is tolerance for a busy machine.
const ONE_BEAT = 14_000
const PAUSE = 30

test('while PHP cannot reach the API, every beat goes to PHP', { timeout: 300_000 }, async (t) => {
	await withLive(t, async (parts) => {
		const { site, php, server, person } = parts
		setAPI(site, php, server.admin, NOWHERE)
		newEditor(site, php, 'corinna')
		const people = {
			ours: await person('editor', { client: 'websocket', editor: 'classic' }),
			core: await person('corinna', { client: 'core', editor: 'classic' }),
		}
		const other = await person('admin', { client: 'core', editor: 'classic' })

		await t.test('an editor shows a takeover as early as with core\'s client', async (t) => {
			const told = {}
			await Promise.all(Object.entries(people).map(async ([name, one]) => {
				const id = newPost(php, `Post of ${name}`, one.id)
				const page = await one.open(editorOf(id))
				await linked(page, name === 'ours' ? 'websocket' : 'core')
				await beat(page)
				await beat(page)
				await takeOver(other, id)
				const taken = since()
				await page.locator('#post-lock-dialog .currently-editing', { hasText: 'admin' }).waitFor({ timeout: 120_000 })
				told[name] = taken()
			}))
			t.diagnostic(`told after ${told.core} ms with core's client, ${told.ours} ms with ours`)
			assert.ok(told.core < ONE_BEAT, `core's: ${told.core} ms`)
			assert.ok(told.ours < ONE_BEAT, `ours: ${told.ours} ms`)
		})

		await t.test('tickets are not native, and are native again when PHP reaches the API', async () => {
			const reader = await person('subscriber', { client: 'websocket' })
			const page = await reader.open('/wp-admin/')
			await linked(page, 'websocket')
			const claims = () => postedTicket(page)
			assert.deepEqual([(await claims()).native, (await claims()).repeat_until], [undefined, undefined])
			setAPI(site, php, NOWHERE, server.admin)
			php(`update_option('heartbeatd_failures', array('count' => 2, 'at' => time() - ${PAUSE})); return 1;`)
			await until('native beats', async () => (await claims()).native)
			const { iat, repeat_until } = await claims()
			assert.equal(repeat_until, Math.floor(iat) + 100)
			assert.deepEqual(php(`return heartbeatd_failed_calls()['count'];`), 0)
		})
	})
})

function setAPI(site, php, from, to) {
	const file = `${site.dir}/wp-config.php`
	writeFileSync(file, readFileSync(file, 'utf8').replace(from, to))
	assert.equal(php('return HEARTBEATD_API;'), to)
}

// postedTicket makes a page beat to PHP, and returns the claims of the answer's ticket.
async function postedTicket(page) {
	const [response] = await Promise.all([
		page.waitForResponse((response) => response.url().includes('admin-ajax') && /(^|&)action=heartbeat(&|$)/.test(response.request().postData() ?? '')),
		page.evaluate(() => void wp.heartbeat.enqueue('live-php', 1)).then(() => beat(page)),
	])
	return claimsOf(await response.headerValue('x-heartbeatd-ticket'))
}
