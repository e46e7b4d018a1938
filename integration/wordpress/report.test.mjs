// What the status report says of the answers of heartbeatd's API, which the test plays. heartbeatd itself
// runs behind the web server.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { freePort } from '../setup/services.mjs'
import { startAPI } from './fake-api.mjs'
import { addMuPlugin, withPlugin } from './plugin.mjs'

const now = () => Math.floor(Date.now() / 1000)
const well = (more) => [200, { version: '9.9', site: 'default', time: now(), ready: true, reason: '', sessions: 1, online: 2, ...more }]

const quoted = (text) => `'${text.replace(/[\\']/g, '\\$&')}'`
const dictionary = (array) => `new WpOrg\\Requests\\Utility\\CaseInsensitiveDictionary(${array})`

// answers is code that answers WordPress's requests to a path of heartbeatd.
const answers = (path, status, body = '', headers = {}) => `add_filter('pre_http_request', fn ($answer, $args, $url) => !str_contains($url, '/heartbeat${path}') ? $answer : array(
	'headers' => ${dictionary(`json_decode(${quoted(JSON.stringify(headers))}, true)`)}, 'body' => ${quoted(body)}, 'response' => array('code' => ${status}, 'message' => ''), 'cookies' => array(), 'filename' => null), 10, 3);`
const routeAnswers = (...answer) => answers('/socket', ...answer)
const fails = (when) => `add_filter('pre_http_request', fn ($answer, $args, $url) => ${when} ? new WP_Error('http_request_failed', 'no answer') : $answer, 10, 3);`
const unreachable = fails(`!str_contains($url, '/api/v1/')`)
const hung = fails(`str_contains($url, '/heartbeat/')`)

// reported is code that stores reports of browsers, the linked ones first.
const reported = (linked, all, age = 60) => `update_option('heartbeatd_link_reports', array_map(fn ($i) => array(time() - ${age}, $i <= ${linked}, $i), ${all} ? range(1, ${all}) : array()));`

test('the status report', { timeout: 300_000 }, async (t) => {
	const api = await startAPI(t)
	await withPlugin(t, async ({ site, ask }) => {
		const report = async (answer, before = '') => {
			api.answer = typeof answer === 'function' ? answer : () => answer
			return ask(`${before} return heartbeatd_status_report();`)
		}
		const worst = async (answer, before) => {
			const [{ name, severity, text, detail }] = await report(answer, before)
			return `${severity} ${name}: ${text} ${detail}`.trim()
		}

		await t.test('names what the API says, in sentences', async () => {
			const answered = /heartbeatd answers the beats that need no PHP/
			const lines = async (answer) => (await report(answer, `heartbeatd_record_observation('dashboard', array());`)).map(({ text }) => text).join('\n')
			assert.match(await lines(well()), answered)
			for (const answer of [[503, {}], [401, { code: 'unauthorized', message: 'no' }], [200, { garbage: 1 }]]) {
				assert.doesNotMatch(await lines(answer), answered, 'PHP answers every beat')
			}
			assert.match(await lines(well()), /^heartbeatd 9\.9 runs\.$/m, 'the page shows the number of people')
			for (const [answer, expected] of [
				[well(), /^good : The web server passes `\/heartbeat\/` on to heartbeatd\.$/],
				[well({ ready: false, reason: 'it starts' }), /^warning not-ready: heartbeatd runs, but is not ready\. it starts\.$/],
				[well({ reasons: [{ name: 'nats', text: 'NATS is away: refused', remedy: 'Start it', finding: 'nats-down' }] }), /^warning nats-down: heartbeatd has no connection to NATS\. NATS is away: refused\. Start it\.$/],
				[well({ reasons: [{ name: 'pushes', text: 'No room', remedy: 'Make some', finding: 'nats-limited' }] }), /^warning nats-limited: .* No room\. Make some\.$/],
				[well({ reasons: [{ name: 'pushes', text: 'No room', remedy: 'Make some' }] }), /^warning version-mismatch: .* No room\. Make some\.$/],
				[well({ reasons: [{ name: 'other', text: 'A newer one', remedy: 'Wait', finding: 'other' }] }), /^warning version-mismatch: .* A newer one\. Wait\.$/],
				[well({ version: 'v9.8.7' }), /^warning version-mismatch: .* heartbeatd 9\.8\.7\.$/],
				[() => well({ time: now() - 600 }), /^error clock-off: .* They are (599|60\d) seconds apart\.$/],
				[() => well({ time: now() - 60 }), /^notice clock-differs: /],
				[[401, { code: 'bad_key', message: 'invalid API key: signature is invalid' }], /^error wrong-secret: .* invalid API key: signature is invalid\.$/],
				[[401, { code: 'bad_key', message: 'invalid API key: token is expired' }], /^error clock-off: /],
				[[200, 'garbage'], /^error api-unreachable: .*`http:\/\/127\.0\.0\.1:\d+`\. The server at this address is not heartbeatd \(status 200\)\.$/],
				[[200, { garbage: ['<script>'] }], /^error api-unreachable: /],
				[null, /^error api-unreachable: .*[^.]\.$/],
			]) assert.match(await worst(answer), expected)
		})

		await t.test('a function is to be added with a filter, and a closure is not', async () => {
			addMuPlugin(site, 'nosy', `add_filter('heartbeat_send', 'nosy_send'); function nosy_send($response) { return $response; } add_filter('heartbeat_tick', function () {});`)
			const details = (await report(well(), `heartbeatd_record_observation('dashboard', heartbeatd_foreign_callbacks());`)).filter(({ name }) => name === 'unanswered-handles').map(({ text, detail }) => [/nosy_send/.test(text), /heartbeatd_known_callbacks/.test(detail)])
			assert.deepEqual(details.sort(), [[false, false], [true, true]])
		})

		await t.test('says why a callback cannot be observed', async () => {
			addMuPlugin(site, 'nosy', `add_action('wp_ajax_heartbeat', 'nosy_first', 0); function nosy_first() {}
				class Nosy_Magic { function __call($name, $values) { return $values[0]; } } add_filter('heartbeat_send', array(new Nosy_Magic, 'on'));`)
			const items = await report(well(), `heartbeatd_reset_observations(); heartbeatd_record_observation('dashboard', heartbeatd_foreign_callbacks());`)
			const about = (name) => items.find(({ text }) => text.includes(name))?.detail
			assert.match(about('nosy_first'), /runs before WordPress answers a beat, so what it does cannot be observed/)
			assert.match(about('Nosy_Magic'), /is a magic method, so what it does cannot be attributed to any code/)
			addMuPlugin(site, 'nosy', '')
		})

		await t.test('counts the pages that had a link, as browsers report', async () => {
			const about = async (...counts) => (await report(well(), reported(...counts))).filter(({ text, detail }) => /had a link/.test(text + detail)).map(({ name, text, detail }) => `${name}: ${detail || text}`)
			assert.deepEqual(await about(3, 20), ['pages-without-link: Users whose last page had a link to heartbeatd: 3 of 20.'])
			assert.deepEqual(await about(15, 20), [': Users whose last page had a link to heartbeatd: 15 of 20.'])
			assert.deepEqual((await report([401, {}], reported(0, 20))).filter(({ name }) => name === 'pages-without-link'), [], 'the error is the cause')
			const left = (code) => ask(`${reported(1, 2)} ${code} return array_map(fn ($r) => array($r[1], $r[2]), heartbeatd_link_reports());`)
			assert.deepEqual(await left(''), [[true, 1], [false, 2]])
			assert.deepEqual(await left(`update_option('heartbeatd', array('paces' => array()));`), [], 'with other settings they say nothing')
			const next = `$_COOKIE['heartbeatd_transport'] = 'post'; wp_set_current_user(1); heartbeatd_record_link_report();`
			assert.deepEqual(await left(`update_option('heartbeatd_link_reports', array(array(time() - 400, true, 1), array(time() - 300, true, 2))); ${next}`), [[true, 2], [false, 1]], 'each user counts once')
			assert.deepEqual(await ask(`heartbeatd_presence_provider('other'); $GLOBALS['wpdb']->presence = 'rows'; wp_set_current_user(1);
				add_filter('pre_option_heartbeatd_presence_table', fn () => array('version' => 'rows ' . get_option('wp_presence_db_version', ''), 'expires' => true));
				require_once ABSPATH . 'wp-admin/includes/admin.php'; set_current_screen('dashboard'); do_action('admin_enqueue_scripts', 'index.php');
				return array(heartbeatd_is_push_transport(), wp_script_is('heartbeatd-link-report'));`), [true, true], 'pages report beside the Presence API plugin, too')
		})

		await t.test('what browsers report counts more than the answer to WordPress itself', async () => {
			const linked = 'good : Pages connect to heartbeatd, as browsers report. Only WordPress’s own request to its address does not reach heartbeatd.'
			const refused = `${linked} \`${site.url}/heartbeat/socket\` answers with status 403.`
			const told = async (...parts) => (await report(well(), parts.join(' '))).map(({ name, severity, text, detail }) => `${severity} ${name}: ${text} ${detail}`).filter((line) => /firewall|Pages connect/.test(line))
			assert.deepEqual(await told(reported(20, 20), routeAnswers(403)), [refused])
			assert.equal((await ask('return heartbeatd_link_reports();')).length, 20, 'the report deletes none')
			for (const reports of [reported(2, 20), reported(20, 20, 1000), reported(0, 0)]) assert.match((await told(reports, routeAnswers(403))).join(), /^error firewall: [^,]*403\.$/)
			assert.match(await worst(well(), reported(20, 20) + routeAnswers(502)), /^error wrong-listen-address: /, 'the web server does not reach it now')
			assert.match(await worst(null, reported(20, 20) + unreachable), /^error api-unreachable: /)
			assert.match(await worst(null, reported(0, 0) + unreachable), /^error server-down: /)
			assert.match(await worst(null, reported(20, 20) + hung), /^error server-down: /, 'the site answers, and only heartbeatd does not')
		})

		await t.test('Site Health does not say that all is well if nobody knows', async () => {
			api.answer = () => well()
			const health = (...parts) => ask(`${parts.join(' ')} $test = heartbeatd_site_health_test(); return array($test['status'], $test['label']);`)
			assert.deepEqual(await health(reported(0, 0), unreachable), ['recommended', 'WordPress cannot reach its own address, so /heartbeat/ was not checked'])
			assert.deepEqual(await health(reported(1, 1), unreachable), ['good', 'Heartbeat is real-time'])
		})

		await t.test('an answer of another program', async () => {
			const html = { 'content-type': 'text/html; charset=UTF-8' }
			const cases = [
				[404, '<!doctype html><script src="/wp-includes/js/a.js"></script><div class="g-recaptcha"></div>', html, 'no-route'],
				[404, '<!doctype html><a href="/30-day-challenge/">30-day challenge</a>', html, 'no-route'],
				[403, '<title>Are you human?</title>', html, 'captcha-page'],
				[503, '', { 'cf-mitigated': 'challenge' }, 'captcha-page'],
				[200, 'a page', html, 'no-route'],
				[400, '<title>400 Request Header Or Cookie Too Large</title>', html, 'small-request-headers'],
				[431, '', {}, 'small-request-headers'],
				[494, '', {}, 'small-request-headers'],
				[400, 'no', {}, 'other-answer'],
				[410, '', {}, 'other-answer'],
				[404, 'not here', { age: '12' }, 'no-route'],
				[403, '', { 'x-cache': 'HIT' }, 'firewall'],
				[403, "{\"reason\":\"the origin is not one of the site's allowed origins\"}", { age: '12' }, 'cache-in-front'],
				[500, '', {}, 'other-answer'],
				[504, '', {}, 'wrong-listen-address'],
			]
			const found = await ask(`return array_map(fn ($case) => heartbeatd_route_finding(array($case[0], $case[1], ${dictionary('$case[2]')})), json_decode(${quoted(JSON.stringify(cases))}, true));`)
			assert.deepEqual(found, cases.map(([, , , finding]) => finding))
		})

		await t.test('a request that fails is no fault of the front', async () => {
			const port = await freePort()
			assert.equal(await ask(`add_filter('option_heartbeatd', fn () => array('url' => 'http://127.0.0.1:${port}/heartbeat')); return heartbeatd_check_streams();`), '', 'refused')
			for (const status of [403, 429, 503]) assert.equal(await ask(`${answers('/heartbeat.js', status)} return heartbeatd_check_static_rule();`), '', status)
			assert.equal(await ask(`${answers('/heartbeat.js', 404)} return heartbeatd_check_static_rule();`), 'static-rule')
			const timeout = `add_filter('pre_http_request', function ($answer, $args, $url) { static $done = 0; return str_contains($url, '/open') && !$done++ ? new WP_Error('http_request_failed', 'timed out') : $answer; }, 10, 3);`
			assert.equal(await ask(`${timeout} return heartbeatd_check_foreign_cookie();`), '', 'the first open timed out')
		})

		await t.test('a cache says in its header that it has answered', async () => {
			const found = (value) => ask(`${answers('/poll', 410, '', { 'x-cache': value })} return heartbeatd_check_cache();`)
			for (const value of ['HIT', 'Hit from cloudfront', 'RefreshHit from cloudfront', 'TCP_HIT from a1', 'MISS, HIT']) assert.equal(await found(value), 'cache-in-front', value)
			for (const value of ['MISS', 'MISS from architect']) assert.equal(await found(value), '', value)
		})

		await t.test('a password and an unknown certificate are for the site itself', async () => {
			const sent = await ask(`$_SERVER['PHP_AUTH_USER'] = 'ann'; $_SERVER['PHP_AUTH_PW'] = 'secret'; $sent = array();
				add_filter('pre_http_request', function ($answer, $args) use (&$sent) { $sent[] = array(isset($args['headers']['Authorization']), $args['sslverify']); return new WP_Error('no', 'no'); }, 10, 2);
				foreach (array(heartbeatd_route_url('/socket'), 'https://live.example.org/heartbeat/socket') as $url) heartbeatd_request_as_page('GET', $url);
				return $sent;`)
			assert.deepEqual(sent, [[true, false], [false, true]])
		})

		await t.test('Site Health and WP-CLI have it, too', async () => {
			api.answer = () => [401, { code: 'bad_key', message: 'no' }]
			const health = await ask('return heartbeatd_site_health_test();')
			assert.deepEqual([health.status, health.test, health.label], ['critical', 'heartbeatd', 'heartbeatd has another secret for this site, or does not know the site'])
			const cli = `class WP_CLI { static $out = array(); static function line($l) { self::$out[] = $l; } static function halt($c) { self::$out[] = $c; } }
				require WP_PLUGIN_DIR . '/heartbeatd/includes/admin/cli.php'; heartbeatd_cli_status(); return WP_CLI::$out;`
			assert.equal((await ask(cli)).at(-1), 1)
			api.answer = () => well({ reasons: [{ name: 'nats', text: 'NATS is away', remedy: 'Start it', finding: 'nats-down' }] })
			assert.deepEqual(await ask(`$test = heartbeatd_site_health_test(); return array($test['status'], $test['label']);`), ['recommended', 'heartbeatd has no connection to NATS'])
			assert.match((await ask(cli))[0], /^warning +nats-down +heartbeatd has no connection to NATS\. /)
			const evil = '\u001b]0;title\u0007\u009b2J\n\u202egood'
			api.answer = () => well({ version: evil, reasons: [{ name: evil, text: evil, remedy: evil, finding: evil }] })
			const lines = await ask(cli)
			assert.ok(lines.some((line) => line.includes('\\u001b]0;title\\u0007\\u009b2J\\u000a\\u202egood')), lines.join('\n'))
			assert.deepEqual(lines.filter((line) => /[\p{Cc}\u202e]/u.test(line)), [])
		})
	}, { constants: { HEARTBEATD_API: api.url } })
})
