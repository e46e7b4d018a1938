// The examples and `heartbeatd watch`, with read-only credentials for one site, end with the
// same entries of a room.

import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { createInterface } from 'node:readline'
import { before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { setTimeout as sleep } from 'node:timers/promises'
import { root, startHeartbeatd } from '../browser/harness.mjs'

const room = 'postType/post:42'
const password = 'a password for tests'
const here = fileURLToPath(new URL('.', import.meta.url))
const observers = { Go: [`${root}.cache/test/observe`], Node: ['node', `${here}observe.mjs`], Python: ['python3', `${here}observe.py`] }

before(() => execFileSync('go', ['build', '-o', observers.Go[0], './integration/observers'], { cwd: root, stdio: 'inherit' }))

// run starts a program until the test ends, and keeps the lines that it prints.
function run(t, [program, ...args]) {
	const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] })
	const ended = new Promise((done) => {
		child.once('exit', done)
		child.once('error', (error) => done(error))
	})
	const lines = []
	createInterface(child.stdout).on('line', (line) => lines.push(JSON.parse(line)))
	t.after(async () => {
		child.kill('SIGTERM')
		const how = await ended
		if (how instanceof Error) throw new Error(`${program} is needed for this test: ${how.message}; apt-get install python3`)
	})
	return lines
}

async function until(what, look) {
	for (let i = 0; i < 1200; i++) {
		if (await look()) return
		await sleep(25)
	}
	assert.fail(`never: ${what()}`)
}

// folded returns the entries of the room after the events of `heartbeatd watch`.
function folded(events) {
	const present = {}
	for (const { event, client_id, display_name, data, date_gmt, idle } of events) {
		if (event === 'left') delete present[client_id]
		else present[client_id] = { client_id, name: display_name, data, idle: idle ?? Date.now() - Date.parse(`${date_gmt.replace(' ', 'T')}Z`) > 30_000 }
	}
	return Object.keys(present).sort().map((id) => present[id])
}

test('the examples in Go, Node and Python have the same entries as heartbeatd', async (t) => {
	const server = await startHeartbeatd(t, { flags: ['--api-key', 'operator', '--presence-ttl', '8s', '--nats-observer', `demo=${password}`] })
	const address = `nats://demo:${encodeURIComponent(password)}@${server.nats}`
	const said = run(t, [`${root}.cache/test/heartbeatd`, 'watch', '--json', '--site', 'demo', '--kind', 'joined,updated,seen,left', '--nats-url', address, room])
	const rooms = Object.fromEntries(Object.entries(observers).map(([name, command]) => [name, run(t, [...command, address, 'demo', room])]))

	async function api(method, query, entry) {
		const body = entry && JSON.stringify({ site: 'demo', display_name: `Zoë ${entry.user_id}`, ...entry })
		const answer = await fetch(`${server.admin}/api/v1/presence?site=demo&${query}`, { method, body, headers: { Authorization: 'Bearer operator' } })
		assert.equal(answer.status, 200, await answer.text())
	}
	const put = (user, conn, screen, date, idle) => api('PUT', '', { room, client_id: `user-${user}`, user_id: user, conn, data: { screen, '<&>': '🦊' }, date_gmt: date, idle })

	// agree waits until all of them have these screens.
	async function agree(want, again = () => {}) {
		const see = (list) => JSON.stringify((list ?? []).map((e) => `${e.client_id} ${e.data.screen}`))
		const views = () => [folded(said), ...Object.values(rooms).map((lines) => lines.at(-1))]
		await until(() => `${JSON.stringify(want)}, but ${views().map(see)}`, async () => {
			await again()
			return views().every((list) => see(list) === JSON.stringify(want))
		})
		for (const lines of Object.values(rooms)) assert.deepEqual(lines.at(-1), folded(said))
	}

	// An observer gets an older entry when it is renewed.
	await agree(['user-1 dashboard'], () => put(1, 'tab-a', 'dashboard', '2026-11-23 05:20:00'))
	await put(2, 'tab-a', 'posts')
	await agree(['user-1 dashboard', 'user-2 posts'])
	await put(1, 'tab-b', 'media', '2026-11-23 05:21:00') // the newer of two tabs
	await agree(['user-1 media', 'user-2 posts'])
	await put(1, 'tab-a', 'users', '2026-11-23 05:20:30')
	await agree(['user-1 media', 'user-2 posts'])
	await api('DELETE', `room=${room}&client_id=user-1&conn=tab-b`)
	await agree(['user-1 users', 'user-2 posts'])

	// A user is active if any page is.
	const agreeOnIdle = (want) => until(() => `idle: ${want}`, () => [folded(said), ...Object.values(rooms).map((lines) => lines.at(-1))]
		.every((list) => list.find(({ client_id: id }) => id === 'user-2')?.idle === want))
	await agreeOnIdle(false)
	await put(2, 'tab-a', 'posts', undefined, true)
	await agreeOnIdle(true)
	await put(2, 'tab-b', 'posts', '2026-11-23 05:20:00', false)
	await agreeOnIdle(false)
	await put(2, 'tab-b', 'posts', '2026-11-23 05:20:00', true)
	await agreeOnIdle(true)
	await api('DELETE', `room=${room}&client_id=user-2&conn=tab-b`)
	await put(2, 'tab-a', 'posts')
	await agreeOnIdle(false)

	await put(3, 'poll', 'x'.repeat(9000)) // in more than one packet
	await agree(['user-1 users', 'user-2 posts', `user-3 ${'x'.repeat(9000)}`])
	await api('DELETE', 'user_id=3')
	await agree(['user-2 posts'], () => put(2, 'tab-a', 'posts')) // user 1 expires
	await agree([])
})

test('the examples drop an entry that nobody renews, also if NATS does not say that it has left', async (t) => {
	const message = (user) => {
		const value = JSON.stringify({ room, client_id: `user-${user}`, display_name: '', data: {}, date_gmt: '2026-11-23 05:20:00', focused_at: 0 })
		return `MSG presence.demo.postType.post=3A42.user-${user}.tab-a 1 ${value.length}\r\n${value}\r\n`
	}
	const subscriptions = []
	const nats = createServer((socket) => {
		let renewals
		socket.once('data', (sent) => {
			subscriptions.push(/SUB (\S+)/.exec(sent)?.[1])
			socket.write(`INFO {}\r\n${message(1)}${message(2)}`)
			renewals = setInterval(() => socket.write(message(2)), 300)
		})
		socket.on('error', () => {}).on('close', () => clearInterval(renewals))
	})
	await new Promise((done) => nats.listen(0, '127.0.0.1', done))
	t.after(() => nats.close())
	const { Node, Python } = observers // bucket.Observe, which the one in Go uses, has its own test
	for (const [name, command] of Object.entries({ Node, Python })) {
		for (const [prefix, subject] of [[[], 'presence.demo.>'], [['staging'], 'staging.presence.demo.>']]) {
			const lines = run(t, [...command, `nats://127.0.0.1:${nats.address().port}`, 'demo', room, '1', ...prefix])
			const shown = () => lines.map((list) => list.map((e) => e.client_id).join())
			await until(() => `${name}: ${shown()}`, () => shown().includes('user-1,user-2') && shown().at(-1) === 'user-2')
			assert.equal(subscriptions.at(-1), subject)
		}
	}
})

// The library of the example in Go connects again by itself.
test('the examples without a library end if NATS is silent, as when it is cut off', { timeout: 120_000 }, async (t) => {
	const nats = createServer((socket) => socket.on('error', () => {}).resume())
	await new Promise((done) => nats.listen(0, '127.0.0.1', done))
	t.after(() => nats.close())
	const { Go, ...others } = observers
	await Promise.all(Object.entries(others).map(async ([name, [program, script]]) => {
		const child = spawn(program, [script, `nats://127.0.0.1:${nats.address().port}`, 'demo', room], { stdio: ['ignore', 'ignore', 'pipe'] })
		t.after(() => child.kill('SIGKILL'))
		let said = ''
		child.stderr.on('data', (text) => { said += text })
		const status = await new Promise((done) => child.once('close', done))
		assert.equal(status, 1, name)
		assert.match(said, /NATS is silent/, name)
	}))
})
