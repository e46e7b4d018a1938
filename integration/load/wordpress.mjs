// Measures a WordPress that twenty users have open for ten minutes: seven a dashboard, seven a
// posts list, six an editor, each in a separate browser profile. One site has WordPress's client,
// another one the drop-in; both run at the same time.
//
//	node --test integration/load/wordpress.mjs
//
// HEARTBEATD_COUNT_SECONDS=60 measures for one minute. HEARTBEATD_COUNT_PLUGINS=own-closure,queries
// activates these plugins of integration/wordpress/live/plugins/beats on both sites, and one more
// user opens a post every 20 seconds and leaves it after ten. Then a third site has only this
// user: what her own pages cost is subtracted.

import assert from 'node:assert/strict'
import { readFileSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { activate, learn, watch } from '../wordpress/live/cells.mjs'
import { beat, editorOf, linked, newEditor, newPost, withLive } from '../wordpress/live/live.mjs'

const SECONDS = Number(process.env.HEARTBEATD_COUNT_SECONDS || 600)
const PLUGINS = process.env.HEARTBEATD_COUNT_PLUGINS?.split(',') ?? []
const PEOPLE = 20
const OPENS = 20 // seconds from one opening of a post to the next
const TICK = 100 // ticks of the kernel's clock in a second
const CORE = "WordPress's client"
const OURS = 'heartbeatd'
const ALONE = 'the user who opens posts, alone'

// The client and the number of users of each site.
const SITES = { [CORE]: ['core', PEOPLE], [OURS]: ['websocket', PEOPLE], ...(PLUGINS.length ? { [ALONE]: ['core', 0] } : {}) }

test('cost of a WordPress with twenty users', { timeout: 900_000 + 1000 * SECONDS }, async (t) => {
	let waiting = Object.keys(SITES).length
	let begin
	const begun = new Promise((resolve) => { begin = resolve })
	const rows = {}
	await Promise.all(Object.entries(SITES).map(([name, [client, people]]) => withLive(t, async (parts) => {
		if (PLUGINS.length) activate(parts.site, parts.php, PLUGINS)
		await settle(parts, client, people)
		const open = PLUGINS.length ? await opener(parts, client) : () => {}
		if (--waiting === 0) begin()
		await begun
		rows[name] = (await Promise.all([count(parts.site), open()]))[0]
	})))
	report(t, rows)
	const [core, ours] = [CORE, OURS].map((name) => rows[name][0])
	assert.ok(core > 0, 'WordPress\'s client asked PHP for nothing')
	// With fewer beats, the requests of opening the pages would be too large a part.
	if (SECONDS >= 600) assert.ok(7 * ours <= core, `${core} requests to PHP with WordPress's client, ${ours} with ours`)
})

function report(t, rows) {
	t.diagnostic(`${PEOPLE} people, ${SECONDS} seconds${PLUGINS.length ? `, with ${PLUGINS.join(', ')}, a post opened every ${OPENS} s` : ''}`)
	t.diagnostic('| | requests to PHP | CPU of PHP-FPM, s | CPU of MariaDB, s |')
	t.diagnostic('|---|--:|--:|--:|')
	for (const [name, [requests, ...cpu]] of Object.entries(rows)) t.diagnostic(`| ${[name, requests, ...cpu.map((seconds) => seconds.toFixed(2))].join(' | ')} |`)
	const rest = (name) => rows[name].map((number, i) => number - (rows[ALONE]?.[i] ?? 0))
	const ours = rest(OURS)
	t.diagnostic(`| ratio | ${rest(CORE).map((number, i) => (number / ours[i]).toFixed(1)).join(' | ')} |`)
}

// settle opens all pages, and waits until heartbeatd answers their beats.
async function settle({ site, php, person }, client, people) {
	for (let i = 0; i < people; i++) {
		newEditor(site, php, `person${i}`)
		const who = await person(`person${i}`, { client })
		const paths = ['/wp-admin/index.php', '/wp-admin/edit.php', () => editorOf(newPost(php, `Open with ${i}`, who.id))]
		const path = paths[i % paths.length]
		const page = await who.open(typeof path === 'string' ? path : path())
		await linked(page, client)
		await watch(page)
		if (client === 'core') await beat(page)
		else await learn(page)
	}
}

// opener returns a function that opens and leaves posts, which all lists show. Her requests are
// marked, because they are not counted.
async function opener({ site, php, person }, client) {
	newEditor(site, php, 'opener')
	const who = await person('opener', { client, editor: 'classic' })
	await who.context.setExtraHTTPHeaders({ 'User-Agent': 'opener' })
	const ids = [1, 2, 3].map((n) => newPost(php, `To open ${n}`, who.id))
	const page = await who.open('/wp-admin/about.php')
	return async () => {
		const start = performance.now()
		const pause = (seconds) => sleep(Math.max(0, start + 1000 * seconds - performance.now()))
		for (let i = 0; OPENS * (i + 1) <= SECONDS; i++) {
			await page.goto(`${site.url}${editorOf(ids[i % ids.length])}`)
			await pause(OPENS * (i + 0.5))
			await page.goto(`${site.url}/wp-admin/about.php`)
			await pause(OPENS * (i + 1))
		}
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
	const lines = readFileSync(log, 'utf8').slice(start).split('\n').filter((line) => !line.endsWith('"opener"'))
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
