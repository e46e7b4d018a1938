// Runs a Node test with a live WordPress.

import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

// withSite starts a site, calls use with its description (the JSON of integration/setup/site),
// and always stops the site. The web server forwards /heartbeat/ to the address heartbeatd, if it
// is given.
export async function withSite(use, { heartbeatd } = {}) {
	const program = fileURLToPath(new URL('site', import.meta.url))
	const child = spawn(program, heartbeatd ? ['--heartbeatd', heartbeatd] : [], { stdio: ['pipe', 'pipe', 'inherit'] })
	const ended = new Promise((done) => child.once('exit', done))
	const description = new Promise((resolve) => createInterface(child.stdout).once('line', resolve))
	try {
		const line = await Promise.race([description, ended])
		if (typeof line !== 'string') throw new Error(`the site ended with ${line} before it was ready`)
		return await use(JSON.parse(line))
	} finally {
		child.stdin.end()
		await ended
	}
}
