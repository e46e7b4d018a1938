// Runs scenarios with WordPress's client and with the drop-in, in several browsers at a time.

import { html, startPages } from './browser.mjs'
import { startChromium } from '../harness.mjs'

const BATCH = 20
const LABS = 2

export const LINKS = ['post', 'longpoll', 'websocket']

// startLabs returns compare(scenarios, variants), which resolves with
// { differences, counts }; see lab/index.js.
export async function startLabs(t) {
	const pages = await startPages(t, { '/': html('<!doctype html><body><script type="module" src="/lab/index.js"></script>') })
	const browser = await startChromium(t)
	const labs = await Promise.all(Array.from({ length: LABS }, () => openLab(browser, pages.url)))
	return (list, variants) => compare(labs, list, variants)
}

// Each has a browser context, so that they run in separate processes.
async function openLab(browser, url) {
	const page = await (await browser.newContext()).newPage()
	await page.goto(url)
	await page.waitForFunction(() => window.prepare)
	await page.evaluate(() => window.prepare())
	return page
}

async function compare(labs, list, variants) {
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

export function explain({ scenario, variant, at, expected, got }) {
	const near = (trace) =>
		trace
			.slice(Math.max(0, at - 3), at + 3)
			.map((line) => `    ${line}`)
			.join('\n')
	return `${scenario}, ${variant}: differs at line ${at}\n  core:\n${near(expected)}\n  ours:\n${near(got)}`
}
