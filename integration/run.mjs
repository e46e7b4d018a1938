// Runs test files as fast as the machine allows: many tests mostly wait for beats and timeouts,
// so more files run while the processors have time.
//
//	node integration/run.mjs FILE...
//
// The results of a file are printed when it ends. Files with failures run once more at the end, one
// at a time: some tests have time limits that a busy machine exceeds. They are listed, and the exit
// status is 1 if a test failed then as well. Suites are not counted as tests. After SIGTERM the tests have a
// few seconds to end their processes; those that are left are killed. SIGINT of a terminal also ends the tests
// themselves, and services that they have started may be left.

import { cpus } from 'node:os'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'
import { setTimeout as sleep } from 'node:timers/promises'
import { descendants, ended } from './setup/processes.mjs'

const LEAST = 2 // files that run at a time
const MOST = 5 // files that run at a time while the processors are idle
const IDLE = 0.3 // part of all processors that is idle before another file starts
const WATCH = 4000 // milliseconds for which the processors are watched
const AGAIN = 12 // files with failures that run once more; if there are more, the machine is not the cause
const TIMEOUT = 900_000 // milliseconds for one test

// These files take longest, so they start first.
const SLOW = ['live/firefox', 'presence/cut-off', 'browser/bfcache', 'presence/transport', 'live/locks', 'live/active-posts', 'live/session', 'live/failures', 'fronts/events', 'live/lock-release', 'live/hooks', 'live/lists', 'live/clients']

const files = process.argv.slice(2).sort((a, b) => rank(a) - rank(b))
const aborter = new AbortController()
let stopped // settles when all processes of the tests have ended
for (const name of ['SIGINT', 'SIGTERM']) {
	process.once(name, () => {
		const started = descendants()
		aborter.abort()
		stopped = ended(started)
	})
}

const total = { pass: 0, fail: 0, skipped: 0 }
const begin = performance.now()
const running = new Set()
const failures = []
let idle = 1
for (const file of files) {
	while (running.size >= MOST || (running.size >= LEAST && idle < IDLE)) await Promise.race([watch(), ...running])
	if (aborter.signal.aborted) break
	const done = test(file).then((passed) => {
		running.delete(done)
		if (!passed) failures.push(file)
	})
	running.add(done)
	await Promise.race([watch(), done])
}
await Promise.all(running)

const lasting = failures.slice(AGAIN)
for (const file of failures.slice(0, AGAIN)) {
	if (aborter.signal.aborted) break
	console.log(`${file} runs once more, alone`)
	if (!await test(file)) lasting.push(file)
}
await stopped

console.log(`${files.length} files in ${Math.round((performance.now() - begin) / 1000)} s: ${total.pass} tests passed, ${total.fail} failed, ${total.skipped} skipped`)
list('Files that failed beside others, and passed alone', failures.filter((file) => !lasting.includes(file)))
list('Files with failures', lasting)
process.exitCode = lasting.length || aborter.signal.aborted ? 1 : 0

function list(title, files) {
	if (files.length) console.log(`${title}:\n${files.join('\n')}`)
}

function rank(file) {
	const at = SLOW.findIndex((name) => file.endsWith(`${name}.test.mjs`))
	return at < 0 ? SLOW.length : at
}

// watch measures for a while how idle the processors are.
async function watch() {
	const before = times()
	await sleep(WATCH)
	const after = times()
	idle = (after.idle - before.idle) / (after.all - before.all)
}

function times() {
	const all = cpus().flatMap(({ times }) => Object.values(times))
	return { all: sum(all), idle: sum(cpus().map(({ times }) => times.idle)) }
}

function sum(numbers) {
	return numbers.reduce((a, b) => a + b, 0)
}

// test runs a file in a process of its own, prints its results, and returns whether all tests
// passed.
async function test(file) {
	const stream = run({ files: [file], timeout: TIMEOUT, signal: aborter.signal })
	let hasFailed = false
	const count = (name, { type }) => { if (type !== 'suite') total[name]++ }
	stream.on('test:pass', ({ skip, details }) => count(skip === undefined ? 'pass' : 'skipped', details))
	stream.on('test:fail', ({ details }) => {
		hasFailed = true
		count('fail', details)
	})
	const start = performance.now()
	const lines = (await stream.compose(new spec()).toArray()).join('')
	console.log(`${file}, ${Math.round((performance.now() - start) / 1000)} s\n${lines.replace(/^.{0,9}ℹ (tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) .*\n/gm, '')}`)
	return !hasFailed
}
