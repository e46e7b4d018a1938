// Measures a WordPress that twenty users have open for ten minutes: seven a dashboard, seven a
// posts list, six an editor, each in a separate browser profile. One site has WordPress's client,
// another one the drop-in; both run at the same time.
//
//	node --test integration/load/wordpress.mjs
//
// HEARTBEATD_COUNT_SECONDS=60 measures for one minute.

import assert from 'node:assert/strict'
import { readFileSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { beat, editorOf, linked, newEditor, newPost, withLive } from '../wordpress/live/live.mjs'

const SECONDS = Number(process.env.HEARTBEATD_COUNT_SECONDS || 600)
const PEOPLE = 20
const CLIENTS = { "WordPress's client": 'core', heartbeatd: 'websocket' }
const TICK = 100 // ticks of the kernel's clock in a second

test('cost of a WordPress with twenty users', { timeout: 900_000 + 1000 * SECONDS }, async (t) => {
	const ready = []
	let begin
	const begun = new Promise((resolve) => { begin = resolve })
	const rows = await Promise.all(Object.entries(CLIENTS).map(async ([name, client]) => {
		let row
		await withLive(t, async (parts) => {
			await settle(parts, client)
			if (ready.push(name) === Object.keys(CLIENTS).length) begin()
			await begun
			row = [name, ...await count(parts.site)]
		})
		return row
	}))
	t.diagnostic(`${PEOPLE} people, ${SECONDS} seconds`)
	t.diagnostic('| | requests to PHP | CPU of PHP-FPM, s | CPU of MariaDB, s |')
	t.diagnostic('|---|--:|--:|--:|')
	for (const [name, requests, ...cpu] of rows) t.diagnostic(`| ${[name, requests, ...cpu.map((seconds) => seconds.toFixed(2))].join(' | ')} |`)
	const [core, ours] = rows.map((row) => row.slice(1))
	assert.ok(core[0] > 0, 'WordPress\'s client asked PHP for nothing')
	// With fewer beats, the requests of opening the pages would be too large a part.
	if (SECONDS >= 600) assert.ok(7 * ours[0] <= core[0], `${core[0]} requests to PHP with WordPress's client, ${ours[0]} with ours`)
	t.diagnostic(`| ratio | ${core.map((number, i) => (number / ours[i]).toFixed(1)).join(' | ')} |`)
})

// settle opens all pages, and waits until heartbeatd answers their beats.
async function settle({ site, php, person }, client) {
	for (let i = 0; i < PEOPLE; i++) {
		newEditor(site, php, `person${i}`)
		const who = await person(`person${i}`, { client })
		const paths = ['/wp-admin/index.php', '/wp-admin/edit.php', () => editorOf(newPost(php, `Open with ${i}`, who.id))]
		const path = paths[i % paths.length]
		const page = await who.open(typeof path === 'string' ? path : path())
		await linked(page, client)
		for (let beats = 0; beats < 2; beats++) await beat(page)
	}
}

// count returns the requests to PHP, and the seconds of CPU of PHP and MariaDB.
async function count(site) {
	const folder = dirname(site.dir)
	const log = `${folder}/nginx-access.log`
	const start = statSync(log).size
	const before = used(folder)
	await sleep(1000 * SECONDS)
	const after = used(folder)
	const lines = readFileSync(log, 'utf8').slice(start).split('\n')
	return [lines.filter((line) => /"\w+ \S*(\.php|\/wp-json\/)/.test(line)).length, ...after.map((seconds, i) => seconds - before[i])]
}

// used returns the CPU time of PHP-FPM with its workers and of MariaDB, in seconds.
function used(folder) {
	const [fpm, mariadb] = ['php-fpm', 'mariadb'].map((name) => readFileSync(`${folder}/${name}.pid`, 'utf8').trim())
	const workers = readFileSync(`/proc/${fpm}/task/${fpm}/children`, 'utf8').trim().split(' ')
	return [[fpm, ...workers].map(cpu).reduce((sum, seconds) => sum + seconds), cpu(mariadb)]
}

function cpu(pid) {
	const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /, '').split(' ')
	return (Number(fields[11]) + Number(fields[12])) / TICK
}
