// Runs the same script of calls, clock changes and answers with WordPress's own heartbeat.js and
// with the drop-in: the traces must be equal, line by line. The random scenarios are the same in
// every run; explore.mjs runs others.

import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { LINKS, explain, startLabs } from './lab.mjs'
import { FAILED } from './seeds.mjs'
import { randomScenario } from './random.mjs'
import { scenarios } from './scenarios.mjs'
import { suite } from '../harness.mjs'

const RANDOM = 500

const t = suite()
let compare

before(async () => {
	compare = await startLabs(t)
})

const failOn = (differences) =>
	assert.equal(differences.length, 0, `${differences.length} differ\n\n${differences.slice(0, 5).map(explain).join('\n\n')}`)

test(`${scenarios.length} scripted scenarios have the same traces`, async (t) => {
	assert.ok(scenarios.length >= 60)
	const { differences, counts } = await compare(scenarios)
	t.diagnostic(JSON.stringify(counts))
	failOn(differences)
	assert.ok(counts.overLink > scenarios.length, 'beats travel over the links')
})

test(`${RANDOM} random scenarios, and ${FAILED.length} that failed once, have the same traces`, async (t) => {
	const seeds = [...Array.from({ length: RANDOM }, (_, i) => i + 1), ...FAILED]
	const { differences, counts } = await compare(seeds.map(randomScenario), LINKS)
	t.diagnostic(JSON.stringify(counts))
	failOn(differences)
	assert.ok(counts.overLink > RANDOM, 'beats travel over the links')
})
