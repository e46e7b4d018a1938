// What the plugin's tests share: a live WordPress with the plugin switched on,
// heartbeatd behind its web server, and logged-in browser pages. php runs code
// inside the site, ask does so without making the test wait.
//
//	await withPlugin(t, async ({ site, server, php, ask, open }) => { … })

import { execFileSync, spawn } from 'node:child_process'
import { cpSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startChromium, startHeartbeatd } from '../browser/harness.mjs'
import { withSite } from '../setup/use-site.mjs'

export const pluginFolder = fileURLToPath(new URL('heartbeatd', import.meta.url))
const wpEval = fileURLToPath(new URL('wp-eval.php', import.meta.url))

// nativeHandles are the plugin's HEARTBEATD_NATIVE_HANDLES.
const native = readFileSync(`${pluginFolder}/includes/beats/native.php`, 'utf8')
export const nativeHandles = Array.from(native.match(/^const HEARTBEATD_NATIVE_HANDLES = array\((.*)\);$/m)[1].matchAll(/'([^']+)'/g), ([, handle]) => handle)

export const secret = 'a secret of the tests that nobody guesses'

// withPlugin starts everything, calls use, and stops everything. constants are
// more of the plugin's in wp-config.php, or none at all if null; flags more of
// heartbeatd's; startBrowser is startChromium or startFirefox.
export async function withPlugin(t, use, { constants = {}, flags = [], startBrowser = startChromium } = {}) {
	const server = await startHeartbeatd(t, { flags: ['--site-secret', secret, ...flags] })
	await withSite(async (site) => {
		if (constants) configure(site, { HEARTBEATD_SECRET: secret, HEARTBEATD_API: server.admin, ...constants })
		addPlugin(site, pluginFolder)
		// The browser must be gone before the site is: its sockets would keep nginx waiting.
		const ends = []
		const browser = memoize(() => startBrowser({ after: (end) => ends.push(end) }))
		try {
			const php = (code) => evaluate(site, code)
			php(`require_once ABSPATH . 'wp-admin/includes/plugin.php'; $r = activate_plugin('heartbeatd/heartbeatd.php'); if (is_wp_error($r)) throw new Exception($r->get_error_message());`)
			const login = memoize(async (user) => logIn(await browser(), site, user))
			const open = async (user, path, options) => openPage(await login(user), site, path, options)
			await use({ site, server, browser, php, ask: (code) => evaluateLater(site, code), open })
		} finally {
			for (const end of ends) await end()
			printErrors(site)
		}
	}, { heartbeatd: server.url })
}

function configure(site, constants) {
	const file = `${site.dir}/wp-config.php`
	const lines = Object.entries(constants).map(([name, value]) => `define('${name}', '${value}');\n`)
	writeFileSync(file, readFileSync(file, 'utf8').replace('<?php\n', `<?php\n${lines.join('')}`))
}

// addPlugin copies a plugin's folder to the site; mu-plugins are on at once.
export function addPlugin(site, folder, where = 'plugins') {
	const target = `${site.dir}/wp-content/${where}/${folder.split('/').pop()}`
	cpSync(folder, target, { recursive: true })
	giveTo(site, target)
}

// addMuPlugin writes PHP that runs with every request from now on.
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

// evaluate runs PHP inside the site and returns what the code returns.
function evaluate(site, code) {
	return resultOf(execFileSync('php', [wpEval, site.dir], { input: code, encoding: 'utf8', maxBuffer: 1 << 24 }))
}

// evaluateLater is evaluate for code that calls this process back.
async function evaluateLater(site, code) {
	const child = spawn('php', [wpEval, site.dir], { stdio: ['pipe', 'pipe', 'inherit'] })
	child.stdin.end(code)
	let out = ''
	for await (const chunk of child.stdout) out += chunk
	return resultOf(out)
}

function resultOf(out) {
	const [, json] = out.split('\u0000')
	if (json === undefined) throw new Error(out)
	return JSON.parse(json)
}

function memoize(make) {
	const made = new Map()
	return (key) => {
		if (!made.has(key)) made.set(key, make(key))
		return made.get(key)
	}
}

// logIn is a browser of its own with that user logged in.
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

// openPage opens a page and keeps what it sends: beats to PHP, and frames.
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

// beat asks a page to beat now, and resolves with its tick.
export const beat = (page) => page.evaluate(() => new Promise((done, fail) => {
	jQuery(document).one('heartbeat-tick', (event, tick) => done(tick))
	jQuery(document).one('heartbeat-error', (event, jqXHR, status) => fail(new Error(`${status} ${jqXHR.status}`)))
	wp.heartbeat.connectNow()
}))

// connected waits until a page has a socket.
export const connected = (page) => page.waitForFunction(() => window.wp?.heartbeat?.transport?.name === 'websocket', null, { timeout: 15_000 })
