import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createNudges } from '../src/nudges.js'

// A page that beats once in an interval, and what it does in seconds of a clock of its own.
function page({ forPHP, interval = 10 }) {
	let now = 0
	const timers = []
	const win = {
		setTimeout: (callback, ms) => timers.push({ callback, at: now + ms }),
		clearTimeout: (id) => delete timers[id - 1],
	}
	const beats = []
	const settings = { forPHP }
	let due = interval
	function beat(next) {
		nudges.began()
		beats.push(now / 1000)
		due = next
	}
	const nudges = createNudges({
		win,
		connectNow: () => beat(now / 1000 + interval),
		beatEarly: () => beat(Math.max(due, now / 1000) + interval), // core.js
		isForPHP: () => settings.forPHP,
		interval: () => 1000 * interval,
		now: () => now,
		random: () => 0,
	})
	function run(until, each = () => {}) {
		for (; now <= 1000 * until; now += 500) {
			each(now / 1000)
			timers.forEach(({ callback, at }, i) => at <= now && (delete timers[i], callback()))
			if (now >= 1000 * due) beat(due + interval)
		}
		return beats
	}
	return { nudges, run, settings }
}

const every = (seconds, nudges, frame = { paced: true }) => (now) => now && now % seconds === 0 && nudges.receive(frame)

test('where heartbeatd answers, every nudge makes the page beat', () => {
	const { nudges, run } = page({ forPHP: false, interval: 60 })
	assert.deepEqual(run(50, every(6, nudges)), [6, 12, 18, 24, 30, 36, 42, 48])
})

test('where PHP answers, paced nudges cost no beat more, and the first news comes at once', () => {
	const dashboard = page({ forPHP: true, interval: 60 })
	assert.deepEqual(dashboard.run(120, every(6, dashboard.nudges)), [6, 66])
	const list = page({ forPHP: true })
	assert.deepEqual(list.run(80, every(8, list.nudges)), [8, 18, 28, 38, 48, 58, 68, 78])
	const rare = page({ forPHP: true })
	assert.deepEqual(rare.run(80, every(25, rare.nudges)), [10, 20, 25, 40, 50, 60, 70, 75], 'the beats after an early one come when they would have')
})

test('however news comes, PHP gets at most one beat in each interval of the page', () => {
	for (let seed = 1; seed <= 200; seed++) {
		const { nudges, run } = page({ forPHP: true })
		let state = seed
		const random = () => (state = (state * 48271) % 2147483647) / 2147483647
		const often = random()
		const news = []
		const beats = run(600, (now) => now && random() < often * often && news.push(now) && nudges.receive({ paced: true }))
		beats.forEach((at, i) => assert.ok(i + 1 <= Math.ceil(at / 10), `seed ${seed}: beat ${i + 1} at ${at}`))
		news.filter((at) => at < 580).forEach((at) => assert.ok(beats.some((beat) => beat >= at && beat <= at + 10), `seed ${seed}: the news of ${at} waits for longer than an interval`))
	}
})

test('a nudge that is not paced comes at once, whoever answers', () => {
	const { nudges, run } = page({ forPHP: true })
	assert.deepEqual(run(9, every(3, nudges, { spread_ms: 0 })), [3, 6, 9])
})

test('a beat that comes meanwhile brings the news', () => {
	const { nudges, run, settings } = page({ forPHP: true })
	run(1, every(1, nudges))
	run(5, every(3, nudges)) // held back until 11
	settings.forPHP = false
	assert.deepEqual(run(12, (now) => now === 7 && nudges.receive({ paced: true })), [1, 7])
})

test('a nudge after which PHP answers all the same counts', () => {
	const { nudges, run, settings } = page({ forPHP: false, interval: 60 })
	run(6, every(6, nudges))
	settings.forPHP = true
	assert.deepEqual(run(120, every(6, nudges)), [6, 66])
})
