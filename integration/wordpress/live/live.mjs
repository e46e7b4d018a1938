// What the live tests share: a WordPress with the plugin and heartbeatd, and users, each in a
// separate browser profile with one client:
//
//	websocket, events, longpoll, post   the drop-in with that transport only
//	any                                 the drop-in with all transports
//	core                                WordPress's own: the plugin is disabled for that browser
//
//	await withLive(t, async ({ person, php, server }) => {
//		const anna = await person('editor', { client: 'longpoll', editor: 'classic' })
//		const page = await anna.open('/wp-admin/')
//	})

import assert from 'node:assert/strict'
import { addMuPlugin, logIn, withPlugin } from '../plugin.mjs'

export { addMuPlugin, beat, tickOf } from '../plugin.mjs'
export { setVisibility, until } from '../../browser/harness.mjs'

export const TRANSPORTS = ['websocket', 'events', 'longpoll', 'post']

// hasLink returns whether a client has a link, and gets changes before its next beat.
export const hasLink = (client) => ['websocket', 'events', 'longpoll'].includes(client)

// Cookies of the browser select the client and the editor.
const switches = `
if (($_COOKIE['live_client'] ?? '') === 'core') {
	add_filter('option_active_plugins', fn ($plugins) => array_values(array_diff($plugins, array('heartbeatd/heartbeatd.php'))));
}
if (($_COOKIE['live_editor'] ?? '') === 'classic') {
	add_filter('use_block_editor_for_post', '__return_false');
}
if (isset($_COOKIE['live_store'])) {
	add_filter('nocache_headers', fn ($headers) => array_merge($headers, array('Cache-Control' => 'no-cache, private')));
}
if (isset($_COOKIE['live_nonce_life'])) {
	add_filter('nonce_life', fn () => (int) $_COOKIE['live_nonce_life']);
}
if (isset($_COOKIE['live_transports'])) {
	function live_transports() {
		$names = array_values(array_intersect(array('websocket', 'events', 'longpoll'), array($_COOKIE['live_transports'])));
		wp_add_inline_script('heartbeat', 'window.heartbeatSettings.heartbeatd.transports = ' . wp_json_encode($names) . ';', 'before');
	}
	add_action('admin_print_scripts', 'live_transports', 2);
	add_action('wp_enqueue_scripts', 'live_transports', 20);
}
`

// withLive starts everything, calls use, and stops everything.
export async function withLive(t, use, options) {
	await withPlugin(t, async (parts) => {
		addMuPlugin(parts.site, 'live', switches)
		const browser = await parts.browser()
		// One after the other: WordPress may lose one of two log-ins at the same time.
		let last = null
		const person = (user, wants) => (last = Promise.resolve(last).then(() => makePerson(wants?.browser ?? browser, parts.site, user, wants)))
		await use({ ...parts, browser, person })
	}, options)
}

async function makePerson(browser, site, user, wants) {
	const context = await logIn(browser, site, user)
	const person = {
		id: site.users[user].id,
		url: site.url,
		context,
		// uses sets options for the pages that are opened from now on. The life of nonces, in
		// seconds, and the use of core's client must not change while pages are open. With
		// store, pages have no no-store header, so that the browser may keep them.
		async uses({ client = 'any', editor = 'block', nonceLife, store } = {}) {
			await context.clearCookies({ name: /^live_/ })
			const cookies = { live_client: client, live_editor: editor }
			if (TRANSPORTS.includes(client)) cookies.live_transports = client
			if (nonceLife) cookies.live_nonce_life = String(nonceLife)
			if (store) cookies.live_store = 'yes'
			await context.addCookies(Object.entries(cookies).map(([name, value]) => ({ name, value, url: site.url })))
		},
		async open(path, options) {
			const page = await context.newPage()
			await page.goto(`${site.url}${path}`, options)
			return page
		},
		close: () => context.close(),
	}
	await person.uses(wants)
	return person
}

// linked waits until a page is ready, and has a link if its client has one.
export const linked = (page, client) => page.waitForFunction(
	(name) => document.readyState === 'complete' && window.wp?.heartbeat && (!name || window.wp.heartbeat.transport.name === name),
	hasLink(client) ? client : '', { timeout: 20_000 },
).catch(async (error) => assert.fail(`${page.url()} has no link by ${client}: ${error.message}\n${await page.evaluate(state)}`))

// Describes why a page may have no link. It does not include the ticket's signature.
const state = () => JSON.stringify({
	now: new Date(), ready: document.readyState, transport: window.wp?.heartbeat?.transport?.name,
	ticket: window.heartbeatSettings?.heartbeatd?.ticket?.split('.').slice(0, 2).map((part) => atob(part.replace(/-/g, '+').replace(/_/g, '/'))),
	storage: { ...sessionStorage }, requests: performance.getEntriesByType('resource').filter((entry) => /ajax|heartbeat/.test(entry.name)).map((entry) => [entry.name, Math.round(entry.startTime), entry.responseStatus]),
})

// newPost publishes a post and returns its id.
export function newPost(php, title, author) {
	return php(`return wp_insert_post(array('post_title' => '${title}', 'post_content' => 'As it was.', 'post_status' => 'publish', 'post_author' => ${author}));`)
}

// newEditor adds a user with the role editor.
export function newEditor(site, php, login) {
	const password = `${login} password`
	const id = php(`return wp_insert_user(array('user_login' => '${login}', 'user_pass' => '${password}', 'display_name' => '${login}', 'role' => 'editor'));`)
	site.users[login] = { id, login, password, role: 'editor' }
	return site.users[login]
}

export const editorOf = (id) => `/wp-admin/post.php?post=${id}&action=edit`

// since returns a function that returns the milliseconds since this call.
export function since() {
	const start = performance.now()
	return () => Math.round(performance.now() - start)
}

export const median = (numbers) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1]
