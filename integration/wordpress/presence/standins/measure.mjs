// Measures how long it takes until another user sees a change in the surfaces of a stand-in: the
// admin bar and the Active Posts widget of two dashboards, of which the second is a follower tab,
// and the locks in two posts lists. The time counts from the write or the removal of the row (of the
// post, for its title). Where heartbeatd answers the beat that would have written the row, it counts
// from the write of heartbeatd's next call, or if the row is there from the time at which the browser
// has got the new page.
//
//	const seen = await measure(parts)   // { 'newcomer, admin bar, leader': 812, … }, in milliseconds

import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { addMuPlugin } from '../../plugin.mjs'
import { takeOver } from '../../live/locks.mjs'
import { editorOf, linked, newPost } from '../../live/live.mjs'
import { hasFragments } from './standins.mjs'

// How long a change is waited for, in milliseconds: two beats of a dashboard and more.
const PATIENCE = 150_000
// The time between two changes, in milliseconds: each is seen on its own.
const APART = 3000

// The surfaces, as functions that run in the page and return the text that is shown there.
const SURFACES = {
	'admin bar': () => document.querySelector('#wp-admin-bar-presence-online')?.innerText ?? '',
	widget: () => document.querySelector('#presence-active-posts-list')?.innerText ?? '',
	'posts list': () => Array.from(document.querySelectorAll('tr.wp-locked .locked-text'), (text) => `${text.closest('tr').id} ${text.innerText}`).join('; '),
	dialog: () => document.querySelector('#post-lock-dialog .currently-editing, .editor-post-locked-modal')?.innerText ?? '',
}

export async function measure({ site, version, person, php, ask, alone }, { client = alone ? 'core' : 'any', patience = PATIENCE } = {}) {
	const seen = {}
	const watch = (change, pages, surface, holds, from) => Promise.all(pages.map(async (page, i) => {
		const at = await timeOf(async () => holds(await page.evaluate(SURFACES[surface])), patience)
		seen[`${change}, ${surface}, ${i ? 'follower' : 'leader'}`] = Math.max(0, at - from())
	}))
	const appears = (change, pages, surface, text, from) => watch(change, pages, surface, (shown) => shown.includes(text), from)
	const goes = (change, pages, surface, text, from) => watch(change, pages, surface, (shown) => !shown.includes(text), from)

	const statements = recordStatements(site)
	// when returns the time of the first statement since then that matches, of pages if there is one,
	// or else another time.
	const when = (since, patterns, otherwise = Infinity) => () => {
		const found = statements().filter(({ at, query }) => at >= since && patterns.every((pattern) => query.search(pattern) >= 0))
		return (found.find(({ sync }) => !sync) ?? found[0])?.at ?? otherwise
	}
	const anna = await person('editor', { editor: 'classic' })
	const otto = await person('admin', { editor: 'classic' })
	const post = newPost(php, 'Before', anna.id)
	const [boards, lists] = await openPairs(otto, client)
	const page = await anna.context.newPage()
	// opens has anna open a page; the result returns when it has written a row. Her last page may remove
	// the row after that: then the next write counts.
	const opens = async (path) => {
		await sleep(APART)
		const start = Date.now()
		await page.goto(`${anna.url}${path}`, { waitUntil: 'commit' })
		const got = Date.now()
		return (...patterns) => () => {
			const removed = when(start, ['DELETE', patterns[0]], start)()
			return when(removed, patterns, when(start, patterns, got)())()
		}
	}

	let wrote = await opens('/wp-admin/index.php')
	await appears('newcomer', boards, 'admin bar', 'Editor: (dashboard)', wrote(`'user-${anna.id}'`, 'dashboard'))
	wrote = await opens('/wp-admin/about.php')
	await appears('move', boards, 'admin bar', '(about)', wrote(`'user-${anna.id}'`, 'about'))

	// Beside heartbeatd, a lock in post metadata names the document after the user.
	const lockOf = ({ id }) => hasFragments(version) ? [`'_lock', '${id}'`] : ['_edit_lock', `:${id}[':]`]
	wrote = await opens(editorOf(post))
	await Promise.all([
		appears('lock', boards, 'widget', hasFragments(version) ? 'Before: Editor; locked by Editor' : 'Before: Editor', wrote(`'editor-${anna.id}'`)),
		appears('lock', lists, 'posts list', `post-${post} Editor`, wrote(...lockOf(anna))),
	])
	await page.waitForLoadState()
	await linked(page, client)
	await sleep(APART)
	const renamed = when(Date.now(), ["'After'"])
	await ask(`return wp_update_post(array('ID' => ${post}, 'post_title' => 'After'));`)
	await Promise.all([appears('title', boards, 'widget', 'After', renamed), hasFragments(version) && appears('title', boards, 'admin bar', 'After', renamed)])

	await sleep(APART)
	const taken = takeOver(otto, post)
	await Promise.all([taken, appears('take-over', [page], 'dialog', 'admin', when(Date.now(), lockOf(otto)))])
	await sleep(APART)
	const closing = Date.now()
	await page.close()
	const removed = (row) => when(closing, ['DELETE', `'${row}-${anna.id}'`], closing)
	await Promise.all([goes('leave', boards, 'admin bar', 'Editor:', removed('user')), goes('leave', boards, 'widget', 'Editor', removed('editor'))])
	for (const row of ['user', 'editor']) seen[`leave, row ${row}-N, after closing`] = removed(row)() - closing
	await Promise.all([anna, otto].map((one) => one.close()))
	return seen
}

// recordStatements makes the site record when pages, their beats and (as sync) heartbeatd's calls
// write and remove rows and locks, and new titles. The result returns the statements.
function recordStatements(site) {
	const file = `${site.dir}/wp-content/statements.log`
	writeFileSync(file, '')
	chmodSync(file, 0o666) // PHP runs as another user
	addMuPlugin(site, 'statements', `
add_filter('query', function ($query) {
	if (preg_match('/^\\s*(?:DELETE|INSERT|UPDATE).*(?:wp_presence|_edit_lock|After)/is', $query)) file_put_contents(WP_CONTENT_DIR . '/statements.log', wp_json_encode(array('at' => round(1000 * microtime(true)), 'sync' => str_contains($_SERVER['REQUEST_URI'] ?? '', '/presence/sync'), 'query' => $query)) . "\\n", FILE_APPEND);
	return $query;
});`)
	return () => readFileSync(file, 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line))
}

// openPairs opens two dashboards and two posts lists. Of each, the first is the leader.
async function openPairs(person, client) {
	const pairs = []
	for (const path of ['/wp-admin/index.php', '/wp-admin/edit.php']) {
		const pages = []
		for (let i = 0; i < 2; i++) {
			pages.push(await person.open(path))
			await linked(pages[i], client)
		}
		pairs.push(pages)
	}
	return pairs
}

// timeOf returns the time at which a condition holds; Infinity after too long.
async function timeOf(holds, patience) {
	const start = Date.now()
	for (;;) {
		if (await holds()) return Date.now()
		if (Date.now() - start > patience) return Infinity
		await sleep(50)
	}
}

// table returns the results of several measurements as text: { 'alone': seen, 'beside': seen }.
export function table(columns) {
	const names = Object.keys(Object.assign({}, ...Object.values(columns)))
	const show = (ms) => ms === undefined ? '' : ms === Infinity ? 'never' : `${(ms / 1000).toFixed(1)} s`
	const lines = [['', ...Object.keys(columns)], ...names.map((name) => [name, ...Object.values(columns).map((seen) => show(seen[name]))])]
	const width = Math.max(...names.map((name) => name.length))
	return lines.map(([name, ...cells]) => [name.padEnd(width), ...cells.map((cell) => cell.padStart(16))].join(' ')).join('\n')
}
