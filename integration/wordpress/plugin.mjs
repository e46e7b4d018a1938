// What the tests of the plugin share: a live WordPress with the plugin activated, heartbeatd
// behind its web server, and pages of logged-in browsers. php runs code inside the site; ask
// does so without blocking the test.
//
//	await withPlugin(t, async ({ site, server, php, ask, open }) => { … })

import { execFileSync } from 'node:child_process'
import { cpSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startChromium, startHeartbeatd } from '../browser/harness.mjs'
import { withSite } from '../setup/use-site.mjs'
import { runPHP, startPHP } from './php.mjs'

export const pluginFolder = fileURLToPath(new URL('heartbeatd', import.meta.url))

// nativeHandles is HEARTBEATD_NATIVE_HANDLES of the plugin.
const native = readFileSync(`${pluginFolder}/includes/beats/native.php`, 'utf8')
export const nativeHandles = Array.from(native.match(/^const HEARTBEATD_NATIVE_HANDLES = array\((.*)\);$/m)[1].matchAll(/'([^']+)'/g), ([, handle]) => handle)

export const secret = 'a secret of the tests that nobody guesses'

// A busy machine may take longer to answer than the plugin waits. Its calls would be lost, and would
// pause after two of them.
const patience = `add_action('http_api_curl', function ($handle, $args, $url) {
	if (str_contains($url, '/api/v1/')) curl_setopt_array($handle, array(CURLOPT_CONNECTTIMEOUT_MS => 20000, CURLOPT_TIMEOUT_MS => 20000));
}, 20, 3);`

// The plugin measures one beat in 50, which it chooses at random. In tests it measures those with the header
// Live-Sample, and the answers to those that it has chosen have the header Live-Chosen.
const measured = `add_action('plugins_loaded', function () {
	if (remove_action('shutdown', 'heartbeatd_record_sample', PHP_INT_MAX - 2)) header('Live-Chosen: 1');
	if (isset($_SERVER['HTTP_LIVE_SAMPLE'])) heartbeatd_sample_beat();
});`

// Tests beat more often than heartbeatd allows a page by default.
const unlimited = ['--max-beats', '1000']

// withPlugin starts everything, calls use, and stops everything. constants adds constants of the
// plugin to wp-config.php, or removes all if null; flags adds flags of heartbeatd; startBrowser is
// startChromium or startFirefox. With patient, the plugin's calls to heartbeatd have time on a
// busy machine; without, they have the time that they have on a site.
export async function withPlugin(t, use, { constants = {}, flags = [], startBrowser = startChromium, patient = true } = {}) {
	const server = await startHeartbeatd(t, { flags: ['--site-secret', secret, ...unlimited, ...flags] })
	await withSite(async (site) => {
		if (constants) configure(site, { HEARTBEATD_SECRET: secret, HEARTBEATD_API: server.admin, ...constants })
		addPlugin(site, pluginFolder)
		addMuPlugin(site, 'measured', measured)
		if (patient) addMuPlugin(site, 'patience', patience)
		// The browser must end before the site: nginx would wait for its sockets.
		const ends = []
		const browser = memoize(() => startBrowser({ after: (end) => ends.push(end) }))
		const { php, stop } = startPHP(site)
		try {
			php(`require_once ABSPATH . 'wp-admin/includes/plugin.php'; $r = activate_plugin('heartbeatd/heartbeatd.php'); if (is_wp_error($r)) throw new Exception($r->get_error_message());`)
			const login = memoize(async (user) => logIn(await browser(), site, user))
			const open = async (user, path, options) => openPage(await login(user), site, path, options)
			await use({ site, server, browser, php, ask: (code) => runPHP(site, code), open })
		} finally {
			for (const end of ends) await end()
			stop()
			printErrors(site)
		}
	}, { heartbeatd: server.url })
}

function configure(site, constants) {
	const file = `${site.dir}/wp-config.php`
	const lines = Object.entries(constants).map(([name, value]) => `define('${name}', '${value}');\n`)
	writeFileSync(file, readFileSync(file, 'utf8').replace('<?php\n', `<?php\n${lines.join('')}`))
}

// addPlugin copies a plugin's folder to the site. mu-plugins are active at once.
export function addPlugin(site, folder, where = 'plugins') {
	const target = `${site.dir}/wp-content/${where}/${folder.split('/').pop()}`
	cpSync(folder, target, { recursive: true, preserveTimestamps: true })
	giveTo(site, target)
}

// addMuPlugin adds PHP code that runs in every request.
export function addMuPlugin(site, name, code) {
	const folder = `${site.dir}/wp-content/mu-plugins`
	execFileSync('mkdir', ['-p', folder])
	writeFileSync(`${folder}/${name}.php`, `<?php\n${code}`)
	giveTo(site, folder)
}

function giveTo(site, path) {
	const { uid, gid } = statSync(site.dir)
	execFileSync('chown', ['-R', `${uid}:${gid}`, path])
}

function memoize(make) {
	const made = new Map()
	return (key) => {
		if (!made.has(key)) made.set(key, make(key))
		return made.get(key)
	}
}

// logIn returns a new browser context in which that user is logged in.
export async function logIn(browser, site, user) {
	// Only Chromium knows this permission.
	const permissions = browser.browserType().name() === 'chromium' ? ['local-network-access'] : []
	const context = await browser.newContext({ permissions })
	const { login, password } = site.users[user]
	await context.request.get(`${site.url}/wp-login.php`)
	const answer = await context.request.post(`${site.url}/wp-login.php`, {
		form: { log: login, pwd: password, testcookie: '1' }, maxRedirects: 0,
	})
	if (answer.status() !== 302) throw new Error(`${login} cannot log in: ${answer.status()}`)
	return context
}

// openPage opens a page, and keeps its beats to PHP and its frames.
async function openPage(context, site, path, { before } = {}) {
	const page = await context.newPage()
	page.beats = []
	page.frames = { sent: [], received: [] }
	page.errors = []
	page.on('pageerror', (error) => page.errors.push(error.message))
	page.on('request', (request) => {
		const body = request.postData() || ''
		if (request.url().includes('admin-ajax.php') && /(^|&)action=heartbeat(&|$)/.test(body)) page.beats.push(new URLSearchParams(body))
	})
	page.on('websocket', (socket) => {
		socket.on('framesent', ({ payload }) => page.frames.sent.push(JSON.parse(payload)))
		socket.on('framereceived', ({ payload }) => page.frames.received.push(JSON.parse(payload)))
	})
	if (before) await before(page)
	await page.goto(`${site.url}${path}`)
	return page
}

export function claimsOf(ticket) {
	return JSON.parse(Buffer.from(ticket.split('.')[1], 'base64url').toString())
}

function printErrors(site) {
	const folder = dirname(site.dir)
	for (const name of readdirSync(folder).filter((file) => file.endsWith('php-errors.log'))) {
		const log = readFileSync(`${folder}/${name}`, 'utf8').replace(/.*OPcache can't be temporary enabled.*\n/g, '')
		if (log) console.error(`PHP said:\n${log.slice(-4000)}`)
	}
}

// tickOf has a page beat now, with these handles, and returns the tick, and whether PHP has answered.
// The tick of a beat that is under way already does not count, even if it arrives after the new beat
// has been sent: core sends a waiting beat before it announces the tick of the one before.
export const tickOf = (page, handles = []) => page.evaluate((handles) => new Promise((done, fail) => {
	const events = jQuery(document)
	const sent = new Set()
	const settle = (jqXHR, act) => {
		if (sent.has(jqXHR)) {
			events.off('.beat')
			act()
		} else if (!sent.size) setTimeout(() => wp.heartbeat.connectNow())
	}
	events.on('ajaxSend.beat', (event, jqXHR, { data }) => { if (/(^|&)action=heartbeat(&|$)/.test(data)) sent.add(jqXHR) })
	events.on('heartbeat-tick.beat', (event, tick, status, jqXHR) => settle(jqXHR, () => done({ tick, byPHP: jqXHR.getResponseHeader('X-Robots-Tag') !== null })))
	events.on('heartbeat-error.beat', (event, jqXHR, status) => settle(jqXHR, () => fail(new Error(`${status} ${jqXHR.status}`))))
	for (const handle of handles) wp.heartbeat.enqueue(handle, '1')
	wp.heartbeat.connectNow()
}), handles)

// beat has a page beat now, and returns the tick.
export const beat = async (page) => (await tickOf(page)).tick

// connected waits until a page has a WebSocket.
export const connected = (page) => page.waitForFunction(() => window.wp?.heartbeat?.transport?.name === 'websocket', null, { timeout: 15_000 })
