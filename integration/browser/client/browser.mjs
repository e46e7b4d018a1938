// A small web server for tests of the client.

import { createServer } from 'node:http'
import { readFile } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { root } from '../harness.mjs'
import { wordpressFiles } from '../../setup/wordpress.mjs'

const here = fileURLToPath(new URL('.', import.meta.url))
const TYPES = { '.js': 'text/javascript', '.css': 'text/css', '.map': 'application/json' }

const FOLDERS = {
	'/lab/': `${here}lab/`,
	'/client/': `${root}client-js/`,
	'/wp-includes/': `${wordpressFiles}/wp-includes/`,
	'/wp-admin/': `${wordpressFiles}/wp-admin/`,
}

// html returns a handler that answers with a page.
export const html = (text) => (request, response) => response.writeHead(200, { 'Content-Type': 'text/html; charset=UTF-8' }).end(text)

// startPages serves the client, WordPress's files and `routes` until the test ends.
export async function startPages(t, routes = {}) {
	const server = createServer(async (request, response) => {
		const path = new URL(request.url, 'http://localhost').pathname
		if (routes[path]) await routes[path](request, response)
		else await file(path, response)
	})
	// The server does not close upgraded connections.
	const sockets = new Set()
	server.on('connection', (socket) => {
		sockets.add(socket)
		socket.once('close', () => sockets.delete(socket))
	})
	await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
	t.after(async () => {
		sockets.forEach((socket) => socket.destroy())
		await new Promise((resolve) => server.close(resolve))
	})
	return { server, url: `http://127.0.0.1:${server.address().port}` }
}

async function file(path, response) {
	const folder = Object.keys(FOLDERS).find((prefix) => path.startsWith(prefix))
	try {
		if (!folder || path.includes('..')) throw new Error('not served')
		const body = await readFile(join(FOLDERS[folder], path.slice(folder.length)))
		response.writeHead(200, { 'Content-Type': TYPES[extname(path)] || 'application/octet-stream' }).end(body)
	} catch {
		response.writeHead(404).end()
	}
}
