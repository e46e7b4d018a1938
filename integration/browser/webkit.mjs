// WebKitGTK for the browser tests: its MiniBrowser, driven by WebDriver over HTTP, on an X
// display of its own. It implements the part of Playwright's interface that the shared tests use.
//
//	const browser = await startWebKit(t)
//	const page = await (await browser.newContext()).newPage()

import { spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../setup/services.mjs'
import { until } from './harness.mjs'

// Windows are placed side by side: WebKit treats a covered window as hidden.
const WIDTH = 640
const HEIGHT = 900
const WINDOWS = 6

// startWebKit returns a browser whose contexts are separate processes. All of them end with the test.
export async function startWebKit(t) {
	const ends = []
	t.after(async () => {
		for (const end of ends.reverse()) await end()
	})
	const xvfb = start('Xvfb', ['-displayfd', '3', '-screen', '0', `${WINDOWS * WIDTH}x${HEIGHT}x24`, '-nolisten', 'tcp'], { stdio: ['ignore', 'ignore', 'ignore', 'pipe'] })
	ends.push(xvfb.stop)
	const number = await new Promise((resolve, reject) => {
		createInterface(xvfb.child.stdio[3]).once('line', resolve)
		xvfb.ended.then(() => reject(new Error('Xvfb does not start')))
	})
	const env = { ...process.env, DISPLAY: `:${number}` }
	ends.push(start('openbox', ['--sm-disable'], { env, stdio: 'ignore' }).stop)
	let windows = 0
	return {
		browserType: () => ({ name: () => 'webkit' }),
		async newContext() {
			const driver = await startDriver(env)
			ends.push(driver.stop)
			return newContext(driver, () => WIDTH * (windows++ % WINDOWS))
		},
	}
}

function start(program, args, options) {
	const child = spawn(program, args, options)
	const ended = new Promise((done) => child.once('exit', done).once('error', done))
	const onExit = () => child.kill('SIGKILL')
	process.once('exit', onExit)
	const stop = async () => {
		child.kill('SIGTERM')
		if ((await Promise.race([ended, sleep(5000, 'late', { ref: false })])) === 'late') child.kill('SIGKILL')
		await ended
		process.off('exit', onExit)
	}
	return { child, ended, stop }
}

// startDriver runs WebKitWebDriver, which has one session with one browser. command sends
// it one of WebDriver's commands.
async function startDriver(env) {
	const port = await freePort()
	const program = start('WebKitWebDriver', [`--port=${port}`], { env, stdio: 'ignore' })
	const send = async (method, path, body) => {
		const response = await fetch(`http://127.0.0.1:${port}${path}`, { method, body: body && JSON.stringify(body) })
		const { value } = await response.json()
		if (!response.ok) throw new Error(`${method} ${path}: ${value.error}: ${value.message}`)
		return value
	}
	await until('WebKitWebDriver', () => send('GET', '/status').catch(() => false))
	const { sessionId } = await send('POST', '/session', {
		capabilities: { alwaysMatch: { 'webkitgtk:browserOptions': { binary: miniBrowser(), args: ['--automation'] } } },
	})
	const command = (method, path, body) => send(method, `/session/${sessionId}${path}`, body)
	let stopped = null
	const stop = () => (stopped ??= command('DELETE', '').catch(() => {}).then(program.stop))
	return { command, stop }
}

function miniBrowser() {
	const found = readdirSync('/usr/lib').map((name) => `/usr/lib/${name}/webkit2gtk-4.1/MiniBrowser`).find(existsSync)
	if (!found) throw new Error('there is no MiniBrowser of WebKitGTK: run integration/setup/install')
	return found
}

function newContext({ command, stop }, place) {
	// A driver has one current window: every command to a page selects its window first, and no
	// two commands run at the same time.
	let last = Promise.resolve()
	const inWindow = (handle, ...args) => {
		const result = last.then(() => command('POST', '/window', { handle })).then(() => command(...args))
		last = result.catch(() => {})
		return result
	}
	// Cookies can be set only for the current site: get opens it in the first window.
	let first = null
	const context = {
		async newPage() {
			const handle = first ?? (await command('POST', '/window/new', { type: 'window' })).handle
			first = null
			await inWindow(handle, 'POST', '/window/rect', { x: place(), y: 0, width: WIDTH, height: HEIGHT })
			return newPage((...args) => inWindow(handle, ...args), context)
		},
		async addCookies(cookies) {
			for (const { url, ...cookie } of cookies) await command('POST', '/cookie', { cookie })
		},
		async clearCookies({ name }) {
			for (const cookie of await command('GET', '/cookie')) {
				if (name.test(cookie.name)) await command('DELETE', `/cookie/${cookie.name}`)
			}
		},
		request: {
			async get(url) {
				first = await command('GET', '/window')
				await command('POST', '/url', { url })
			},
			async post(url, { form }) {
				const cookie = (await command('GET', '/cookie')).map(({ name, value }) => `${name}=${value}`).join('; ')
				const response = await fetch(url, { method: 'POST', body: new URLSearchParams(form), headers: { Cookie: cookie }, redirect: 'manual' })
				await context.addCookies(response.headers.getSetCookie().map(readCookie))
				return { status: () => response.status }
			},
		},
		close: stop,
	}
	return context
}

function readCookie(line) {
	const [pair, ...attributes] = line.split('; ')
	const [name, value] = pair.split(/=(.*)/s)
	return { name, value, path: attributes.find((one) => /^path=/i.test(one)).slice(5) }
}

function newPage(command, context) {
	let shown = ''
	const page = {
		context: () => context,
		url: () => shown,
		goto: (url) => command('POST', '/url', { url: (shown = url) }),
		async evaluate(code, arg = null) {
			const script = `const done = arguments[1]; Promise.resolve((${code})(arguments[0])).then((value) => done({ value }), (error) => done({ error: String(error) }))`
			const { value, error } = await command('POST', '/execute/async', { script, args: [arg] })
			if (error) throw new Error(error)
			return value
		},
		waitForFunction: (code, arg, { timeout }) => until(String(code), () => page.evaluate(code, arg), timeout / 1000),
	}
	return page
}
