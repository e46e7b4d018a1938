// Runs random scenarios with new seeds, on each transport:
//
//	node integration/browser/client/explore.mjs [count] [first seed]
//
// It prints the seeds for which the clients differ. Add them to seeds.mjs.

import { LINKS, explain, startLabs } from './lab.mjs'
import { randomScenario } from './random.mjs'

const STEP = 500
const count = Number(process.argv[2] ?? 1000)
const first = Number(process.argv[3] ?? Math.floor(Math.random() * 1e9))

if (!(count > 0) || !Number.isInteger(first)) {
	console.error('usage: node integration/browser/client/explore.mjs [count] [first seed]')
	process.exit(2)
}

const ends = []
const failed = new Set()
try {
	const compare = await startLabs({ after: (end) => ends.push(end) })
	for (let done = 0; done < count; done += STEP) {
		const seeds = Array.from({ length: Math.min(STEP, count - done) }, (_, i) => first + done + i)
		const { differences, counts } = await compare(seeds.map(randomScenario), LINKS)
		for (const difference of differences) {
			failed.add(Number(difference.scenario.split(' ').pop()))
			console.log(`${explain(difference)}\n`)
		}
		console.log(`seeds ${seeds[0]} to ${seeds.at(-1)}: ${JSON.stringify(counts)}`)
	}
} finally {
	for (const end of ends.reverse()) await end()
}
console.log(`${count} scenarios from seed ${first} on ${LINKS.join(', ')}: ${failed.size} differ`)
if (failed.size) {
	console.log(`Add to FAILED in integration/browser/client/seeds.mjs: ${[...failed].join(', ')}`)
	process.exitCode = 1
}
