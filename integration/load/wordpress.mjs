// Measures a WordPress that twenty users have open for ten minutes: seven a dashboard, seven a
// posts list, six an editor, each in a separate browser profile. One site has WordPress's client,
// another one the drop-in; both run at the same time.
//
//	node --test integration/load/wordpress.mjs
//
// HEARTBEATD_COUNT_SECONDS=60 measures for one minute. HEARTBEATD_COUNT_PLUGINS=own-closure,queries
// activates these plugins of integration/wordpress/live/plugins/beats on both sites, and one more
// user opens a post every 20 seconds and leaves it after ten. Then two more sites have only this
// user, one with each client: what this user's own pages cost is subtracted.

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
const alone = (name) => `${name}, only the user who opens posts`
const CLIENTS = { [CORE]: 'core', [OURS]: 'websocket' }

// The client and the number of users of each site.
const SITES = Object.fromEntries(Object.entries(CLIENTS).flatMap(([name, client]) => [
	[name, [client, PEOPLE]], ...(PLUGINS.length ? [[alone(name), [client, 0]]] : []),
]))

test('cost of a WordPress with twenty users', { timeout: 900_000 + 1000 * SECONDS }, async (t) => {
	let waiting = Object.keys(SITES).length
	let begin
	const begun = new Promise((resolve) => { begin = resolve })
	const rows = {}
	await Promise.all(Object.entries(SITES).map(([name, [client, people]]) => withLive(t, async (parts) => {
		if (PLUGINS.length) activate(parts.site, parts.php, PLUGINS)
		const pages = await settle(parts, client, people)
		const open = PLUGINS.length ? await opener(parts, client) : () => {}
		if (--waiting === 0) begin()
		await begun
		rows[name] = (await Promise.all([count(parts.site, pages), open()]))[0]
	})))
	report(t, rows)
	const [core, ours] = [CORE, OURS].map((name) => rows[name].numbers[0])
	assert.ok(core > 0, 'WordPress\'s client asked PHP for nothing')
	// With fewer beats, the requests of opening the pages would be too large a part.
	if (SECONDS >= 600) assert.ok(7 * ours <= core, `${core} requests to PHP with WordPress's client, ${ours} with ours`)
})

function report(t, rows) {
	t.diagnostic(`${PEOPLE} people, ${SECONDS} seconds${PLUGINS.length ? `, with ${PLUGINS.join(', ')}, a post opened every ${OPENS} s` : ''}`)
	t.diagnostic('| | requests to PHP | CPU of PHP-FPM, s | CPU of MariaDB, s |')
	t.diagnostic('|---|--:|--:|--:|')
	for (const [name, { numbers: [requests, ...cpu] }] of Object.entries(rows)) t.diagnostic(`| ${[name, requests, ...cpu.map((seconds) => seconds.toFixed(2))].join(' | ')} |`)
	const rest = (name) => rows[name].numbers.map((number, i) => number - (rows[alone(name)]?.numbers[i] ?? 0))
	const ours = rest(OURS)
	t.diagnostic(`| ratio | ${rest(CORE).map((number, i) => (number / ours[i]).toFixed(1)).join(' | ')} |`)
	for (const [name, { kinds }] of Object.entries(rows)) {
		t.diagnostic(`requests to PHP, ${name}:`)
		for (const [kind, requests] of Object.entries(kinds)) t.diagnostic(`| ${kind} | ${requests} |`)
	}
}

// settle opens all pages, waits until heartbeatd answers their beats, and returns them.
async function settle({ site, php, person }, client, people) {
	const pages = []
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
		pages.push(page)
	}
	return pages
}

// opener returns a function in which one user opens and leaves posts that all lists show. This
// user's requests are marked, because they are not counted.
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
			await page.goto(`${site.url}${editorOf(ids[i % ids.length])}`, { waitUntil: 'commit' })
			await pause(OPENS * (i + 0.5))
			await page.goto(`${site.url}/wp-admin/about.php`, { waitUntil: 'commit' })
			await pause(OPENS * (i + 1))
		}
	}
}

// count returns the requests to PHP, the seconds of CPU of PHP and MariaDB, and the kinds of the
// requests.
async function count(site, pages) {
	const folder = dirname(site.dir)
	const log = `${folder}/nginx-access.log`
	const size = statSync(log).size
	const start = performance.now() / 1000
	const before = used(folder)
	await sleep(1000 * SECONDS)
	const after = used(folder)
	const lines = readFileSync(log, 'utf8').slice(size).split('\n').filter((line) => !line.endsWith('"opener"'))
	const paths = lines.flatMap((line) => line.match(/"(\w+ \S*?(?:\.php|\/wp-json\/[^? ]*))[? ]/)?.[1] ?? [])
	const beats = pages.flatMap(kindsOfBeats(start))
	return {
		numbers: [paths.length, ...after.map((seconds, i) => seconds - before[i])],
		kinds: { ...numbersOf(beats), 'all beats': beats.length, ...numbersOf(paths) },
	}
}

// kindsOfBeats returns a function that names, for each beat of a page to PHP since start, what a
// page with heartbeatd asks by the time since its last beat to PHP.
const kindsOfBeats = (start) => (page) => page.beats.flatMap(({ at, handles }, i) => {
	if (at < start) return []
	const since = at - (page.beats[i - 1]?.at ?? 0)
	const screen = handles.includes('wp-check-locked-posts') ? 'list' : handles.includes('wp-refresh-post-lock') ? 'editor' : 'dashboard'
	const reason = since > 460 ? 'ticket of ten minutes' : screen === 'list' && since > 295 ? 'answer about locks of five minutes'
		: screen === 'editor' && since > 95 ? 'answer about its lock of 100 s' : 'other'
	return [`${screen}, ${reason}`]
})

function numbersOf(names) {
	const numbers = {}
	for (const name of names.toSorted()) numbers[name] = (numbers[name] ?? 0) + 1
	return numbers
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
