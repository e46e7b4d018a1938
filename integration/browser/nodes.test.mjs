// Three nodes behind a load balancer that sends each request to the next one, and no more to a node
// that says that it is not ready, or does not answer.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { onTransport, openDemo, seen } from './demo.mjs'
import { startWebServer } from './front.mjs'
import { API_KEY, pusher, startChromium, startHeartbeatd, until } from './harness.mjs'

const CHECK = 500 // how often the load balancer asks a node whether it is ready, in ms
const BEFORE = 20_000 // for how long posted beats are counted before a restart, in ms
const PAUSE = 50 // between two pushes, in ms
const NOTICED = 60 // the longest time in which a page leaves a node that hangs, in seconds

// startNodes starts the nodes one after the other: so each knows of another one that is started, or
// started again, after it.
async function startNodes(t) {
	const hub = await startHeartbeatd(t, { flags: ['--api-key', API_KEY] }) // nodes that are restarted need a NATS that is not
	const flags = ['--nats-url', `nats://${hub.nats}`, '--drain-time', '4s', '--api-key', API_KEY]
	const nodes = []
	for (let i = 0; i < 3; i++) nodes.push(await startHeartbeatd(t, { flags }))
	return Object.assign(nodes, { hub })
}

// startBalancer resolves with the load balancer, which asks the nodes whether they are ready.
async function startBalancer(t, nodes) {
	const isReady = (node) => fetch(`${node.admin}/readyz`, { signal: AbortSignal.timeout(2 * CHECK) }).then(({ ok }) => ok, () => false)
	let ready = nodes
	const check = setInterval(async () => {
		const states = await Promise.all(nodes.map(isReady))
		ready = nodes.filter((node, i) => states[i])
	}, CHECK).unref()
	t.after(() => clearInterval(check))
	let next = 0
	const front = await startWebServer(t, {
		get url() {
			return (ready[next++ % ready.length] ?? nodes[0]).url // at the end of the test none is ready
		},
	})
	return Object.assign(front, { has: (node) => ready.includes(node) })
}

// withoutLink returns the longest time for which a page had no link, up to now.
async function withoutLink(page) {
	let longest = 0
	let since = 0
	for (const { at, detail } of await seen(page, 'transport')) {
		if (detail === 'post') since ||= at
		else if (since) [longest, since] = [Math.max(longest, at - since), 0]
	}
	return since ? Infinity : longest
}

async function openPages(t, front, transports) {
	const browser = await startChromium(t)
	return Promise.all(transports.map(async (transport, i) => ({ transport, page: await openDemo(t, browser, front, 1 + i % 5, { transport }) })))
}

// pushAll pushes numbers until the function that it returns is called, which resolves with how many.
function pushAll(t, server) {
	const push = pusher(server)
	let stopped = false
	const done = (async () => {
		while (!stopped) {
			await push()
			await sleep(PAUSE)
		}
	})()
	done.catch(() => {}) // the caller gets the error
	t.after(() => {
		stopped = true
	})
	return async () => {
		stopped = true
		await done
		return push.last
	}
}

const failures = (events) => events.filter(({ name }) => /error|lost/.test(name))

// How long pages have no link, and how many beats they post, depends on the machine: the test reports it.
test('a rolling restart: no page has an error or misses a push, and each has its transport again', async (t) => {
	const nodes = await startNodes(t)
	const front = await startBalancer(t, nodes)
	const pages = await openPages(t, front, ['websocket', 'websocket', 'websocket', 'events', 'events', 'longpoll', 'longpoll'])
	for (const { page } of pages) await page.evaluate(() => setInterval(() => wp.heartbeat.connectNow(), 700))
	const earlier = front.posted
	await sleep(BEFORE)
	const before = front.posted - earlier
	const began = Date.now()
	const stopPushing = pushAll(t, nodes.hub)
	for (const node of nodes) {
		await node.stop('SIGTERM')
		await until('the load balancer knows that the node is gone', () => !front.has(node))
		await node.restart()
		await until('the node is ready', () => front.has(node))
	}
	const ended = Date.now()
	const pushes = Array.from({ length: await stopPushing() }, (_, i) => i + 1)
	for (const { page, transport } of pages) {
		const received = async () => (await seen(page, 'push')).map(({ detail }) => detail.data)
		await until('the last push', async () => (await received()).includes(pushes.at(-1)))
		await onTransport(page, transport)
		await until('a tick after the restart', async () => (await seen(page, 'tick')).some(({ at }) => at > ended))
		assert.deepEqual(await received(), pushes, `the pushes over ${transport}`)
		const events = await seen(page)
		t.diagnostic(`${transport}: at most ${await withoutLink(page)} ms without a link, ${events.filter(({ name }) => name === 'tick').length} ticks`)
		assert.deepEqual(failures(events), [])
	}
	t.diagnostic(`posted beats: ${before} in the ${BEFORE} ms before, ${front.posted - earlier - before} in the ${ended - began} ms of the restart`)
})

test('a page leaves a node that hangs, although it does not beat', async (t) => {
	const nodes = await startNodes(t)
	const known = nodes.slice(0, 1)
	const front = await startBalancer(t, known)
	const pages = await openPages(t, front, ['websocket', 'events', 'longpoll'])
	for (const { page } of pages) await page.evaluate(() => wp.heartbeat.interval(120))
	known.push(...nodes.slice(1))
	await until('the load balancer has all nodes', () => nodes.every(front.has))
	nodes[0].signal('SIGSTOP')
	const stopped = Date.now()
	const push = pusher(nodes[1])
	await Promise.all(pages.map(async ({ page, transport }) => {
		const later = async (name) => (await seen(page, name)).filter(({ at }) => at > stopped)
		const opened = await until(`${transport} on another node`, async () => (await later('transport')).find(({ detail }) => detail === transport), NOTICED)
		t.diagnostic(`${transport}: on another node after ${opened.at - stopped} ms`)
		assert.deepEqual((await later('send')).filter(({ at }) => at < opened.at), [], 'the page does not beat')
		await push()
		await until('a push', async () => (await later('push')).length > 0)
		assert.deepEqual(failures(await seen(page)), [])
	}))
	await nodes[0].stop('SIGKILL')
})
