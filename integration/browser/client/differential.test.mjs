// The same script of calls, clock and answers through WordPress's own
// heartbeat.js and through ours: the traces must be equal, line by line.

import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { html, startPages } from './browser.mjs'
import { startChromium, suite } from '../harness.mjs'
import { randomScenario } from './random.mjs'
import { scenarios } from './scenarios.mjs'

const RANDOM = Number(process.env.HEARTBEAT_SCENARIOS || 500)
const SEED = Number(process.env.HEARTBEAT_SEED || Math.floor(Math.random() * 1e9))
const BATCH = 20
const LINKS = ['post', 'longpoll', 'websocket']

const t = suite()
let labs

before(async () => {
	const pages = await startPages(t, { '/': html('<!doctype html><body><script type="module" src="/lab/index.js"></script>') })
	const browser = await startChromium(t)
	labs = await Promise.all([openLab(browser, pages.url), openLab(browser, pages.url)])
})

// A browser context each, so that the two run in processes of their own.
async function openLab(browser, url) {
	const page = await (await browser.newContext()).newPage()
	await page.goto(url)
	await page.waitForFunction(() => window.prepare)
	await page.evaluate(() => window.prepare())
	return page
}

async function compare(list, variants) {
	const differences = []
	const counts = { beats: 0, overLink: 0, lines: 0 }
	let next = 0
	await Promise.all(
		labs.map(async (page) => {
			while (next < list.length) {
				const batch = list.slice(next, (next += BATCH))
				const result = await page.evaluate((args) => window.compare(...args), [batch, variants])
				differences.push(...result.differences)
				for (const key of Object.keys(counts)) counts[key] += result.counts[key]
			}
		})
	)
	return { differences, counts }
}

function explain({ scenario, variant, at, expected, got }) {
	const near = (trace) =>
		trace
			.slice(Math.max(0, at - 3), at + 3)
			.map((line) => `    ${line}`)
			.join('\n')
	return `${scenario}, ${variant}: differs at line ${at}\n  core:\n${near(expected)}\n  ours:\n${near(got)}`
}

const failOn = (differences) =>
	assert.equal(differences.length, 0, `${differences.length} differ\n\n${differences.slice(0, 5).map(explain).join('\n\n')}`)

test(`${scenarios.length} scripted scenarios`, async (t) => {
	assert.ok(scenarios.length >= 60)
	const { differences, counts } = await compare(scenarios)
	t.diagnostic(JSON.stringify(counts))
	failOn(differences)
	assert.ok(counts.overLink > scenarios.length, 'beats travel over the links')
})

test(`${RANDOM} random scenarios, HEARTBEAT_SEED=${SEED}`, async (t) => {
	const { differences, counts } = await compare(
		Array.from({ length: RANDOM }, (_, i) => randomScenario(SEED + i)),
		LINKS
	)
	t.diagnostic(JSON.stringify(counts))
	failOn(differences)
	assert.ok(counts.overLink > RANDOM, 'beats travel over the links')
})
