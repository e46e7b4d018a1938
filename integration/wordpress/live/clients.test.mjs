// Pages on which another plugin has changed the Heartbeat script: it registers core's script
// again, removes the script or its settings, a cache serves an older drop-in, or
// heartbeat-transport.js is used with core's script. No script of the plugin throws, and presence
// is shown as long as there are beats.

import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { addMuPlugin } from '../plugin.mjs'
import { beat, editorOf, linked, newPost, withLive } from './live.mjs'

// A cookie selects what the other plugin does.
const changes = `
function clients_put_core_back($settings) {
	wp_deregister_script('heartbeat');
	wp_register_script('heartbeat', includes_url('js/heartbeat.min.js'), array('jquery', 'wp-hooks'), false, true);
	if ($settings) wp_localize_script('heartbeat', 'heartbeatSettings', apply_filters('heartbeat_settings', array()));
}
function clients_remove() {
	wp_deregister_script('heartbeat');
}
add_filter('heartbeat_settings', fn ($settings) => array_merge($settings, array('interval' => 2)), 99);
foreach (array('admin_enqueue_scripts', 'wp_enqueue_scripts') as $hook) {
	switch ($_COOKIE['live_script'] ?? '') {
		case 'core':
			add_action($hook, fn () => clients_put_core_back(true), 99);
			break;
		case 'core-without-settings':
			add_action($hook, fn () => clients_put_core_back(false), 99);
			break;
		case 'removed-early':
			add_action('init', 'clients_remove', 99);
			break;
		case 'removed-late':
			add_action($hook, 'clients_remove', 99);
			break;
		case 'empty':
			add_action($hook, function () {
				wp_deregister_script('heartbeat');
				wp_register_script('heartbeat', false);
			}, 99);
			break;
		case 'older-drop-in':
			add_filter('script_loader_src', fn ($src, $handle) => 'heartbeat' === $handle ? content_url('older.js') : $src, 10, 2);
			break;
		case 'transport':
			add_action($hook, function () {
				clients_put_core_back(true);
				wp_enqueue_script('transport', content_url('heartbeat-transport.js'), array('heartbeat'), false, true);
			}, 99);
			break;
	}
}
add_action('wp_enqueue_scripts', fn () => wp_enqueue_script('heartbeat'), 1);
add_action('doing_it_wrong_run', function ($function, $message) {
	if (str_contains($message, 'heartbeatd-')) error_log("doing it wrong: $message\\n", 3, WP_CONTENT_DIR . '/wrong.log');
}, 10, 2);
`

// An old version of the drop-in, without announce() and everything newer.
const older = `
;( function( wp ) {
	var now = wp.heartbeat;
	wp.heartbeat = Object.assign( {}, now );
	Object.defineProperty( wp.heartbeat, 'room', { value: now.room } );
	Object.defineProperty( wp.heartbeat, 'transport', { value: { get name() { return now.transport.name; }, use: now.transport.use, leave: now.transport.leave } } );
}( window.wp ) );
`

// What the settings screen shows, and whether ticks update presence. What pages find is the same
// for some kinds: then only some screens are opened.
const kinds = {
	core: { says: 'core', beats: true },
	'core-without-settings': { says: 'core', beats: false, some: true },
	'removed-early': { says: 'none', beats: false, some: true },
	'removed-late': { says: 'none', beats: false },
	empty: { says: 'none', beats: false, some: true },
	'older-drop-in': { says: 'websocket', beats: true },
	transport: { says: 'websocket', beats: true, some: true },
}
const SOME = ['the dashboard', 'the posts list', 'the classic editor', 'the settings screen']

const screens = (post) => ({
	'the dashboard': { path: '/wp-admin/' },
	'the posts list': { path: '/wp-admin/edit.php' },
	'the classic editor': { path: editorOf(post), classic: true },
	'the block editor': { path: editorOf(post) },
	'the users list': { path: '/wp-admin/users.php' },
	'the settings screen': { path: '/wp-admin/options-general.php?page=heartbeatd' },
	'the front end': { path: '/' },
})

test('pages with another Heartbeat script', { timeout: 600_000 }, async (t) => {
	await withLive(t, async ({ site, php, person }) => {
		addMuPlugin(site, 'clients', changes)
		writeFileSync(`${site.dir}/wp-content/older.js`, read('heartbeat.js') + older)
		writeFileSync(`${site.dir}/wp-content/heartbeat-transport.js`, read('heartbeat-transport.js'))
		const editor = await person('editor', { client: 'post' })
		const seen = await editor.open('/wp-admin/tools.php')
		const admin = await person('admin')
		const post = newPost(php, 'A post', admin.id)
		// After the second beat the tickets let heartbeatd answer beats.
		for (const { path } of Object.values(screens(post))) await learn(admin, path)
		for (const [kind, wants] of Object.entries(kinds)) {
			await t.test(kind, async () => {
				await beat(seen)
				const pages = []
				for (const [name, { path, classic }] of Object.entries(screens(post))) {
					if (wants.some && !SOME.includes(name)) continue
					await admin.uses({ editor: classic ? 'classic' : 'block' })
					await admin.context.addCookies([{ name: 'live_script', value: kind, url: site.url }])
					pages.push([name, await look(admin, path)])
				}
				await Promise.all(pages.map(async ([name, page]) => {
					await shows(page, name, wants)
					assert.deepEqual(page.said, [], `${kind}: ${name}`)
					await page.close()
				}))
			})
		}
		const wrong = `${site.dir}/wp-content/wrong.log`
		assert.equal(existsSync(wrong) && readFileSync(wrong, 'utf8'), false, 'WordPress finds no fault with the scripts')
	})
})

const read = (file) => readFileSync(new URL(`../../../client-js/dist/${file}`, import.meta.url), 'utf8')

// Makes every interval short, and counts how often it has fired.
function hurry() {
	window.fired = []
	const start = window.setInterval
	window.setInterval = (callback, ms, ...args) => {
		const at = window.fired.push(0) - 1
		return start(() => {
			window.fired[at]++
			callback(...args)
		}, Math.min(ms, 100))
	}
}

async function learn(who, path) {
	const page = await who.open(path)
	await linked(page, 'websocket')
	await beat(page)
	await page.close()
}

// look opens a page, and keeps its exceptions and the errors that the plugin's scripts log.
async function look(who, path) {
	const page = await who.context.newPage()
	page.said = []
	page.on('pageerror', (error) => page.said.push(error.stack))
	page.on('console', (message) => {
		if (message.type() === 'error' && /heartbeatd/.test(message.location().url + message.text())) page.said.push(message.text())
	})
	await page.addInitScript(hurry)
	await page.goto(`${who.url}${path}`)
	return page
}

async function shows(page, name, { says, beats }) {
	await page.mouse.move(200, 200)
	await page.mouse.move(300, 300)
	if (name === 'the dashboard' && beats) {
		await page.waitForFunction(() => /Editor\s+Tools/.test(document.querySelector('#heartbeatd-who').innerText), null, { timeout: 20_000 })
	}
	if (name === 'the settings screen') {
		await page.waitForFunction((wanted) => document.querySelector('#heartbeatd-transport').dataset.transport === wanted, says, { timeout: 20_000 })
			.catch(async () => assert.fail(`the settings screen says: ${await page.innerText('#heartbeatd-transport')}`))
	}
	if (beats) await beat(page)
	await page.waitForFunction(() => window.fired.every((times) => times > 2), null, { timeout: 20_000 })
}
