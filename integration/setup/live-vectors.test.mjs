// Compares the Go code for nonces and cookies with a live WordPress at the current time.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

test('the Go code accepts and makes the same nonces and cookies as a live WordPress', (t) => {
	const folder = mkdtempSync(`${tmpdir()}/live-`)
	t.after(() => rmSync(folder, { recursive: true }))
	// A compiled test reads testdata of its working directory.
	mkdirSync(`${folder}/testdata`)
	execFileSync(`${root}integration/setup/live-vectors`, [`${folder}/testdata/live.json`], { stdio: 'inherit' })
	execFileSync('go', ['test', '-c', '-o', `${folder}/wordpress.test`, './server/wordpress'], { cwd: root, stdio: 'inherit' })
	const output = execFileSync(`${folder}/wordpress.test`, ['-test.run=ALiveWordPress', '-test.v'], { cwd: folder, encoding: 'utf8' })
	assert.match(output, /^--- PASS: .*ALiveWordPress/m)

	const now = Date.now() / 1000
	const vectors = JSON.parse(readFileSync(`${folder}/testdata/live.json`))
	assert.ok(vectors.some((vector) => Math.abs(vector.now - now) < 120), 'some are made at the real time')
})
