// The systemd unit: systemd's check of it, and whether its times and settings match the
// program.

import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { root } from '../browser/harness.mjs'

const read = (name) => readFileSync(fileURLToPath(new URL(`systemd/${name}`, import.meta.url)), 'utf8')
const unit = read('heartbeatd.service')
const seconds = (text) => Number(text.match(/^(\d+)s$/)[1])

function buildHeartbeatd() {
	const binary = `${root}.cache/test/heartbeatd`
	mkdirSync(`${root}.cache/test`, { recursive: true })
	execFileSync('go', ['build', '-o', binary, './server/heartbeatd'], { cwd: root, stdio: 'inherit' })
	return binary
}

test('systemd accepts the units, and its security check finds a low exposure', (t) => {
	const folder = mkdtempSync(`${tmpdir()}/heartbeatd-unit-`)
	t.after(() => rmSync(folder, { recursive: true, force: true }))
	const file = `${folder}/heartbeatd.service`
	const analyze = (...args) => spawnSync('systemd-analyze', args, { encoding: 'utf8' })
	writeFileSync(file, unit.replace('ExecStart=heartbeatd', `ExecStart=${buildHeartbeatd()}`))

	const sockets = ['heartbeatd-public.socket', 'heartbeatd-admin.socket'].map((name) => `${folder}/${name}`)
	for (const socket of sockets) writeFileSync(socket, read(socket.slice(folder.length + 1)))
	const verified = analyze('verify', '--man=no', file, ...sockets)
	assert.equal(verified.error, undefined, 'systemd-analyze is missing: it comes with systemd')
	assert.equal(verified.status, 0, verified.stderr)
	// It may also report other units of the machine.
	assert.deepEqual(verified.stderr.split('\n').filter((line) => line.includes('heartbeatd')), [])

	const secured = analyze('security', '--offline=true', '--threshold=20', '--no-pager', file)
	assert.equal(secured.status, 0, `more exposed than 2.0:\n${secured.stdout}${secured.stderr}`)
})

test('heartbeatd has time to drain, and the settings are those of its flags', () => {
	const settings = Object.fromEntries([...read('heartbeatd.env').matchAll(/^#?(HEARTBEATD_\w+)=(.*)$/gm)].map(([, name, value]) => [name, value]))
	const flags = execFileSync(buildHeartbeatd(), ['serve', '--help'], { encoding: 'utf8' })
	for (const name of Object.keys(settings)) assert.match(flags, new RegExp(`\\$${name}\\b`), `no flag takes ${name}`)
	assert.equal(settings.HEARTBEATD_SITE_SECRET, '', 'the recipe has no secret')
	// After the drain heartbeatd waits up to 5 s for open requests.
	const stop = seconds(unit.match(/^TimeoutStopSec=(.*)$/m)[1])
	assert.ok(stop > seconds(flags.match(/--drain-time=(\S+)/)[1].replaceAll('"', '')) + 5)
})
