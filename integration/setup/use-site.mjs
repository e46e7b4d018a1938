// For node tests that need a live WordPress: run them with withSite.

import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

// withSite starts a site, calls use with its description (the JSON of
// integration/setup/site), and stops the site whatever happened. heartbeatd is
// the address that the site's web server passes /heartbeat/ on to, if any.
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
