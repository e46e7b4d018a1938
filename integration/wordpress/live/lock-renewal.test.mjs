// heartbeatd renews the locks of two editors of two users with one call, so that their pages do not ask
// PHP. While calls fail, the pages' beats renew the locks. A lock never expires, and an editor whose post
// is taken over is told at once.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { learn, watch } from './cells.mjs'
import { addMuPlugin, editorOf, linked, newEditor, newPost, since, until, withLive } from './live.mjs'
import { takeOver } from './locks.mjs'

const RENEWAL = 90 // seconds from one call to the next, at most
const REPEATED = 100 // seconds for which pages repeat PHP's last answer

const down = `add_filter('rest_request_before_callbacks', function ($answer, $handler, $request) {
	return '/heartbeatd/v1/locks' === $request->get_route() && get_option('locks_down') ? new WP_Error('down', 'Down', array('status' => 503)) : $answer;
}, 10, 3);`

test('locks that heartbeatd renews', { timeout: 480_000 }, async (t) => {
	await withLive(t, async ({ person, php, site }) => {
		addMuPlugin(site, 'down', down)
		for (const name of ['anna', 'ben']) newEditor(site, php, name)
		const editors = [await edit(site, php, person, 'anna', 'classic'), await edit(site, php, person, 'ben', 'block')]
		const locks = () => php(`return array_map(function ($id) { wp_cache_delete($id, 'post_meta'); return explode(':', get_post_meta($id, '_edit_lock', true)); }, array(${editors.map(({ id }) => id)}));`)
		const calls = () => readFileSync(`${dirname(site.dir)}/nginx-access.log`, 'utf8').split('/wp-json/heartbeatd/v1/locks').length - 1
		const beats = () => editors.map(({ page }) => page.beats.length)
		// Polls a condition, and checks that the locks are held meanwhile.
		const held = (what, condition, seconds) => until(what, async () => {
			for (const [i, [time, user]] of locks().entries()) assert.ok(Number(user) === editors[i].user && time > Date.now() / 1000 - 150, `${what}: ${time}:${user}`)
			await sleep(3000)
			return condition()
		}, seconds)

		const before = locks()
		const asked = beats()
		await held('a call', () => calls() === 1, RENEWAL)
		await held('both locks to be renewed', () => locks().every(([time], i) => time > before[i][0]))
		const renewed = since()
		assert.deepEqual(locks().map((lock) => lock.slice(1)), before.map((lock) => lock.slice(1)))
		await held('the second call', () => calls() === 2, RENEWAL + 10)
		assert.deepEqual(beats(), asked, 'beats to PHP since the editors were opened')

		php(`update_option('locks_down', 1);`)
		const last = locks()
		await held('a call that fails', () => calls() === 3, RENEWAL + 10)
		await held('beats to PHP', () => beats().every((n, i) => n > asked[i]), REPEATED)
		await held('both locks to be renewed by beats', () => locks().every(([time], i) => time > last[i][0]))
		t.diagnostic(`renewed by calls and by beats for ${Math.round(renewed() / 1000)} s`)

		const admin = await person('admin', { editor: 'classic' })
		const [{ page, id }] = editors
		await takeOver(admin, id)
		const taken = since()
		await page.waitForFunction(() => document.querySelector('#post-lock-dialog .currently-editing')?.innerText.includes('admin'), null, { timeout: 10_000 })
		t.diagnostic(`taken over, told to the editor: ${taken()} ms`)
	})
})

async function edit(site, php, person, name, editor) {
	const who = await person(name, { client: 'websocket', editor })
	const id = newPost(php, `Of ${name}`, who.id)
	const page = await who.open(editorOf(id))
	await linked(page, 'websocket')
	await watch(page)
	await learn(page)
	return { id, page, user: who.id }
}
