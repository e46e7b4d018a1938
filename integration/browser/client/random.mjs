// Random scenarios from a seed: the same seed makes the same scenario. seeds.mjs has seeds that
// have failed, so a change here must not change their scenarios.

import { NO_NUMBERS, ODD_NUMBERS, PAGE } from './scenarios.mjs'

// mulberry32, a small generator whose state is one number.
export function generator(seed) {
	let state = seed >>> 0
	const next = () => {
		state = (state + 0x6d2b79f5) >>> 0
		let t = Math.imul(state ^ (state >>> 15), state | 1)
		t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
		return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
	}
	const int = (from, to) => from + Math.floor(next() * (to - from + 1))
	const pick = (list) => list[int(0, list.length - 1)]
	return { next, int, pick, chance: (p) => next() < p }
}

export function randomScenario(seed) {
	const r = generator(seed)
	const scenario = {
		name: `random ${seed}`,
		numbered: true,
		page: randomPage(r),
		answers: Array.from({ length: 40 }, (_, index) => randomAnswer(r, index)),
		steps: Array.from({ length: r.int(5, 30) }, () => randomStep(r)),
	}
	if (seed % 2 === 0) addOddValues(scenario, generator(~seed))
	return scenario
}

// Even seeds also have invalid values, from a separate generator.
function addOddValues({ page, answers, steps }, r) {
	const settings = page.heartbeatSettings
	// An interval that is not a number is a documented difference: see docs/plugin-authors.md.
	if (r.chance(0.4)) settings.interval = r.pick(ODD_NUMBERS)
	if (r.chance(0.3)) settings.minimalInterval = oddValue(r)
	if (r.chance(0.2)) settings.suspension = r.pick(['', 'Disable', true, ['disable'], 'disable'])
	for (const answer of answers) {
		if (r.chance(0.1) && answer.body?.startsWith('{"server_time"')) answer.body = JSON.stringify({ ...JSON.parse(answer.body), heartbeat_interval: oddValue(r) })
	}
	for (let count = r.int(0, 3); count > 0; count--) {
		steps.splice(r.int(0, steps.length), 0, ['call', 'interval', oddValue(r), r.pick([undefined, 3, '2', 0.5, 'x'])])
	}
}

const oddValue = (r) => r.pick([...ODD_NUMBERS, ...NO_NUMBERS])

function randomPage(r) {
	const settings = { nonce: 'n0', interval: r.pick(['15', 15, 30, '60', 5, undefined, 120]) }
	if (r.chance(0.15)) settings.minimalInterval = r.pick([5, '20', 60])
	if (r.chance(0.2)) settings.suspension = 'disable'
	return { ...PAGE, pagenow: r.chance(0.1) ? 'customize' : 'dashboard', heartbeatSettings: settings }
}

function randomAnswer(r, index) {
	// Two answers at the same time have no order: no two beats have the same millisecond.
	const delay = index + r.pick([0, 0, 10, 150, 900, 2300, 7000, 20000])
	if (r.chance(0.7)) return { status: 200, body: randomTick(r), delay, decline: r.chance(0.2) }
	if (r.chance(0.1)) return { hang: true }
	const status = r.pick([0, 200, 200, 204, 400, 403, 500, 502, 503, 504])
	return { status, delay, body: r.pick(['', '0', '-1', 'null', '{"a":', '<html>']), type: r.pick([undefined, 'text/html']) }
}

function randomTick(r) {
	const tick = { server_time: r.int(1, 9), 'wp-auth-check': !r.chance(0.05) }
	if (r.chance(0.1)) tick.heartbeat_interval = r.pick([5, 'fast', 30, '60', 120])
	if (r.chance(0.1)) tick.heartbeat_nonce = r.pick(['n1', 'n2', 'n3'])
	if (r.chance(0.05)) tick.nonces_expired = true
	if (r.chance(0.05)) tick.rest_nonce = 'r1'
	return JSON.stringify(tick)
}

function randomStep(r) {
	return r.pick(STEPS)(r)
}

const handle = (r) => r.pick(['a', 'b', 'presence-ping', 'php-only'])

const STEPS = [
	(r) => ['advance', r.pick([0, 1, 500, 5000, 10000, 15000, 60000, 200000])],
	(r) => ['advance', r.int(0, 130000)],
	(r) => ['advance', r.pick([15000, 30000, 700000, 1000])],
	(r) => ['call', 'enqueue', handle(r), r.pick([1, 'x', { k: [1, true] }, []]), r.chance(0.3)],
	(r) => ['call', 'enqueue', handle(r), r.int(1, 99)],
	(r) => ['call', r.pick(['dequeue', 'isQueued', 'getQueuedItem']), handle(r)],
	() => ['call', 'connectNow'],
	(r) => ['call', 'interval', r.pick([undefined, 'fast', 5, 10, 15, 30, 60, '120', 'x', 'long-polling-not'])],
	(r) => ['call', 'interval', 5, r.int(0, 8)],
	(r) => ['focus', r.chance(0.5)],
	(r) => ['visible', r.chance(0.6)],
	(r) => ['event', r.pick(['mouseover', 'keyup', 'touchend'])],
	() => ['state'],
	(r) => (r.chance(0.4) ? ['pagehide'] : ['pageshow', true]),
	(r) => ['jump', r.chance(0.1) ? r.pick([60000, -60000, 3600000]) : 0],
	(r) => ['call', r.chance(0.1) ? 'disableSuspend' : 'hasConnectionError'],
	(r) => [
		'handler',
		r.pick(['tick', 'error', 'connection-lost', 'connection-restored']),
		r.pick(['event', 'action']),
		r.pick([['throw'], ['call', 'connectNow'], ['call', 'enqueue', 'c', 1], ['delete', 'server_time']]),
		1,
	],
	(r) => [
		'handler',
		'send',
		r.pick(['event', 'action']),
		r.pick([
			['delete', 'a'],
			['add', 'b', 5],
			['call', 'enqueue', 'c', 1],
			['call', 'connectNow'],
			['call', 'interval', 5, 2],
		]),
		1,
	],
]
