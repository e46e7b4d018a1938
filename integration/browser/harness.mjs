// What the browser tests share: heartbeatd on free ports, Chromium, Firefox, and polling of
// conditions.
//
//	const server = await startHeartbeatd(t)
//	const browser = await startChromium(t)
//
// Both end with the test, also if it fails.

import { execFileSync, spawn } from 'node:child_process'
import { chromium, firefox } from 'playwright-core'
import { after } from 'node:test'
import { createInterface } from 'node:readline'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import { setTimeout as sleep } from 'node:timers/promises'

export const root = fileURLToPath(new URL('../..', import.meta.url))
export const binary = `${root}.cache/test/heartbeatd`

let built = false

// build compiles heartbeatd; go does nothing if the binary is up to date.
function build() {
	if (built) return
	mkdirSync(`${root}.cache/test`, { recursive: true })
	execFileSync('go', ['build', '-o', binary, './server/heartbeatd'], { cwd: root, stdio: 'inherit' })
	built = true
}

// startHeartbeatd runs the demo site and resolves when it is ready, with
// {url, admin, nats, signal(name), stop(signal), restart()}. With netns it runs in that network namespace.
export async function startHeartbeatd(t, { flags = [], netns } = {}) {
	build()
	const server = await launch(flags, netns)
	t.after(() => server.stop('SIGTERM'))
	return server
}

async function launch(flags, netns) {
	const natsListen = (address, given = flags) => (given.includes('--nats-url') ? [] : ['--nats-listen', address])
	const ports = ['--listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0', ...natsListen('127.0.0.1:0')]
	const command = [...(netns ? ['ip', 'netns', 'exec', netns] : []), binary, 'serve', '--drain-time', '200ms']
	let run = await ready([...command, ...ports, ...flags])
	const { public: address, admin, nats } = run
	return {
		url: `http://${address}`,
		admin: `http://${admin}`,
		nats,
		signal: (name) => run.signal(name),
		stop: (signal) => run.stop(signal),
		// restart starts it again with the same addresses, and with other flags, if they are given.
		async restart(others = flags) {
			run = await ready([...command, '--listen', address, '--admin-listen', admin, ...natsListen(nats, others), ...others])
		},
	}
}

// ready starts the program and waits for the log line with its addresses.
async function ready([program, ...args]) {
	const state = mkdtempSync(`${tmpdir()}/heartbeatd-state-`) // the tests do not share revocations
	const child = spawn(program, args, { stdio: ['ignore', 'inherit', 'pipe'], env: { ...process.env, XDG_STATE_HOME: state } })
	const ended = new Promise((done) => child.once('exit', done))
	const removed = ended.then(() => rmSync(state, { recursive: true, force: true }))
	const onExit = () => child.kill('SIGKILL')
	process.once('exit', onExit)
	ended.then(() => process.off('exit', onExit))
	const log = []
	const found = new Promise((resolve) => {
		createInterface(child.stderr).on('line', (line) => {
			if (log.push(line) > 200) log.shift()
			const addresses = readyLine(line)
			if (addresses) resolve(addresses)
		})
	})
	const stop = async (signal) => {
		child.kill(signal)
		child.kill('SIGCONT') // a stopped process does not end otherwise
		if ((await Promise.race([removed, sleep(10_000, 'late', { ref: false })])) !== 'late') return
		child.kill('SIGKILL')
		throw new Error(`heartbeatd does not stop on ${signal}:\n${log.join('\n')}`)
	}
	const addresses = await Promise.race([found, ended, sleep(20_000, 'late', { ref: false })])
	if (typeof addresses !== 'object') {
		await stop('SIGKILL')
		throw new Error(`heartbeatd is not ready (${addresses}):\n${log.join('\n')}`)
	}
	return { ...addresses, stop, signal: (name) => child.kill(name) }
}

// startWatch runs heartbeatd watch --json and keeps its output.
export async function startWatch(t, server) {
	const child = spawn(binary, ['watch', '--json', '--nats-url', server.nats], { stdio: ['ignore', 'pipe', 'inherit'] })
	const ended = new Promise((done) => child.once('exit', done))
	t.after(async () => {
		child.kill('SIGTERM')
		await ended
	})
	const lines = []
	createInterface(child.stdout).on('line', (line) => lines.push(JSON.parse(line)))
	return lines
}

function readyLine(line) {
	if (!/\bready\b/.test(line)) return null
	const field = (name) => line.match(new RegExp(`\\b${name}=(\\S+)`))?.[1]
	return { public: field('listen'), admin: field('admin'), nats: field('nats') }
}

// suite takes the place of `t` in the before hook of a describe: what it starts ends with the
// suite.
export function suite() {
	const ends = []
	after(async () => {
		for (const end of ends.reverse()) await end()
	})
	return { after: (end) => ends.push(end) }
}

// startChromium launches the installed headless Chromium, which has no windows to draw. With netns it
// runs in that network namespace. With bfcache it is the Chromium that people use, with a
// back/forward cache, which Playwright disables.
export async function startChromium(t, { netns, bfcache = false } = {}) {
	const browser = await chromium.launch({
		executablePath: netns ? `${root}integration/browser/chromium-in-netns` : bfcache ? '/usr/bin/chromium' : '/usr/bin/chromium-headless-shell',
		env: { ...process.env, NETNS: netns },
		ignoreDefaultArgs: bfcache ? ['--disable-back-forward-cache'] : [],
		args: [
			'--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
			'--disable-background-networking', '--disable-component-update', '--disable-sync',
			// Pages of a site share a process with its compiled scripts: of editors, that saves a third of the time.
			...(bfcache ? [] : ['--process-per-site']),
		],
	})
	t.after(() => browser.close())
	return browser
}

// startFirefox launches the installed Firefox ESR, which playwright-core drives over
// WebDriver BiDi (its channels moz-*). In Firefox page.on('websocket') is never called, and
// request.postData() is always null.
export async function startFirefox(t) {
	const browser = await firefox.launch({ executablePath: '/usr/bin/firefox-esr', channel: 'moz-firefox' })
	t.after(() => browser.close())
	withoutMediaFeatures(browser)
	return browser
}

// withoutMediaFeatures answers the command of playwright-core that Firefox ESR 153 does not
// support. Every new context sends it to set a color scheme, which no test needs.
function withoutMediaFeatures(browser) {
	const session = Object.getPrototypeOf(browser._connection.toImpl(browser)._browserSession)
	const send = session.send
	session.send = function (method, params) {
		return method === 'emulation.setMediaFeaturesOverride' ? Promise.resolve({}) : send.call(this, method, params)
	}
}

// until polls a condition until it is truthy, and returns its value. It pauses for three times as
// long as the condition took: one that runs PHP would keep a core busy.
export async function until(what, condition, seconds = 15) {
	const deadline = Date.now() + seconds * 1000
	for (;;) {
		const asked = Date.now()
		const value = await condition()
		const now = Date.now()
		if (value) return value
		if (now > deadline) throw new Error(`${what}: not within ${seconds} s`)
		await sleep(Math.max(20, Math.min(3 * (now - asked), 2000)))
	}
}

// setVisibility hides a page ('hidden') or shows it again ('visible'). A headless browser never
// hides its tabs.
export const setVisibility = (page, state) => page.evaluate((value) => {
	Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => value })
	Object.defineProperty(document, 'hidden', { configurable: true, get: () => value === 'hidden' })
	document.dispatchEvent(new Event('visibilitychange'))
}, state)

// API_KEY is a key for the flag --api-key.
export const API_KEY = 'operator'

// pusher returns a function that pushes the next number to all pages of the demo site. Its
// property last is the number that it has pushed last. The server has the key API_KEY.
export function pusher(server) {
	const push = async () => {
		const answer = await fetch(`${server.admin}/api/v1/push`, {
			method: 'POST',
			headers: { Authorization: `Bearer ${API_KEY}`, 'Content-Type': 'application/json' },
			body: JSON.stringify({ site: 'demo', to: { all: true }, data: ++push.last }),
		})
		if (answer.status !== 202) throw new Error(`push: ${answer.status}`)
	}
	push.last = 0
	return push
}

// demoUser returns heartbeatSettings of a page of that user, and its cookie.
export async function demoUser(server, user) {
	const answer = await fetch(`${server.url}/demo/settings?user=${user}`)
	if (!answer.ok) throw new Error(`/demo/settings?user=${user}: ${answer.status}`)
	const cookie = answer.headers.getSetCookie().map((line) => line.split(';')[0]).join('; ')
	return { ...(await answer.json()), cookie }
}
