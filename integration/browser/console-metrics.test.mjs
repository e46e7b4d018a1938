// How the console reads metrics.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { byLabel, parse, quantile, rate, sum } from '../../server/console/page/metrics.js'

const before = { at: 0, metrics: parse(`# HELP a_total Of something.
# TYPE a_total counter
a_total{kind="x",other="1"} 10
a_total{kind="y \\"q\\" \\\\ \\n",other="1"} 5
plain 1.5e+06
time_bucket{kind="x",le="0.1"} 10
time_bucket{kind="x",le="0.2"} 10
time_bucket{kind="x",le="+Inf"} 10
`) }
const now = { at: 2000, metrics: parse(`a_total{kind="x",other="1"} 14
a_total{kind="y",other="1"} 5
time_bucket{kind="x",le="0.1"} 20
time_bucket{kind="x",le="0.2"} 29
time_bucket{kind="x",le="+Inf"} 30
`) }

test('samples have their labels and values', () => {
	assert.equal(sum(before.metrics, 'plain'), 1.5e6)
	assert.equal(sum(before.metrics, 'a_total'), 15)
	assert.equal(sum(before.metrics, 'a_total', { kind: 'x', other: '1' }), 10)
	assert.equal(sum(before.metrics, 'missing'), 0)
	assert.deepEqual(byLabel(before.metrics, 'a_total', 'kind'), [['x', 10], ['y "q" \\ \n', 5]])
})

test('a rate is the increase in a second, also after a restart', () => {
	assert.equal(rate(before, now, 'a_total', { kind: 'x' }), 2)
	assert.equal(rate(now, { ...before, at: 4000 }, 'a_total', { kind: 'x' }), 5)
})

test('a quantile is of what was observed between two readings', () => {
	assert.ok(Math.abs(quantile(before, now, 'time', { kind: 'x' }, 0.5) - 0.1) < 1e-9)
	assert.ok(Math.abs(quantile(before, now, 'time', { kind: 'x' }, 0.75) - 0.1555555) < 1e-6)
	assert.equal(quantile(before, now, 'time', { kind: 'x' }, 0.99), 0.2)
	assert.equal(quantile(now, now, 'time', { kind: 'x' }, 0.5), null)
	assert.equal(quantile(before, now, 'missing', {}, 0.5), null)
})
