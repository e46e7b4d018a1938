// The doctor, for tests of web servers.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { binary } from '../browser/harness.mjs'

export const secret = 'a secret for tests, as long as one should be'

const run = promisify(execFile)

// doctor runs heartbeatd doctor and returns its report. server has the site with the secret.
export async function doctor(server, address, { flags = [], env = {} } = {}) {
	const args = ['doctor', address, '--json', '--idle', '0s', '--api', server.admin, '--site-secret', secret, ...flags]
	const { stdout } = await run(binary, args, { env: { ...process.env, ...env } }).catch((error) => error)
	assert.match(stdout, /^\{/, 'the doctor prints a report')
	return JSON.parse(stdout)
}
