// Runs scenarios with both clients, and returns those with different results. The test calls it.

import { run } from './realm.js'

const text = (path) => fetch(path).then((response) => response.text())

async function hashes(nonces) {
	const result = {}
	for (const nonce of nonces) {
		const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(nonce))
		result[nonce] = Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('')
	}
	return result
}

window.prepare = async () => {
	const scripts = await Promise.all(['/wp-includes/js/jquery/jquery.min.js', '/wp-includes/js/dist/hooks.min.js'].map(text))
	window.lab = {
		scripts,
		core: await text('/wp-includes/js/heartbeat.js'),
		ours: await text('/client/dist/heartbeat.js'),
		carrier: await text('/client/dist/heartbeat-transport.js'),
		hashes: await hashes(['', 'n0', 'n1', 'n2', 'n3', 'n4']),
	}
}

// Core's file with heartbeat-transport.js: it must not differ from core.
const CARRIER = 'core over websocket'

const VARIANTS = {
	post: () => ({ client: window.lab.ours }),
	longpoll: () => ({ client: window.lab.ours, link: 'longpoll' }),
	websocket: () => ({ client: window.lab.ours, link: 'websocket' }),
	[CARRIER]: () => ({ client: window.lab.carrier + '\n;' + window.lab.core, link: 'websocket' }),
}

/**
 * Runs each scenario with core's client and with the drop-in. Returns the differences, and the
 * documented differences (docs/plugin-authors.md) that do not occur.
 */
window.compare = async (scenarios, names = Object.keys(VARIANTS)) => {
	const { scripts, core, hashes: known } = window.lab
	const differences = []
	const counts = { beats: 0, overLink: 0, lines: 0 }
	for (const scenario of scenarios) {
		const expected = await run(scenario, { scripts, client: core, hashes: known })
		counts.lines += expected.trace.length
		for (const name of names) {
			const got = await run(scenario, Object.assign({ scripts, hashes: known }, VARIANTS[name]()))
			counts.beats += got.beats
			counts.overLink += got.overLink
			const at = firstDifference(expected.trace, got.trace)
			if (scenario.differs && name !== CARRIER ? at < 0 : at >= 0)
				differences.push({ scenario: scenario.name, variant: name, at, expected: expected.trace, got: got.trace })
		}
	}
	return { differences, counts }
}

function firstDifference(expected, got) {
	const length = Math.max(expected.length, got.length)
	for (let i = 0; i < length; i++) if (expected[i] !== got[i]) return i
	return -1
}
