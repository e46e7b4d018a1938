// One site, broken in one way after the other: the settings screen, Site Health and wp heartbeatd
// status name the same finding, and only that; the doctor names it, too, unless only PHP can see it.
// docs/findings.md has the table.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { binary } from '../browser/harness.mjs'
import { deployments, findingsOfCLI, observe, otherHome } from './deployments.mjs'
import { until } from './live/live.mjs'
import { logIn, withPlugin } from './plugin.mjs'

test('broken deployments', { timeout: 600_000 }, async (t) => {
	await withPlugin(t, async ({ site, server, browser, php, ask }) => {
		const { request } = await logIn(await browser(), site, 'admin')
		const route = nginx(site)
		// The plugin has observed beats, so that nothing else is to be said.
		php(observe)
		const health = await (await request.get(`${site.url}/wp-admin/site-health.php`)).text()
		assert.match(health, /"async":\[.*"test":"heartbeatd"/s, 'the screen does not wait for the report')
		const form = { action: 'health-check-heartbeatd', _wpnonce: health.match(/"nonce":\{"site_status":"(\w+)"/)[1] }
		const named = async () => ({
			settings: findingsIn(await (await request.get(`${site.url}/wp-admin/options-general.php?page=heartbeatd`)).text()),
			health: findingsIn((await (await request.post(`${site.url}/wp-admin/admin-ajax.php`, { form })).json()).data.description),
			cli: await findingsOfCLI(ask),
		})
		const all = (...names) => ({ settings: names, health: names, cli: names })

		await t.test('nothing is wrong', async () => assert.deepEqual(await named(), all()))

		await t.test('nothing is wrong if the home of the site is at another address than its admin', async () => {
			const repair = await otherHome({ site })
			try {
				assert.deepEqual(await named(), all())
			} finally {
				repair()
			}
		})

		for (const [what, deployment] of Object.entries(deployments)) {
			await t.test(`${what}: ${deployment.finding}`, async () => {
				if (deployment.edit) await route(deployment.edit)
				const repair = deployment.break ? await deployment.break({ site, server, php, route }) : () => {}
				try {
					const examining = deployment.inPHP ? [] : doctor(site, php)
					if (deployment.finding === 'cache-in-front') await examining // the cache has stored the answers to the doctor
					const found = named()
					const examined = await examining
					assert.deepEqual(await found, all(deployment.finding))
					if (!deployment.inPHP) assert.ok(examined.includes(deployment.finding), `the doctor finds ${examined}`)
				} finally {
					await repair()
					await route((config) => config)
					php(`update_option('heartbeatd_failures', array()); return 1;`)
				}
			})
		}
	})
})

// doctor returns the names of what the doctor finds, with the settings of WordPress.
async function doctor(site, php) {
	const [api, secret] = php(`return array(heartbeatd_setting('api'), heartbeatd_setting('secret'));`)
	const { stdout } = await promisify(execFile)(binary, ['doctor', site.url, '--json', '--idle', '0s', '--api', api, '--site-secret', secret]).catch((error) => error)
	return [...new Set(JSON.parse(stdout).checks.map(({ name }) => name).filter(Boolean))]
}

// findingsIn returns the names of the findings in HTML.
function findingsIn(html) {
	const found = Array.from(html.matchAll(/ class="heartbeatd-(\w+)" data-finding="([^"]*)"/g))
	assert.ok(found.length, 'there is a report')
	return found.map(([, , name]) => name).filter(Boolean)
}

// nginx returns a function that changes the configuration of the site's web server, and waits until
// no worker with the earlier one accepts connections.
function nginx(site) {
	const folder = dirname(site.dir)
	const file = `${folder}/nginx.conf`
	const original = readFileSync(file, 'utf8')
	const master = Number(readFileSync(`${folder}/nginx.pid`, 'utf8'))
	const accepting = () => childrenOf(master).filter((pid) => !commandOf(pid).includes('shutting down'))
	return async (edit) => {
		writeFileSync(file, edit(original))
		const earlier = accepting()
		process.kill(master, 'SIGHUP')
		await until('the configuration of nginx', () => {
			const now = accepting()
			return now.length > 0 && !now.some((pid) => earlier.includes(pid))
		})
	}
}

const childrenOf = (pid) => readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean)

// commandOf returns the command line of a process, or an empty string if it has ended.
function commandOf(pid) {
	try {
		return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
	} catch {
		return ''
	}
}
