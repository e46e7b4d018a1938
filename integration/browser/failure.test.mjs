// heartbeatd is killed while pages are connected, and connections break without a close.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { describe, test } from 'node:test'
import { binary, startChromium, startHeartbeatd, until } from './harness.mjs'
import { beat, onTransport, openDemo, seen, shows } from './demo.mjs'

describe('failures', () => {
	test('after kill -9 and a restart all pages reconnect, and no event reports a failure', async (t) => {
		const server = await startHeartbeatd(t)
		const browser = await startChromium(t)
		const transports = ['websocket', 'events', 'longpoll']
		const pages = []
		for (const [index, transport] of transports.entries()) pages.push(await openDemo(t, browser, server, index + 1, { transport }))
		for (const page of pages) await shows(page, [1, 2, 3])
		// The next beat follows after an interval.
		for (const page of pages) await beat(page)

		const sent = await Promise.all(pages.map(async (page) => (await seen(page, 'send')).length))
		await server.stop('SIGKILL')
		const killed = Date.now()
		await server.restart()
		for (const [index, page] of pages.entries()) await onTransport(page, transports[index])
		const back = Date.now()
		for (const page of pages) await shows(page, [1, 2, 3])
		t.diagnostic(`after kill -9: links back after ${back - killed} ms, rooms right after ${Date.now() - killed} ms`)
		for (const [index, page] of pages.entries()) {
			assert.equal((await seen(page, 'send')).length, sent[index], 'it took longer than the next beat')
			assert.deepEqual(await losses(page), [])
			await beat(page)
			assert.deepEqual(await losses(page), [])
		}
	})

	test('a beat in flight on a silently broken connection is posted, and gets its tick', async (t) => {
		const network = makeNetwork(t)
		const server = await startHeartbeatd(t, { netns: network.name })
		const browser = await startChromium(t, { netns: network.name })
		const page = await openDemo(t, browser, server, 1)
		// The WebSocket is the connection that is opened after use().
		await page.evaluate(() => wp.heartbeat.transport.use([]))
		await onTransport(page, 'post')
		const others = new Set(network.clientPorts(server.url))
		await page.evaluate(() => wp.heartbeat.transport.use(['websocket']))
		await onTransport(page, 'websocket')
		await beat(page)
		const ports = network.clientPorts(server.url).filter((port) => !others.has(port))
		assert.equal(ports.length, 1, 'one new connection, the socket')

		const posts = []
		page.on('request', (request) => request.url().includes('admin-ajax.php') && posts.push(request.method()))
		network.drop(ports[0])
		await beat(page)
		const [send, tick] = (await seen(page)).filter(({ name }) => name === 'send' || name === 'tick').slice(-2)
		t.diagnostic(`packets dropped: the tick came ${tick.at - send.at} ms after the beat`)
		assert.deepEqual(posts, ['POST'])
		assert.equal(tick.detail['wp-auth-check'], true)
		assert.ok(tick.at - send.at < 10_000, 'core itself would have waited 30 s')
		assert.deepEqual(await losses(page), [])
		await onTransport(page, 'websocket')
		await beat(page)
		assert.deepEqual(posts, ['POST'], 'on the new socket nothing is posted')
	})

	test('a first push while the connection is broken arrives once, also after a restart', async (t) => {
		const network = makeNetwork(t)
		const server = await startHeartbeatd(t, { netns: network.name, flags: ['--api-key', 'operator'] })
		const browser = await startChromium(t, { netns: network.name })
		const page = await openDemo(t, browser, server, 1)
		const push = (text) => network.run(binary, 'push', '--api', server.admin, '--api-key', 'operator', '--site-id', 'demo', '--all', JSON.stringify(text))
		const pushed = async () => (await seen(page, 'push')).map(({ detail }) => detail.data)
		const socketPort = async () => {
			await page.evaluate(() => wp.heartbeat.transport.use([]))
			await onTransport(page, 'post')
			const others = new Set(network.clientPorts(server.url))
			await page.evaluate(() => wp.heartbeat.transport.use(['websocket']))
			await onTransport(page, 'websocket')
			return network.clientPorts(server.url).filter((port) => !others.has(port))[0]
		}
		const cutAndPush = async (text) => {
			network.drop(await socketPort())
			push(text)
			await beat(page) // finds out
			await until('the push is there', async () => (await pushed()).includes(text))
		}
		await cutAndPush('first')
		await server.stop('SIGKILL')
		await server.restart()
		await onTransport(page, 'websocket')
		await cutAndPush('second')
		push('end')
		await until('the last push is there', async () => (await pushed()).includes('end'))
		assert.deepEqual(await pushed(), ['first', 'second', 'end'])
	})
})

async function losses(page) {
	return (await seen(page)).filter(({ name }) => /error|lost|restored|expired/.test(name))
}

// makeNetwork makes a network namespace with its own loopback interface, in which packets can be
// dropped silently.
function makeNetwork(t) {
	if (process.getuid() !== 0) throw new Error('network namespaces need root: run this test with sudo')
	const name = `heartbeatd-${process.pid}`
	const run = (program, ...args) => execFileSync(program, args, { encoding: 'utf8' })
	run('ip', 'netns', 'add', name)
	t.after(() => run('ip', 'netns', 'del', name))
	run('ip', '-n', name, 'link', 'set', 'lo', 'up')
	const inside = (...args) => run('ip', 'netns', 'exec', name, ...args)
	return {
		name,
		run: inside,
		clientPorts: (url) =>
			inside('ss', '-tnH', 'state', 'established', `dport = :${new URL(url).port}`)
				.split('\n').filter(Boolean).map((line) => Number(line.match(/:(\d+)\s/)[1])),
		drop(port) {
			inside('nft', `
				table inet cut {
					chain input {
						type filter hook input priority 0;
						tcp sport ${port} drop
						tcp dport ${port} drop
					}
				}`)
		},
	}
}
