// run.mjs, which runs the other tests, leaves no process when it is stopped.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { until } from './browser/harness.mjs'

const runner = fileURLToPath(new URL('run.mjs', import.meta.url))

test('a run that is stopped ends the processes of its tests', async (t) => {
	const folder = mkdtempSync(`${tmpdir()}/heartbeatd-run-`)
	const pids = () => ['test', 'child', 'stubborn'].map((name) => Number(existsSync(`${folder}/${name}`) && readFileSync(`${folder}/${name}`, 'utf8')))
	const runs = (pid) => {
		try {
			return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ')
		} catch {
			return false
		}
	}
	t.after(() => {
		for (const pid of pids().filter((pid) => pid && runs(pid))) process.kill(pid, 'SIGKILL')
		rmSync(folder, { recursive: true })
	})
	const write = (name, pid) => `writeFileSync('${folder}/${name}', String(${pid}))`
	writeFileSync(`${folder}/waits.test.mjs`, `
		import { spawn } from 'node:child_process'
		import { writeFileSync } from 'node:fs'
		import { test } from 'node:test'
		test('waits', async () => {
			const child = spawn('sleep', ['1000'], { detached: true })
			const stubborn = spawn('sh', ['-c', 'trap "" TERM; echo ready; while :; do sleep 1; done'], { detached: true })
			await new Promise((done) => stubborn.stdout.once('data', done))
			${write('child', 'child.pid')}; ${write('stubborn', 'stubborn.pid')}; ${write('test', 'process.pid')}
			await new Promise((done) => setTimeout(done, 1_000_000))
		})`)
	const run = spawn(process.execPath, [runner, `${folder}/waits.test.mjs`], { env: { ...process.env, NODE_TEST_CONTEXT: undefined }, stdio: 'ignore' })
	t.after(() => run.kill('SIGKILL'))
	await until('the test', () => pids().every(Boolean))
	run.kill('SIGTERM')
	const [code] = await once(run, 'exit')
	assert.equal(code, 1)
	assert.deepEqual(pids().filter(runs), [])
})
