// What the status report says of the answers of heartbeatd's API, which the test plays. heartbeatd itself
// runs behind the web server.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startAPI } from './fake-api.mjs'
import { addMuPlugin, withPlugin } from './plugin.mjs'

const now = () => Math.floor(Date.now() / 1000)
const well = (more) => [200, { version: '9.9', site: 'default', time: now(), ready: true, reason: '', sessions: 1, online: 2, ...more }]

test('the status report', { timeout: 300_000 }, async (t) => {
	const api = await startAPI(t)
	await withPlugin(t, async ({ site, ask }) => {
		const report = async (answer, before = '') => {
			api.answer = () => answer
			return ask(`${before} return heartbeatd_status_report();`)
		}
		const worst = async (answer) => {
			const [{ name, severity, text, detail }] = await report(answer)
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
				[well({ time: now() - 600 }), /^error clock-off: .* They are (599|60\d) seconds apart\.$/],
				[well({ time: now() - 60 }), /^notice clock-differs: /],
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

		await t.test('counts the pages that had a link, as browsers report', async () => {
			const reported = (linked, all) => `update_option('heartbeatd_link_reports', array_map(fn ($i) => array(time() - 60, $i < ${linked}), range(0, ${all - 1})));`
			const about = async (...counts) => (await report(well(), reported(...counts))).filter(({ text, detail }) => /had a? ?link/.test(text + detail)).map(({ name, text, detail }) => `${name}: ${detail || text}`)
			assert.deepEqual(await about(3, 20), ['pages-without-link: 3 of the last 20 pages had a link to heartbeatd.'])
			assert.deepEqual(await about(15, 20), [': 15 of the last 20 pages had a link to heartbeatd.'])
			assert.deepEqual((await report([401, {}], reported(0, 20))).filter(({ name }) => name === 'pages-without-link'), [], 'the error is the cause')
			assert.deepEqual(await ask(`return heartbeatd_link_reports();`), [], 'after it is fixed, they say nothing')
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
		})
	}, { constants: { HEARTBEATD_API: api.url } })
})
