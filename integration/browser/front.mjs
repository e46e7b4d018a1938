// A web server in front of heartbeatd, for behavior that the demo site does not have. Real proxies
// are in ../fronts.

import { createServer, request } from 'node:http'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

const SLOW = 1000

// startWebServer resolves with {url, sockets, answered, posted}. It counts WebSockets, the downloads
// (/?download) and empty answers (/?empty) that it sends, and the beats that pages post as to PHP.
// server.url is read for each request: it may be that of another node. It delays /?slow, and removes no-store
// from pages, and without policy their Content-Security-Policy. It closes sockets with 1001
// ("going away") after closeAfter milliseconds.
export async function startWebServer(t, server, { closeAfter, policy = true } = {}) {
	const front = { sockets: 0, answered: 0, posted: 0 }
	const http = createServer(async (req, res) => {
		const { hostname, port } = new URL(server.url)
		const { pathname, searchParams: asked } = new URL(req.url, server.url)
		if (pathname.endsWith('/admin-ajax.php')) front.posted++
		if (asked.has('download') || asked.has('empty')) {
			front.answered++
			if (asked.has('empty')) return res.writeHead(204).end()
			return res.writeHead(200, { 'Content-Type': 'application/octet-stream', 'Content-Disposition': 'attachment; filename=file' }).end('text')
		}
		if (asked.has('slow')) await sleep(SLOW)
		const inner = request({ hostname, port, path: req.url, method: req.method, headers: req.headers }, (answer) => {
			if (/^text\/html/.test(answer.headers['content-type'])) delete answer.headers['cache-control']
			if (!policy) delete answer.headers['content-security-policy']
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
		const { hostname, port } = new URL(server.url)
		const inner = connect(port, hostname)
		const lines = rawHeaders.map((text, i) => text + (i % 2 ? '\r\n' : ': '))
		inner.write(`GET ${url} HTTP/1.1\r\n${lines.join('')}\r\n`)
		if (closeAfter) setTimeout(() => outer.end(Buffer.from([0x88, 2, 1001 >> 8, 1001 & 255])), closeAfter)
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
