// What heartbeatd saves: the plugin measures beats, with a server and without one, and the settings
// screen shows the result. A header of the test chooses the beats that are measured (plugin.mjs).

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { until } from '../browser/harness.mjs'
import { startAPI } from './fake-api.mjs'
import { addMuPlugin, logIn, pluginFolder, withPlugin } from './plugin.mjs'

const screen = '/wp-admin/options-general.php?page=heartbeatd'
const silly = `if (isset($_POST['silly'])) add_filter('heartbeat_send', fn ($r) => $r + array('silly' => 1));`

// sender returns what sends a beat of a dashboard that is measured.
async function sender(site, request) {
	const page = await (await request.get(`${site.url}/wp-admin/`)).text()
	const nonce = page.match(/heartbeatSettings = .*?"nonce":"(\w+)"/)[1]
	return async (fields = {}) => {
		const form = { action: 'heartbeat', _nonce: nonce, screen_id: 'dashboard', has_focus: 'true', interval: '60', ...fields }
		const answer = await request.post(`${site.url}/wp-admin/admin-ajax.php`, { form, headers: { 'Live-Sample': '1' } })
		assert.equal(answer.status(), 200)
	}
}

// today returns the row of the only day that has samples.
const today = (php) => Object.values(php(`wp_cache_flush(); return heartbeatd_samples()['days'];`))[0] ?? { samples: 0 }

test('what heartbeatd would save, on a site without it', { timeout: 300_000 }, async (t) => {
	await withPlugin(t, async ({ site, browser, php, open }) => {
		addMuPlugin(site, 'silly', silly)
		const { request } = await logIn(await browser(), site, 'editor')
		const beat = await sender(site, request)
		const count = (samples) => until(`${samples} samples`, () => today(php).samples === samples)

		await t.test('a measured beat is stored, the first one only begins', async () => {
			php(`delete_option('heartbeatd_samples'); return 1;`)
			await beat()
			await until('the beginning', () => php(`wp_cache_flush(); return heartbeatd_samples()['since'] > 0;`))
			assert.deepEqual(today(php), { samples: 0 })
			await beat()
			await count(1)
			const { wall, cpu, savable, native } = today(php)
			assert.ok(wall > 0.001 && wall < 60 && cpu > 0 && cpu < wall + 1, `${wall} ${cpu}`)
			assert.deepEqual([savable, native], [0.9, 0])
			assert.equal(php(`return isset(wp_load_alloptions()['heartbeatd_samples']);`), false)
		})

		await t.test('a beat counts as far as heartbeatd would answer it', async () => {
			let samples = 1
			for (const [fields, share] of [
				[{ interval: '15' }, 0.975],
				[{ has_focus: 'false' }, 0.8],
				[{ 'data[wp-refresh-post-lock][post_id]': '1', interval: '10' }, 0.9],
				[{ 'data[wp-refresh-post-lock][post_id]': '1', interval: '30' }, 0.571], // Its answer is repeated for 70 s.
				[{ 'data[wp-refresh-post-lock][post_id]': '1', has_focus: 'false' }, 0],
				[{ 'data[of-a-plugin]': '1' }, 0],
				[{ silly: '1' }, 0],
				[{ interval: 'nonsense' }, 0.9],
			]) {
				const before = today(php).savable
				await beat(fields)
				await count(++samples)
				assert.ok(Math.abs(today(php).savable - before - share) < 0.001, `${JSON.stringify(fields)}: ${today(php).savable - before}`)
			}
		})

		await t.test('beats are chosen at random', async () => {
			const seen = new Set()
			for (let sent = 0; seen.size < 2 && sent < 2000; sent++) { // No beat of 2,000 is chosen once in 10^17 times.
				const answer = await request.post(`${site.url}/wp-admin/admin-ajax.php`, { form: { action: 'heartbeat' } })
				seen.add('live-chosen' in answer.headers())
			}
			assert.equal(seen.size, 2, 'some beats are chosen, and others are not')
		})

		await t.test('beats of nobody do not count', async () => {
			const before = today(php).samples
			const answer = await (await (await browser()).newContext()).request.post(`${site.url}/wp-admin/admin-ajax.php`, { form: { action: 'heartbeat', screen_id: 'front' }, headers: { 'Live-Sample': '1' } })
			assert.equal(answer.status(), 200)
			await beat()
			await count(before + 1)
		})

		await t.test('days are forgotten after two weeks', () => {
			const { days, samples } = php(`$now = 1900000000; $s = array('since' => 1, 'days' => array());
				for ($day = 20; $day >= 0; $day--) $s = heartbeatd_add_sample($s, $now - $day * DAY_IN_SECONDS, array('samples' => 2));
				$reported = array(); for ($day = 20; $day >= -1; $day--) $reported[gmdate('Y-m-d', $now - $day * DAY_IN_SECONDS)] = 3;
				$s = heartbeatd_add_native_beats($s, $now, array('native_beats' => (object) $reported));
				return array('days' => count($s['days']), 'samples' => array_sum(array_column($s['days'], 'samples')) + array_sum(array_column($s['days'], 'native')));`)
			assert.deepEqual([days, samples], [14, 14 * 5])
		})

		await t.test('what heartbeatd answered before beats were counted does not count', () => {
			assert.deepEqual(php(`return array_keys(heartbeatd_add_native_beats(array('since' => 1900000000, 'days' => array()), 1900090000,
				array('native_beats' => array('2030-03-16' => 3, '2030-03-17' => 3, '2030-03-18' => 3, '2030-03-19' => 3)))['days']);`), ['2030-03-17', '2030-03-18'])
		})

		await t.test('the screen shows no figure before enough beats are measured', async () => {
			const page = await open('admin', screen)
			assert.match(await page.innerText('#heartbeatd-savings'), /^Not measured yet: one beat in 50 .* 10 of 20 measurements/)
			assert.equal(await page.locator('#heartbeatd-plot').count(), 0)
			await page.close()
		})

		await t.test('the screen shows a sentence, a plot and a table', async () => {
			php(`update_option('heartbeatd_samples', array('since' => time() - 10 * DAY_IN_SECONDS, 'days' => array(
				gmdate('Y-m-d', time() - 2 * DAY_IN_SECONDS) => array('samples' => 1240, 'wall' => 24.6, 'cpu' => 20.0, 'savable' => 1128.4, 'native' => 0),
				gmdate('Y-m-d') => array('samples' => 1240, 'wall' => 24.6, 'cpu' => 20.0, 'savable' => 1128.4, 'native' => 0),
			)), false); return 1;`)
			const page = await open('admin', screen)
			assert.equal(await page.innerText('#heartbeatd-savings'), 'About 12,400 beats a day cost 4.1 minutes of PHP; heartbeatd would leave 9 % of them.')
			assert.match(await page.innerText('#heartbeatd-savings-method'), /2,480 such beats .* within about 4 %\. A beat took 19\.8 ms on average\. After .* 16\.1 ms of CPU time\. .* Until a secret is set/)
			assert.deepEqual(await page.evaluate(() => ['title', 'desc'].map((name) => document.querySelector(`#heartbeatd-plot svg ${name}`).textContent.split(/[:,]/)[0])), ['Beats of the last days', 'A bar for each day'])
			assert.equal(await page.locator('#heartbeatd-plot rect').count(), 4)
			assert.equal(await page.locator('#heartbeatd-plot tbody tr').count(), 11, 'days without beats, too')
			const labels = await page.locator('#heartbeatd-plot svg text').allTextContents()
			assert.deepEqual([labels[0], labels[1], labels.at(-1)], ['Beats a day', 'Day (UTC)', new Date().toLocaleDateString('en-US', { month: 'short', day: 'numeric', timeZone: 'UTC' })])
			assert.deepEqual(labels.slice(2, 7), ['0', '20,000', '40,000', '60,000', '80,000'])
			await page.setViewportSize({ width: 390, height: 800 })
			assert.ok(await page.evaluate(() => {
				const box = document.querySelector('#heartbeatd-plot svg').getBoundingClientRect()
				return box.left >= 0 && box.right <= 390 && box.width > 300
			}))
			await page.close()
		})
	}, { constants: null })
})

test('a host without getrusage()', () => {
	const code = `define('ABSPATH', '/'); require '${pluginFolder}/includes/beats/samples.php'; echo json_encode(heartbeatd_cpu_seconds());`
	assert.equal(execFileSync('php', ['-d', 'disable_functions=getrusage', '-r', code]).toString(), '0')
})

test('what heartbeatd has saved, as it reports', { timeout: 300_000 }, async (t) => {
	const api = await startAPI(t)
	await withPlugin(t, async ({ site, browser, php, open }) => {
		const date = new Date().toISOString().slice(0, 10)
		php(`update_option('heartbeatd_failures', array()); return 1;`) // The API did not answer while PHP blocked the test.
		let beats = { [date]: 11_300, '2001-01-01': 5, 'no date': 7 }
		api.answer = () => [200, { version: '9.9', site: 'default', time: Math.floor(Date.now() / 1000), ready: true, reason: '', sessions: 1, online: 2, native_beats: beats }]
		php(`update_option('heartbeatd_samples', array('since' => time() - DAY_IN_SECONDS, 'days' => array('${date}' => array('samples' => 24, 'wall' => 0.48, 'cpu' => 0.4, 'savable' => 19.2, 'native' => 0))), false); return 1;`)
		const { request } = await logIn(await browser(), site, 'editor')
		const beat = await sender(site, request)

		await t.test('a measured beat stores what heartbeatd reports', async () => {
			const stored = () => php(`update_option('heartbeatd_failures', array()); wp_cache_flush(); return heartbeatd_samples()['days'];`)
			await until('its count', async () => { // A busy machine may take longer to answer than the plugin waits.
				await beat()
				return stored()[date].native === 11_300
			})
			assert.deepEqual(Object.keys(stored()), [date])
		})

		await t.test('the screen keeps the largest number of a day, and says what was saved', async () => {
			php(`update_option('heartbeatd_samples', array('since' => time() - DAY_IN_SECONDS, 'days' => array('${date}' => array('samples' => 25, 'wall' => 0.5, 'cpu' => 0.4, 'savable' => 19.2, 'native' => 11300))), false); return 1;`)
			beats = { [date]: 3 }
			const page = await open('admin', screen)
			// The last beat above may still be stored.
			assert.match(await page.innerText('#heartbeatd-savings'), /^In the last 2 days heartbeatd answered at least 11,300 beats, which saved [\d.]+ minutes of PHP\. PHP answered about 1,[23]\d\d beats in \d+ seconds\.$/)
			assert.equal(await page.locator('#heartbeatd-plot rect').count(), 2)
			beats = { [date]: 12_000 }
			await until('the larger number', async () => {
				await page.reload()
				return /at least 12,000 beats/.test(await page.innerText('#heartbeatd-savings'))
			})
			assert.equal(php(`wp_cache_flush(); return heartbeatd_samples()['days'];`)[date].native, 12_000)
		})

		for (const [what, code, samples] of [
			['a measured beat', `$GLOBALS['wp_actions']['wp_ajax_heartbeat'] = 1; wp_set_current_user(${site.users.editor.id}); heartbeatd_record_sample();`, 31],
			['the screen', 'heartbeatd_print_savings();', 30],
		]) {
			await t.test(`${what} keeps what other requests store while heartbeatd answers`, () => {
				php(`update_option('heartbeatd_samples', array('since' => time() - 60, 'days' => array()), false); return 1;`)
				const day = php(`add_filter('pre_http_request', function () {
						$GLOBALS['wpdb']->update('wp_options', array('option_value' => serialize(array('since' => time() - 60, 'days' => array('${date}' => array('samples' => 30) + HEARTBEATD_EMPTY_DAY)))), array('option_name' => 'heartbeatd_samples'));
						return array('response' => array('code' => 200), 'headers' => array(), 'body' => '{"version":"9.9","ready":true,"native_beats":{"${date}":5}}');
					});
					ob_start(); ${code} ob_end_clean();
					wp_cache_flush(); return heartbeatd_samples()['days']['${date}'];`)
				assert.deepEqual([day.samples, day.native], [samples, 5])
			})
		}
	}, { constants: { HEARTBEATD_API: api.url }, patient: false })
})
