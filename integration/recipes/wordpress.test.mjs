// A live WordPress with the plugin behind each web server, with its recipe: every transport works, and
// neither the doctor nor the plugin finds that something is wrong.

import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { test } from 'node:test'
import { doctor } from '../fronts/doctor.mjs'
import { startServices } from '../setup/services.mjs'
import { findingsOfCLI, observe } from '../wordpress/deployments.mjs'
import { everyTransport } from '../wordpress/live/essentials.mjs'
import { withLive } from '../wordpress/live/live.mjs'
import { secret } from '../wordpress/plugin.mjs'
import { serve } from './servers.mjs'

const SERVERS = {
	nginx: ['nginx'],
	'apache-http2': ['apache', { http2: true }],
	caddy: ['caddy'],
	'lighttpd-http2': ['lighttpd', { http2: true }],
	haproxy: ['haproxy'],
	varnish: ['varnish'],
	modsecurity: ['modsecurity'],
}

// move gives the site another address.
function move(site, url) {
	const file = `${site.dir}/wp-config.php`
	writeFileSync(file, readFileSync(file, 'utf8').replace(/(?<='WP_(?:HOME|SITEURL)', ')[^']*/g, url))
	site.url = url
}

test('a live WordPress', { timeout: 600_000 }, async (t) => {
	await withLive(t, async ({ site, server, browser, php, ask, person }) => {
		// The certificate is signed by itself.
		const trusting = Object.assign(Object.create(browser), { newContext: (options) => browser.newContext({ ...options, ignoreHTTPSErrors: true }) })
		php(observe)
		for (const [name, [kind, options]] of Object.entries(SERVERS)) {
			await t.test(name, async (t) => {
				const services = startServices(t, 'recipe')
				const { url, cert } = await serve(services, kind, { heartbeatd: server.url, root: site.dir, php: `${dirname(site.dir)}/php.sock`, ...options })
				move(site, url)
				await everyTransport({ site, php, person: (user, wants) => person(user, { ...wants, browser: trusting }) }, name)
				const { checks } = await doctor(server, url, { flags: ['--site-secret', secret], env: { SSL_CERT_FILE: cert } })
				assert.deepEqual(checks.filter(({ result }) => /warning|failed/.test(result)), [])
				if (!options?.http2) assert.deepEqual(await findingsOfCLI(ask), [])
			})
		}
	}, { flags: ['--trusted-proxy', '127.0.0.1/32'] })
})
