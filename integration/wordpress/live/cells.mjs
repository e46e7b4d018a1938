// Pages of one plugin in pairs, one with core's client and one with ours: a dashboard, a posts
// list, a classic editor and a block editor. Their beats to PHP are counted.

import assert from 'node:assert/strict'
import { fileURLToPath } from 'node:url'
import { addPlugin } from '../plugin.mjs'
import { editorOf, linked, newEditor, newPost, tickOf, until } from './live.mjs'

// The plugins in live/plugins/beats that act, with the screens on which they do so for an editor.
// All others are silent there, or hang on hooks that no native beat reaches.
const EVERYWHERE = ['dashboard', 'list', 'classic', 'block']
export const ACTING = {
	'answers-always': ['list', 'classic', 'block'], // core applies heartbeat_received to beats with data
	'answers-lists': ['list'],
	'writes-user-meta': EVERYWHERE,
	'one-screen': ['list'],
}

// The plugins that turn from silent to acting, with the screens.
export const TURNING = { clock: ['dashboard', 'list'], 'option-switch': EVERYWHERE, 'file-switch': EVERYWHERE }

export const SILENT = [
	'own-function', 'own-method', 'own-closure', 'own-static-method', 'own-trait-closure', 'own-two-closures', 'prefix-die',
	'reads-user-meta', 'queries', 'one-role', 'refresh-nonces', 'guests', 'capabilities',
]

// The handles that plugins answer when a page asks.
export const OWN_HANDLES = ['own-function', 'own-method', 'own-closure', 'own-static-method', 'own-trait-closure', 'own-first-closure', 'own-second-closure']

export const SCREENS = EVERYWHERE

// Of the pages of a browser profile, only a few have a link with these: they share the connections
// that HTTP/1.1 allows. Each page gets a profile.
const SHARING = ['events', 'longpoll']

// The most beats that PHP answers before heartbeatd answers a page's beats. Usually there are six:
// one tells PHP of the page, and five are observed.
const LEARNING_BEATS = 7

// For how many seconds PHP may have another reason to answer. After two calls to heartbeatd that took
// too long, which happens on a busy machine, it answers all beats for 30 s, and longer if the
// next call takes too long, too.
const OTHER_REASONS = 90

// activate installs and activates plugins of live/plugins/beats.
export function activate(site, php, names) {
	for (const name of names) addPlugin(site, fileURLToPath(new URL(`plugins/beats/${name}.php`, import.meta.url)))
	const activated = php(`require_once ABSPATH . 'wp-admin/includes/plugin.php';
		return is_wp_error(activate_plugins(array(${names.map((name) => `'${name}.php'`)})));`)
	assert.equal(activated, false, `${names}`)
}

export function deactivate(php, names) {
	php(`require_once ABSPATH . 'wp-admin/includes/plugin.php'; deactivate_plugins(array(${names.map((name) => `'${name}.php'`)})); return 1;`)
}

// openCells opens screens as a new editor with that client, and returns the pages by screen.
export async function openCells({ site, php, person }, client, screens = SCREENS) {
	const login = `uses-${client}`
	newEditor(site, php, login)
	let who = await person(login, { client })
	const post = (screen) => editorOf(newPost(php, `${screen} of ${login}`, who.id))
	const paths = { classic: post('classic'), block: post('block'), dashboard: '/wp-admin/index.php', list: '/wp-admin/edit.php' }
	const pages = {}
	for (const screen of screens) {
		if (SHARING.includes(client)) who = await person(login, { client })
		await who.uses({ client, editor: screen === 'classic' ? 'classic' : 'block' })
		pages[screen] = await who.open(paths[screen])
		await linked(pages[screen], client)
		await watch(pages[screen])
	}
	return pages
}

// watch notes a page's beats to PHP, with their handles, and its ticks.
export async function watch(page) {
	page.beats = []
	page.on('request', (request) => {
		const body = new URLSearchParams(request.postData() ?? '')
		if (!request.url().includes('admin-ajax.php') || body.get('action') !== 'heartbeat') return
		const handles = [...body.keys()].flatMap((key) => key.match(/^data\[([^\]]+)\]/)?.[1] ?? [])
		page.beats.push({ at: performance.now() / 1000, handles: [...new Set(handles)] })
	})
	await page.evaluate(() => {
		window.ticks = []
		jQuery(document).on('heartbeat-tick', (event, tick) => window.ticks.push(Object.keys(tick)))
	})
}

// learn has a page beat until PHP does not answer, and returns how many beats it has answered; null
// if it has answered all.
export async function learn(page) {
	for (let beats = 0; beats <= LEARNING_BEATS; beats++) if (!(await tickOf(page)).byPHP) return beats
	return null
}

// native has a page beat until heartbeatd answers, and returns what beatOnce resolves with then.
export async function native(page, what, beatOnce = tickOf) {
	let seen
	await until(`${what}: heartbeatd answers a beat`, async () => {
		seen = await beatOnce(page)
		return !seen.byPHP
	}, OTHER_REASONS)
	return seen
}

// learned returns what the site's plugin knows of the callbacks: what they do, and how many there
// are without an effect.
export function learned(php) {
	const { foreign, effects } = php(`$o = heartbeatd_observations(); return array('foreign' => count($o['foreign']), 'effects' => array_values($o['effects']));`)
	if (!foreign) return 'no callback'
	return effects.length ? [...new Set(effects.flat())].sort().join(', ') : 'no effect'
}

// posted returns the number of beats to PHP so far, by screen.
export const posted = (pages) => Object.fromEntries(Object.entries(pages).map(([screen, page]) => [screen, page.beats.length]))
