// Measures what a beat that PHP answers costs with the plugin and without it. One WordPress gets
// the same beats in turn: for each kind of beat a few with the plugin, and a few without it.
//
//	node --test integration/load/beats.mjs
//
// HEARTBEATD_ROUNDS=10 measures ten rounds. With HEARTBEATD_ONLY=editor, only beats whose name
// contains this word are measured. HEARTBEATD_PAUSE=2 waits two seconds before each beat, as if the site got
// few requests.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { addMuPlugin, withPlugin } from '../wordpress/plugin.mjs'
import { logIn } from '../wordpress/presence/person.mjs'

const ROUNDS = Number(process.env.HEARTBEATD_ROUNDS || 40)
const ONLY = process.env.HEARTBEATD_ONLY || ''
const PAUSE = 1000 * (process.env.HEARTBEATD_PAUSE || 0)
const BEATS = 10 // of each kind in a round

// PHP looks whether a file has changed every two seconds, as by default. The header Live-Plugins: off
// disables the plugin for one request. Live-Callbacks: silent 3 adds three callbacks that read options
// and check capabilities, and acting 3 three that change the answer.
const switches = `
ini_set('opcache.revalidate_freq', '2');
if (($_SERVER['HTTP_LIVE_PLUGINS'] ?? '') === 'off') {
	add_filter('option_active_plugins', fn ($plugins) => array_values(array_diff($plugins, array('heartbeatd/heartbeatd.php'))));
}
list($live_kind, $live_count) = explode(' ', ($_SERVER['HTTP_LIVE_CALLBACKS'] ?? '') . ' 0');
for ($i = 0; $i < (int) $live_count; $i++) {
	add_filter('heartbeat_received', "live_{$live_kind}_$i", 10, 2);
}
`
const numbers = Array.from({ length: 10 }, (_, i) => i)
const callbacks = numbers.map((i) => `
function live_silent_$i($response, $data) {
	if (isset($data['live']) && current_user_can('manage_options')) $response['live'] = 1;
	current_user_can('edit_posts');
	get_option('live_$i');
	return $response;
}
function live_acting_$i($response) {
	return live_silent_$i($response, array()) + array('live_$i' => 1);
}`.replaceAll('$i', i)).join('')

// Each kind of beat: the screen, the handles of WordPress's client, those of the plugin, and the
// callbacks. `alone` is a page without a link.
const kinds = (post) => {
	const lock = { 'wp-refresh-post-lock': { post_id: post }, 'wp-refresh-post-nonces': { post_id: post } }
	const ping = { 'presence-ping': { screen: 'dashboard' }, 'presence-active-posts-ping': 'frames' }
	const editing = { 'presence-ping': { screen: 'post', post_id: post }, 'presence-editor-ping': { post_id: post } }
	return {
		'dashboard': { screen: 'dashboard', core: {}, own: ping },
		'dashboard, no link': { screen: 'dashboard', core: {}, own: ping, alone: true },
		'dashboard, no presence': { screen: 'dashboard', core: {}, own: {} },
		'list': { screen: 'edit-post', core: { 'wp-check-locked-posts': [`post-${post}`] }, own: ping },
		'editor': { screen: 'post', core: lock, own: editing },
		'editor, no link': { screen: 'post', core: lock, own: editing, alone: true },
		'editor, 3 silent callbacks': { screen: 'silent-few', core: lock, own: editing, callbacks: 'silent 3' },
		'editor, 10 silent callbacks': { screen: 'silent-many', core: lock, own: editing, callbacks: 'silent 10' },
		'editor, 3 acting callbacks': { screen: 'acting-few', core: lock, own: editing, callbacks: 'acting 3' },
		'editor, 10 acting callbacks': { screen: 'acting-many', core: lock, own: editing, callbacks: 'acting 10' },
	}
}

test('cost of a beat that PHP answers', { timeout: 3_600_000 }, async (t) => {
	await withPlugin(t, async ({ site, php }) => {
		addMuPlugin(site, 'switches', switches)
		addMuPlugin(site, 'callbacks', callbacks)
		php(`for ($i = 0; $i < 10; $i++) update_option("live_$i", 'x', true); return 1;`)
		const post = php(`return wp_insert_post(array('post_title' => 'A post', 'post_status' => 'publish'));`)
		const person = await logIn(site, 'editor')
		const rows = Object.entries(kinds(post)).filter(([name]) => name.includes(ONLY)).map(([name, kind]) => ({ name, kind, core: [], ours: [] }))
		for (const row of rows) {
			await measure(site, person, row.kind, false)
			await measure(site, person, row.kind, true)
		}
		for (let round = 0; round < ROUNDS; round++) {
			for (const row of rows) {
				row.core.push(await measure(site, person, row.kind, false))
				row.ours.push(await measure(site, person, row.kind, true))
			}
		}
		t.diagnostic(`ms per beat, medians of ${ROUNDS} rounds of ${BEATS} beats; the difference is the median of the differences`)
		t.diagnostic('| | CPU without | with | difference | time without | with | difference |')
		t.diagnostic('|---|--:|--:|--:|--:|--:|--:|')
		for (const { name, core, ours } of rows) {
			const cells = ['cpu', 'time'].flatMap((what) => [
				median(core.map((one) => one[what])), median(ours.map((one) => one[what])),
				median(ours.map((one, i) => one[what] - core[i][what])),
			])
			t.diagnostic(`| ${[name, ...cells.map((ms) => ms.toFixed(2))].join(' | ')} |`)
			assert.ok(cells.every(Number.isFinite))
		}
	})
})

// measure sends beats, and returns the CPU of PHP-FPM and the time of the answer for one of them,
// in ms.
async function measure(site, person, { screen, core, own, callbacks: added, alone }, withPlugins) {
	const headers = {
		...(added && { 'Live-Callbacks': added }),
		...(withPlugins ? { 'Heartbeat-Connection': 'a-connection', ...(alone || { 'Heartbeat-Link': '1' }) } : { 'Live-Plugins': 'off' }),
	}
	const before = await used(site)
	let time = 0
	for (let i = 0; i < BEATS; i++) {
		await sleep(PAUSE)
		const begun = performance.now()
		const tick = await person.beat(withPlugins ? { ...core, ...own } : core, { screen, headers })
		time += performance.now() - begun
		assert.ok(tick.server_time > 0)
	}
	return { cpu: (await used(site) - before) / BEATS, time: time / BEATS }
}

// used returns the CPU time of PHP-FPM's workers in ms, when they are idle.
async function used(site) {
	const fpm = readFileSync(`${dirname(site.dir)}/php-fpm.pid`, 'utf8').trim()
	const workers = readFileSync(`/proc/${fpm}/task/${fpm}/children`, 'utf8').trim().split(' ')
	const sum = () => workers.reduce((all, pid) => all + Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[0]), 0)
	const start = performance.now()
	for (let last = -1, now = sum(); performance.now() - start < 30_000; last = now, now = sum()) {
		if (last === now) return now / 1e6
		await sleep(15)
	}
	throw new Error('PHP-FPM is busy for 30 s')
}

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1]
