// What the doctor finds behind real programs that are set up in a way that breaks something.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { startHeartbeatd } from '../browser/harness.mjs'
import { doctor, secret } from './doctor.mjs'
import { haproxy, modsecurity, nginx, startProxy, varnish } from './fronts.mjs'

// The findings of each front, by check. In these deployments there is no PHP, and no plugin.
const UPGRADE = { socket: 'no-upgrade' }
const everywhere = (name) => ({ socket: name, cookies: name, 'long-poll': name, events: name, post: name })
const FRONTS = {
	'nothing behind nginx': [nginx(), {}],
	'nothing behind HAProxy': [haproxy(), {}],
	'no upgrade, but nothing else, behind Varnish': [varnish(), UPGRADE],
	'no upgrade, but nothing else, behind the core rule set at paranoia level 2': [modsecurity({ level: 2 }), UPGRADE],
	'the PROXY protocol': [haproxy({ server: 'send-proxy' }), { site: 'no-wordpress', ...everywhere('proxy-protocol') }],
	'version 2 of the PROXY protocol': [haproxy({ server: 'send-proxy-v2' }), { site: 'no-wordpress', ...everywhere('proxy-protocol') }],
	'a small limit of bodies': [nginx({ location: 'client_max_body_size 16k;' }), { size: 'small-body-limit' }],
	'a small limit of headers': [nginx({ server: 'large_client_header_buffers 4 2k;' }), { size: 'small-request-headers' }],
	'a cache that knows answers by their path': [
		nginx({ location: 'proxy_cache cache; proxy_cache_key $uri; proxy_ignore_headers Cache-Control Expires Set-Cookie Vary; proxy_cache_valid 200 10m;' }),
		{ 'long-poll': 'cache-in-front' },
	],
	'a captcha': [nginx({ location: `default_type text/html; return 403 '<title>Please solve the captcha</title>';` }), everywhere('captcha-page')],
}

describe('the doctor finds', { concurrency: 2 }, () => {
	for (const [what, [kind, expected]] of Object.entries(FRONTS)) {
		test(what, async (t) => {
			const server = await startHeartbeatd(t, { flags: ['--site-secret', secret] })
			const front = await startProxy(t, server.url, kind)
			const { checks } = await doctor(server, front.url)
			const found = Object.fromEntries(checks.filter(({ name }) => name).map(({ check, name }) => [check, name]))
			assert.deepEqual(found, expected)
		})
	}

	const over = (global, frontend) => haproxy({ http2: true, global, frontend })
	for (const [what, kind, expected] of [
		['WebSockets over HTTP/2 that work', over(), /over HTTP\/2 as well/],
		['WebSockets over HTTP/2 that are not offered', over('h2-workaround-bogus-websocket-clients'), /does not offer them/],
		['WebSockets over HTTP/2 that do not open', over('', 'http-request deny deny_status 405 if { ssl_fc_alpn h2 } { path_end /socket }'), /405/],
	]) {
		test(what, async (t) => {
			const server = await startHeartbeatd(t, { flags: ['--site-secret', secret] })
			const front = await startProxy(t, server.url, kind, 'https')
			const { checks } = await doctor(server, front.url, { env: { SSL_CERT_FILE: front.cert } })
			const { name, text } = checks.find(({ check }) => check === 'http2')
			assert.match(text, expected)
			assert.equal(name, what.endsWith('not open') ? 'no-http2-websocket' : undefined)
			assert.equal(checks.find(({ check }) => check === 'socket').result, 'ok')
		})
	}
})
