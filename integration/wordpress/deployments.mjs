// Deployments that are broken in one way each. An edit changes the configuration of nginx; break
// changes something else, and returns what repairs it.

import { createServer, connect } from 'node:net'
import { once } from 'node:events'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { startHeartbeatd } from '../browser/harness.mjs'
import { freePort } from '../setup/services.mjs'
import { until } from './live/live.mjs'
import { addMuPlugin, secret } from './plugin.mjs'

const ROUTE = /location \/heartbeat\/ \{[^}]*\}/
const inRoute = (line) => (config) => config.replace(ROUTE, (route) => route.replace(/\}$/, `${line}\n\t\t}`))
const instead = (text) => (config) => config.replace(ROUTE, text)
const answer = (what) => instead(`location /heartbeat/ { default_type text/html; ${what} }`)
const beside = (text) => (config) => config.replace(ROUTE, (route) => `${route}\n${text}`)
const without = (pattern) => (config) => config.replace(ROUTE, (route) => route.replace(pattern, ''))
const withoutRoute = instead('')

// cached stores the answers of heartbeatd by their path.
function cached(config) {
	const folder = config.match(/access_log (.*)\/nginx-access/)[1]
	const rules = 'proxy_cache answers; proxy_cache_key $uri; proxy_cache_valid any 1m; proxy_ignore_headers Cache-Control Expires Vary; add_header X-Cache-Status $upstream_cache_status always;'
	return inRoute(rules)(config.replace('proxy_buffering off;', '').replace('access_log', `proxy_cache_path ${folder}/cache keys_zone=answers:1m;\n\taccess_log`))
}

// heldBack buffers event streams.
function heldBack(config) {
	const [address] = config.match(/proxy_pass http:[^;]*;/)
	return beside(`location = /heartbeat/events { ${address} proxy_http_version 1.0; proxy_set_header Host $http_host; proxy_buffering on; proxy_ignore_headers X-Accel-Buffering; }`)(config)
}

// muPlugin adds code to the site until the deployment is repaired.
const muPlugin = (code) => ({ site }) => {
	addMuPlugin(site, 'broken', code)
	return () => rmSync(`${site.dir}/wp-content/mu-plugins/broken.php`)
}

// constant changes a value in wp-config.php.
const constant = (from, to) => async ({ site }) => {
	const file = `${site.dir}/wp-config.php`
	const config = readFileSync(file, 'utf8')
	writeFileSync(file, config.replace(from, await to()))
	return () => writeFileSync(file, config)
}

// Keys and tickets have the time of WordPress. The test cannot change the clock of a process.
const lateClock = muPlugin(`add_filter('http_request_args', function ($args) {
	if (0 !== strpos($args['headers']['Authorization'] ?? '', 'Bearer ')) return $args;
	$claims = json_decode(base64_decode(strtr(explode('.', $args['headers']['Authorization'])[1], '-_', '+/')), true);
	$args['headers']['Authorization'] = 'Bearer ' . heartbeatd_sign_jwt(array_merge($claims, array('iat' => $claims['iat'] - 600, 'exp' => $claims['exp'] - 600)));
	return $args;
});
ob_start(fn ($output) => preg_replace_callback('/(?<="server_time":)\\d+/', fn ($time) => $time[0] - 600, $output));`)

// proxyProtocol starts a load balancer that speaks the PROXY protocol to heartbeatd.
async function proxyProtocol({ server, route }) {
	const { hostname, port } = new URL(server.url)
	const balancer = createServer((front) => {
		const back = connect(port, hostname)
		back.write('PROXY TCP4 127.0.0.1 127.0.0.1 4711 80\r\n')
		front.on('error', () => back.destroy()).pipe(back).on('error', () => front.destroy()).pipe(front)
	}).listen(0, '127.0.0.1')
	await once(balancer, 'listening')
	await route((config) => config.replace(`proxy_pass ${server.url}`, `proxy_pass http://127.0.0.1:${balancer.address().port}`))
	return () => balancer.close()
}

async function wrongListenAddress({ server, route }) {
	const port = await freePort()
	await route((config) => config.replace(`proxy_pass ${server.url}`, `proxy_pass http://127.0.0.1:${port}`))
	return () => {}
}

// wordpressRedirects publishes a post to which WordPress redirects the unknown path /heartbeat/socket.
async function wordpressRedirects({ php, route }) {
	const id = php(`return wp_insert_post(array('post_title' => 'Socket wrenches', 'post_status' => 'publish'));`)
	await route(withoutRoute)
	return () => php(`return (bool) wp_delete_post(${id}, true);`)
}

// shownCaptcha has WordPress answer in place of heartbeatd, with a page that loads a captcha for its forms.
async function shownCaptcha({ site, route }) {
	await route(withoutRoute)
	return muPlugin(`add_action('wp_head', function () { echo '<script src="https://www.google.com/recaptcha/api.js"></script>'; });`)({ site })
}

async function serverDown({ server }) {
	await server.stop('SIGKILL')
	return () => server.restart()
}

// otherHome shows the site at another address than the admin.
export const otherHome = constant(/(?<='WP_HOME', ')[^']*/, () => 'http://127.0.0.1:1')

// shortSecret gives heartbeatd and WordPress the same short secret.
async function shortSecret({ site, server }) {
	const repair = await constant(secret, () => 'short')({ site })
	await server.stop('SIGTERM')
	await server.restart(['--site-secret', 'short'])
	return async () => {
		repair()
		await server.stop('SIGTERM')
		await server.restart()
	}
}

// natsDown has heartbeatd use the NATS of another process, and stops that one.
async function natsDown({ server }) {
	const ends = []
	const other = await startHeartbeatd({ after: (end) => ends.push(end) })
	await server.stop('SIGTERM')
	await server.restart(['--site-secret', secret, '--nats-url', other.nats])
	for (const end of ends) await end()
	await until('the loss of NATS', async () => (await (await fetch(`${server.admin}/readyz`)).json()).reasons.length)
	return async () => {
		await server.stop('SIGTERM')
		await server.restart()
	}
}

// nosyFunction adds a function to beats, and has the plugin observe it.
function nosyFunction(parts) {
	const repair = muPlugin(`add_filter('heartbeat_send', 'nosy_send'); function nosy_send($response) { return $response; }`)(parts)
	parts.php(observe)
	return () => {
		repair()
		parts.php(observe)
	}
}

// observe is code that observes a beat of the dashboard.
export const observe = `heartbeatd_record_observation('dashboard', heartbeatd_foreign_callbacks()); return 1;`

// WP-CLI is not installed: this is what the command prints.
const cli = `class WP_CLI { static $out = array(); static function line($l) { self::$out[] = $l; } static function halt($c) {} }
	require_once WP_PLUGIN_DIR . '/heartbeatd/includes/admin/cli.php'; heartbeatd_cli_status(); return WP_CLI::$out;`

// findingsOfCLI returns the names of the findings of wp heartbeatd status.
export const findingsOfCLI = async (ask) => (await ask(cli)).filter((line) => !line.startsWith('good')).map((line) => line.split(/ +/)[1])

// deployments are the broken ones, by what is wrong. Only PHP can see what is inPHP.
export const deployments = {
	'a rule for static files': { finding: 'static-rule', edit: beside('location ~ \\.js$ { try_files $uri =404; }') },
	'a small limit of bodies': { finding: 'small-body-limit', edit: inRoute('client_max_body_size 8k;') },
	'a cache': { finding: 'cache-in-front', edit: cached },
	'event streams held back': { finding: 'streams-held-back', edit: heldBack },
	'an old drop-in': { finding: 'old-drop-in', edit: beside(`location = /wp-content/plugins/heartbeatd/assets/heartbeat.js { default_type text/javascript; return 200 "// an old version"; }`) },
	'large headers of PHP': { finding: 'small-header-buffer', break: muPlugin(`header('X-Large: ' . str_repeat('x', 2600));`) },
	'a refused cookie of another site': { finding: 'foreign-cookie', edit: inRoute(`if ($http_cookie ~ "wordpress_logged_in_a{32}") { return 403 '{"type":"bye","code":4003,"reason":"the log-in cookie is not the ticket\\'s"}'; }`) },
	'no route': { finding: 'no-route', edit: withoutRoute },
	'no route, and WordPress redirects': { finding: 'plain-permalinks-without-route', break: wordpressRedirects },
	'no route, and WordPress shows a captcha': { finding: 'no-route', break: shownCaptcha },
	'no upgrade': { finding: 'no-upgrade', edit: without(/proxy_set_header Upgrade[^;]*;/) },
	'another secret in WordPress': { finding: 'wrong-secret', break: constant(secret, () => 'another secret, which heartbeatd does not know') },
	'a wrong port of the API': { finding: 'api-unreachable', break: constant(/(?<='HEARTBEATD_API', 'http:\/\/127\.0\.0\.1:)\d+/, freePort) },
	'a wrong port in the web server': { finding: 'wrong-listen-address', break: wrongListenAddress },
	'heartbeatd does not run': { finding: 'server-down', break: serverDown },
	'a clock ten minutes late': { finding: 'clock-off', break: lateClock },
	'a changed Host header': { finding: 'host-changed', edit: without(/proxy_set_header Host[^;]*;/) },
	'a changed path': { finding: 'path-changed', edit: (config) => config.replace(/(proxy_pass http:[^;]*);/, '$1/;') },
	'a redirect': { finding: 'redirected', edit: answer('return 301 /elsewhere/;') },
	'a password': { finding: 'password-required', edit: answer('return 401;') },
	'a firewall': { finding: 'firewall', edit: answer('return 403;') },
	'a captcha': { finding: 'captcha-page', edit: answer(`return 403 "<!doctype html><title>Are you human?</title><script src='/captcha.js'></script>";`) },
	'a rate limit': { finding: 'rate-limited', edit: answer('return 429;') },
	'an error of another program': { finding: 'other-answer', edit: answer('return 500;') },
	'the PROXY protocol': { finding: 'proxy-protocol', break: proxyProtocol },
	'Heartbeat disabled': { finding: 'heartbeat-disabled', inPHP: true, break: muPlugin(`add_action('init', fn () => wp_deregister_script('heartbeat'), 99);`) },
	'a replaced script': { finding: 'script-replaced', inPHP: true, break: muPlugin(`add_action('init', fn () => wp_scripts()->registered['heartbeat']->src = '/other.js', 99);`) },
	'a short secret': { finding: 'guessable-secret', break: shortSecret },
	'NATS does not run': { finding: 'nats-down', break: natsDown },
	'a function that needs PHP': { finding: 'unanswered-handles', inPHP: true, break: nosyFunction },
}
