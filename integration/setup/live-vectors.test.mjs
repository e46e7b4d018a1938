// The Go code that checks nonces and cookies, on what a live WordPress makes today.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

test('fresh nonces and cookies of a live WordPress are as the Go code makes them', (t) => {
	const folder = mkdtempSync(`${tmpdir()}/live-`)
	t.after(() => rmSync(folder, { recursive: true }))
	// A compiled test reads testdata where it is run.
	mkdirSync(`${folder}/testdata`)
	execFileSync(`${root}integration/setup/live-vectors`, [`${folder}/testdata/live.json`], { stdio: 'inherit' })
	execFileSync('go', ['test', '-c', '-o', `${folder}/wordpress.test`, './server/wordpress'], { cwd: root, stdio: 'inherit' })
	const output = execFileSync(`${folder}/wordpress.test`, ['-test.run=ALiveWordPress', '-test.v'], { cwd: folder, encoding: 'utf8' })
	assert.match(output, /^--- PASS: .*ALiveWordPress/m)

	const now = Date.now() / 1000
	const vectors = JSON.parse(readFileSync(`${folder}/testdata/live.json`))
	assert.ok(vectors.some((vector) => Math.abs(vector.now - now) < 120), 'some are made at the real time')
})
