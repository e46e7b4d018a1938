// The dashboard for Grafana, with a Prometheus that reads a running node.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { API_KEY, pusher, startHeartbeatd, until } from '../browser/harness.mjs'

const dashboard = JSON.parse(readFileSync(fileURLToPath(new URL('grafana/heartbeatd.json', import.meta.url)), 'utf8'))

const freePort = () => new Promise((resolve) => {
	const server = createServer().listen(0, '127.0.0.1', () => {
		const { port } = server.address()
		server.close(() => resolve(port))
	})
})

// startPrometheus reads a node every second, and returns a function that asks for the result of a query.
async function startPrometheus(t, server) {
	const folder = mkdtempSync(`${tmpdir()}/heartbeatd-prometheus-`)
	writeFileSync(`${folder}/prometheus.yml`, JSON.stringify({
		global: { scrape_interval: '1s' },
		scrape_configs: [{ job_name: 'heartbeatd', static_configs: [{ targets: [new URL(server.admin).host] }] }],
	}))
	const port = await freePort()
	const child = spawn('prometheus', [`--config.file=${folder}/prometheus.yml`, `--storage.tsdb.path=${folder}/data`, `--web.listen-address=127.0.0.1:${port}`], { stdio: 'ignore' })
	const ended = new Promise((done) => child.once('exit', done))
	t.after(async () => {
		child.kill('SIGTERM')
		await ended
		rmSync(folder, { recursive: true, force: true })
	})
	const query = async (expr) => {
		const answer = await fetch(`http://127.0.0.1:${port}/api/v1/query?${new URLSearchParams({ query: expr })}`)
		const { data, error } = await answer.json()
		assert.equal(answer.status, 200, `${expr}: ${error}`)
		return data.result
	}
	await until('two readings of the node', async () => {
		try {
			return (await query('count_over_time(heartbeatd_ready[1m]) > 2')).length > 0
		} catch {
			return false
		}
	}, 60)
	return query
}

test('each query of the dashboard has a result of a running node, with the labels of its legend', async (t) => {
	const server = await startHeartbeatd(t, { flags: ['--api-key', API_KEY] })
	await pusher(server)()
	const query = await startPrometheus(t, server)
	const [node] = await query('heartbeatd_build_info')
	assert.equal(dashboard.templating.list.find(({ name }) => name === 'instance').query, 'label_values(heartbeatd_build_info, instance)')
	for (const panel of dashboard.panels) {
		assert.equal(panel.datasource.uid, '${source}', panel.title)
		for (const { expr, legendFormat } of panel.targets) {
			// There is a problem only while a part does not work.
			if (/heartbeatd_problem/.test(expr)) continue
			const result = await query(expr.replaceAll('$instance', node.metric.instance))
			assert.notEqual(result.length, 0, `${panel.title}: ${expr} has no result`)
			for (const [, label] of legendFormat.matchAll(/\{\{(\w+)\}\}/g)) {
				for (const { metric } of result) assert.ok(metric[label], `${panel.title}: ${expr} has no label ${label}: ${JSON.stringify(metric)}`)
			}
		}
	}
})
