// A browser and the small server that gives it pages, for tests of the client.

import { createServer } from 'node:http'
import { readFile } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'
import { wordpressFiles } from '../../setup/wordpress.mjs'

const here = fileURLToPath(new URL('.', import.meta.url))
const TYPES = { '.js': 'text/javascript', '.html': 'text/html', '.css': 'text/css', '.map': 'application/json' }

const FOLDERS = {
	'/lab/': join(here, 'lab/'),
	'/client/': fileURLToPath(new URL('../../../client-js/', import.meta.url)),
	'/wp/': join(wordpressFiles, 'wp-includes/js/'),
	'/wp-admin/js/': join(wordpressFiles, 'wp-admin/js/'),
}

export function launch() {
	const args = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run']
	args.push('--disable-background-networking', '--disable-component-update', '--disable-sync')
	return chromium.launch({ executablePath: '/usr/bin/chromium', args })
}

/** Serves the client, WordPress's scripts and whatever `routes` adds. */
export async function serve(routes = {}) {
	const server = createServer(async (request, response) => {
		const path = new URL(request.url, 'http://localhost').pathname
		const route = routes[path]
		if (route) return void route(request, response)
		if (path === '/blank') return void response.writeHead(200, { 'Content-Type': 'text/html' }).end('<!doctype html><body>')
		await file(path, response)
	})
	await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
	const { port } = server.address()
	return {
		server,
		url: `http://127.0.0.1:${port}`,
		async close() {
			server.closeAllConnections()
			await new Promise((resolve) => server.close(resolve))
		},
	}
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
