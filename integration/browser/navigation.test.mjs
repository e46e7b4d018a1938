// Firefox closes a page's sockets as soon as a navigation starts, also if the page stays.
// The page must not answer that with a new socket, nor give the WebSocket up.

import assert from 'node:assert/strict'
import { createServer, request } from 'node:http'
import { connect } from 'node:net'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { beat, onTransport, openDemo, seen } from './demo.mjs'
import { startChromium, startFirefox, startHeartbeatd, until } from './harness.mjs'

const SLOW = 1000

for (const [name, start] of Object.entries({ Chromium: startChromium, Firefox: startFirefox })) {
	describe(name, () => {
		test('a click on a slow page opens one socket', async (t) => {
			const { front, page } = await open(t, start)
			const before = front.sockets
			for (let i = 0; i < 3; i++) {
				await page.goto(`${front.url}/?user=1&slow=${i}`)
				await onTransport(page, 'websocket')
			}
			assert.equal(front.sockets - before, 3)
		})

		test('downloads and empty answers leave the page on its socket', async (t) => {
			const { front, page } = await open(t, start)
			const before = front.sockets
			for (const what of ['download', 'empty', 'download']) {
				const answered = front.answered
				await page.evaluate((query) => { location.href = `/?${query}` }, what)
				await until('the answer', () => front.answered > answered)
				await beat(page) // where there is no socket it is posted
				await onTransport(page, 'websocket')
			}
			const transports = (await seen(page, 'transport')).map(({ detail }) => detail)
			t.diagnostic(`${front.sockets - before} new sockets: ${transports}`)
			assert.ok(front.sockets - before <= 3)
			assert.ok(!transports.includes('longpoll'))
			assert.deepEqual((await seen(page)).filter(({ name }) => /error|lost/.test(name)), [])
		})
	})
}

async function open(t, start) {
	const server = await startHeartbeatd(t)
	const front = await startFront(t, server)
	const browser = await start(t)
	return { front, page: await openDemo(t, browser, front, 1) }
}

// startFront proxies heartbeatd, and has slow pages, downloads and empty answers besides.
async function startFront(t, server) {
	const { hostname, port } = new URL(server.url)
	const front = { sockets: 0, answered: 0 }
	const http = createServer(async (req, res) => {
		const { searchParams: asked } = new URL(req.url, server.url)
		if (asked.has('download') || asked.has('empty')) {
			front.answered++
			if (asked.has('empty')) return res.writeHead(204).end()
			return res.writeHead(200, { 'Content-Type': 'application/octet-stream', 'Content-Disposition': 'attachment; filename=file' }).end('text')
		}
		if (asked.has('slow')) await sleep(SLOW)
		const inner = request({ hostname, port, path: req.url, method: req.method, headers: req.headers }, (answer) => {
			res.writeHead(answer.statusCode, answer.headers)
			answer.pipe(res)
		})
		inner.on('error', () => res.destroy())
		res.on('close', () => inner.destroy())
		req.pipe(inner)
	})
	const sockets = new Set()
	http.on('upgrade', ({ url, rawHeaders }, outer) => {
		front.sockets++
		const inner = connect(port, hostname)
		const lines = rawHeaders.map((text, i) => text + (i % 2 ? '\r\n' : ': '))
		inner.write(`GET ${url} HTTP/1.1\r\n${lines.join('')}\r\n`)
		for (const [one, other] of [[inner, outer], [outer, inner]]) {
			sockets.add(one)
			one.pipe(other)
			one.on('error', () => {})
			one.on('close', () => {
				sockets.delete(one)
				other.destroy()
			})
		}
	})
	await new Promise((done) => http.listen(0, '127.0.0.1', done))
	t.after(() => {
		http.close()
		http.closeAllConnections()
		for (const socket of sockets) socket.destroy()
	})
	front.url = `http://127.0.0.1:${http.address().port}`
	return front
}
