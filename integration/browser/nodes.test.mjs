// Three nodes behind a load balancer that sends each request to the next one, and no more to a node
// that says that it is not ready.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { onTransport, openDemo, seen } from './demo.mjs'
import { startWebServer } from './front.mjs'
import { startChromium, startHeartbeatd, until } from './harness.mjs'

const CHECK = 500 // how often the load balancer asks a node whether it is ready, in ms
const WITHOUT_LINK = 3000 // the longest time for which a page may have no link, in ms

async function startNodes(t) {
	const hub = await startHeartbeatd(t) // nodes that are restarted need a NATS that is not
	const flags = ['--nats-url', `nats://${hub.nats}`, '--drain-time', '4s']
	const nodes = await Promise.all([1, 2, 3].map(() => startHeartbeatd(t, { flags })))
	const isReady = (node) => fetch(`${node.admin}/readyz`).then(({ ok }) => ok, () => false)
	let ready = nodes
	const check = setInterval(async () => {
		const states = await Promise.all(nodes.map(isReady))
		ready = nodes.filter((node, i) => states[i])
	}, CHECK)
	t.after(() => clearInterval(check))
	let next = 0
	const front = await startWebServer(t, {
		get url() {
			return ready[next++ % ready.length].url
		},
	})
	await sleep(6000) // nodes tell each other every 5 s that they are there
	return { nodes, front, isReady: (node) => ready.includes(node) }
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

test('a rolling restart: no page has an error, or no link for 3 s', async (t) => {
	const { nodes, front, isReady } = await startNodes(t)
	const browser = await startChromium(t)
	const pages = []
	for (const [user, transport] of [[1, 'websocket'], [2, 'websocket'], [3, 'websocket'], [4, 'websocket'], [5, 'longpoll'], [1, 'events']]) {
		const page = await openDemo(t, browser, front, user, { transport })
		await page.evaluate(() => setInterval(() => wp.heartbeat.connectNow(), 700))
		pages.push({ page, transport })
	}
	for (const node of nodes) {
		await node.stop('SIGTERM')
		await until('the load balancer knows that the node is gone', () => !isReady(node))
		await node.restart()
		await until('the node is ready', () => isReady(node))
		await sleep(6000)
	}
	for (const { page, transport } of pages) {
		await onTransport(page, transport)
		const events = await seen(page)
		const times = await withoutLink(page)
		t.diagnostic(`${transport}: at most ${times} ms without a link, ${events.filter(({ name }) => name === 'tick').length} ticks`)
		assert.deepEqual(events.filter(({ name }) => /error|lost/.test(name)), [])
		assert.ok(times < WITHOUT_LINK, `${transport}: ${times} ms without a link`)
	}
})
