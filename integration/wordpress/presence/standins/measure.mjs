// Measures how long it takes until another user sees a change in the surfaces of a stand-in: the
// admin bar and the Active Posts widget of two dashboards, of which the second is a follower tab,
// and the locks in two posts lists. A leave counts from the removal
// of the row, and a take-over from the write of the lock.
//
//	const seen = await measure(parts)   // { 'newcomer, admin bar, leader': 812, … }, in milliseconds

import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { addMuPlugin } from '../../plugin.mjs'
import { takeOver } from '../../live/locks.mjs'
import { editorOf, linked, newPost } from '../../live/live.mjs'
import { hasFragments } from './standins.mjs'

// How long a change is waited for, in milliseconds: two beats of a dashboard and more.
const PATIENCE = 150_000
// How long the closing of a page takes, in milliseconds: its own request may come first.
const CLOSE = 1000

// The surfaces, as functions that run in the page and return the text that is shown there.
const SURFACES = {
	'admin bar': () => document.querySelector('#wp-admin-bar-presence-online')?.innerText ?? '',
	widget: () => document.querySelector('#presence-active-posts-list')?.innerText ?? '',
	'posts list': () => Array.from(document.querySelectorAll('tr.wp-locked .locked-text'), (text) => `${text.closest('tr').id} ${text.innerText}`).join('; '),
	dialog: () => document.querySelector('#post-lock-dialog .currently-editing, .editor-post-locked-modal')?.innerText ?? '',
}

export async function measure({ site, version, person, php, ask, alone }, { client = alone ? 'core' : 'any', patience = PATIENCE } = {}) {
	const seen = {}
	const watch = (change, pages, surface, holds) => Promise.all(pages.map(async (page, i) => {
		seen[`${change}, ${surface}, ${i ? 'follower' : 'leader'}`] = await timeUntil(async () => holds(await page.evaluate(SURFACES[surface])), patience)
	}))
	const appears = (change, pages, surface, text) => watch(change, pages, surface, (shown) => shown.includes(text))
	const goes = (change, pages, surface, text) => watch(change, pages, surface, (shown) => !shown.includes(text))

	const statements = recordStatements(site)
	const anna = await person('editor', { editor: 'classic' })
	const otto = await person('admin', { editor: 'classic' })
	const post = newPost(php, 'Before', anna.id)
	const [boards, lists] = await openPairs(otto, client)

	const page = await anna.open('/wp-admin/index.php', { waitUntil: 'commit' })
	await appears('newcomer', boards, 'admin bar', 'Editor: (dashboard)')
	await page.goto(`${anna.url}/wp-admin/about.php`, { waitUntil: 'commit' })
	await appears('move', boards, 'admin bar', '(about)')

	await page.goto(`${anna.url}${editorOf(post)}`, { waitUntil: 'commit' })
	await Promise.all([
		appears('lock', boards, 'widget', hasFragments(version) ? 'Before: Editor; locked by Editor' : 'Before: Editor'),
		appears('lock', lists, 'posts list', `post-${post} Editor`),
	])
	await page.waitForLoadState()
	await linked(page, client)
	await ask(`return wp_update_post(array('ID' => ${post}, 'post_title' => 'After'));`)
	await Promise.all([appears('title', boards, 'widget', 'After'), hasFragments(version) && appears('title', boards, 'admin bar', 'After')])

	const taken = takeOver(otto, post)
	const start = Date.now()
	await Promise.all([taken, appears('take-over', [page], 'dialog', 'admin')])
	const locked = statements().find(({ at, query }) => at >= start && query.includes('_lock\'') && (query.includes(`'_lock', '${otto.id}'`) || query.includes(`:${otto.id}'`)))?.at ?? start
	seen['take-over, dialog, leader'] -= locked - start
	await page.close()
	const closed = Date.now()
	await Promise.all([goes('leave', boards, 'admin bar', 'Editor:'), goes('leave', boards, 'widget', 'Editor')])
	for (const [surface, client] of [['admin bar', 'user'], ['widget', 'editor']]) {
		const removed = statements().find(({ at, query }) => at >= closed - CLOSE && /^\s*DELETE/.test(query) && query.includes(`'${client}-${anna.id}'`))?.at ?? closed
		seen[`leave, row of the ${surface}, after closing`] = removed - closed
		for (const tab of ['leader', 'follower']) seen[`leave, ${surface}, ${tab}`] -= Math.max(0, removed - closed)
	}
	await Promise.all([anna, otto].map((one) => one.close()))
	return seen
}

// recordStatements makes the site record when it writes and removes rows and locks. The result
// returns the statements.
function recordStatements(site) {
	const file = `${site.dir}/wp-content/statements.log`
	writeFileSync(file, '')
	chmodSync(file, 0o666) // PHP runs as another user
	addMuPlugin(site, 'statements', `
add_filter('query', function ($query) {
	if (preg_match('/^\\s*(?:DELETE|INSERT|UPDATE).*(?:wp_presence|_edit_lock)/is', $query)) file_put_contents(WP_CONTENT_DIR . '/statements.log', wp_json_encode(array('at' => round(1000 * microtime(true)), 'query' => $query)) . "\\n", FILE_APPEND);
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

// timeUntil returns after how many milliseconds a condition holds; Infinity after too long.
async function timeUntil(holds, patience) {
	const start = performance.now()
	for (;;) {
		const shown = await holds()
		const ms = Math.round(performance.now() - start)
		if (shown) return ms
		if (ms > patience) return Infinity
		await new Promise((done) => setTimeout(done, 50))
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
