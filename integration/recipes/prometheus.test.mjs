// The alert rules and the dashboard: Prometheus loads the rules, their alerts fire, the queries of
// the dashboard are valid, and both use metrics that heartbeatd has.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { root } from '../browser/harness.mjs'

const path = (name) => fileURLToPath(new URL(name, import.meta.url))
const documented = new Map(Array.from(readFileSync(`${root}docs/metrics.md`, 'utf8').matchAll(/^\| `(heartbeatd_\w+)` \| (\w+) \| (.*?) \|/gm),
	([, name, type, labels]) => [name, { type, labels: labels.match(/\w+/g) ?? [] }]))

// promtool runs promtool, and returns what it prints.
function promtool(...args) {
	const { status, stdout, stderr, error } = spawnSync('promtool', args, { encoding: 'utf8', cwd: path('prometheus') })
	assert.ifError(error)
	assert.equal(status, 0, stdout + stderr)
	return stdout
}

// unknown returns the metrics of a text that docs/metrics.md does not have.
const unknown = (text) => [...new Set(text.match(/\bheartbeatd_\w+/g))].filter((name) => {
	const of = documented.get(name.replace(/_(bucket|sum|count)$/, ''))
	return !documented.has(name) && of?.type !== 'histogram'
})

test('Prometheus loads the alert rules, and each alert fires when it must', () => {
	assert.match(promtool('check', 'rules', 'alerts.yml'), /SUCCESS: \d+ rules found/)
	promtool('test', 'rules', 'alerts.test.yml')
	const rules = readFileSync(path('prometheus/alerts.yml'), 'utf8')
	assert.ok(documented.size > 20)
	assert.deepEqual(unknown(rules.replace(/^#.*$/gm, '')), [])
	const tests = readFileSync(path('prometheus/alerts.test.yml'), 'utf8')
	const fires = new Set(Array.from(tests.matchAll(/alertname: (\w+)\n\s+exp_alerts:\n/g), ([, name]) => name))
	const alerts = Array.from(rules.matchAll(/- alert: (\w+)/g), ([, name]) => name)
	assert.deepEqual(alerts.filter((name) => !fires.has(name)), [])
})

test('the queries of the dashboard are valid, and use metrics that heartbeatd has', (t) => {
	const dashboard = JSON.parse(readFileSync(path('grafana/heartbeatd.json'), 'utf8'))
	const queries = dashboard.panels.flatMap((panel) => panel.targets.map((target) => target.expr))
	assert.ok(queries.length > 20)
	assert.deepEqual(unknown(queries.join('\n')), [])
	assert.equal(new Set(dashboard.panels.map((panel) => panel.id)).size, dashboard.panels.length)
	const folder = mkdtempSync(`${tmpdir()}/heartbeatd-dashboard-`)
	t.after(() => rmSync(folder, { recursive: true, force: true }))
	const rules = queries.map((expr, i) => ({ record: `query:${i}`, expr: expr.replaceAll('$instance', '.*') }))
	writeFileSync(`${folder}/queries.json`, JSON.stringify({ groups: [{ name: 'dashboard', rules }] }))
	promtool('check', 'rules', `${folder}/queries.json`)
})
