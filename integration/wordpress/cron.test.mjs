// WP-Cron on a quiet site: heartbeatd answers the beats of open dashboards, and PHP gets no other
// requests. Scheduled events must run.

import assert from 'node:assert/strict'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { until } from '../browser/harness.mjs'
import { addMuPlugin, beat, connected, withPlugin } from './plugin.mjs'

const INTERVAL = 2
const events = `
add_filter('heartbeat_settings', fn ($settings) => array('interval' => ${INTERVAL}) + $settings);
add_action('live_event', function ($again = 0) {
	if ($again) wp_schedule_single_event(time() + $again, 'live_event');
	file_put_contents(WP_CONTENT_DIR . '/event.tmp', microtime(true));
	rename(WP_CONTENT_DIR . '/event.tmp', WP_CONTENT_DIR . '/event');
});
`

test('scheduled events', { timeout: 300_000 }, async (t) => {
	await withPlugin(t, async ({ site, php, open }) => {
		addMuPlugin(site, 'events', events)
		const setCron = (disabled) => {
			const file = `${site.dir}/wp-config.php`
			writeFileSync(file, readFileSync(file, 'utf8').replace(/('DISABLE_WP_CRON', )\w+/, `$1${disabled}`))
		}
		const next = () => php(`return heartbeatd_next_event_time(get_option('cron'));`)
		const report = () => php(`return array_column(heartbeatd_status_report(), 'text');`)
		const says = /Scheduled events wait for beats of open pages/

		assert.equal(next(), 0, 'a system cron runs them')
		assert.doesNotMatch(report().join(), says)
		// WordPress's own events are postponed by a day: two requests that start a run at the
		// same time can leave WordPress's lock, which delays events for a minute.
		for (const user of ['admin', 'editor']) await (await open(user, '/wp-admin/')).close()
		php(`$later = array();
			foreach (_get_cron_array() as $time => $hooks) $later[$time + DAY_IN_SECONDS] = $hooks;
			_set_cron_array($later); return 1;`)
		setCron(false)
		assert.match(report().join(), says)
		const pages = [await open('admin', '/wp-admin/'), await open('editor', '/wp-admin/')]
		for (const page of pages) {
			await connected(page)
			await beat(page)
		}
		assert.ok(next() > Date.now() / 1000 + 600, 'nothing is due')
		assert.equal(php(`return get_transient('doing_cron');`), false, 'no run is under way')
		const posted = () => pages.reduce((sum, page) => sum + page.beats.length, 0)
		const ticks = (page) => page.frames.received.filter(({ type }) => type === 'tick').length
		const native = async () => {
			const before = pages.map(ticks)
			await until('beats that heartbeatd answers', () => pages.every((page, i) => ticks(page) >= before[i] + 2), 60)
		}
		await native()

		// The test runs no PHP while it waits: that would run the event.
		const file = `${site.dir}/wp-content/event`
		const event = async (seconds) => {
			await until('the event', () => existsSync(file), seconds + 45)
				.catch((error) => assert.fail(`${error.message}; posted: ${posted()}; ${php(`return json_encode(array(get_option('heartbeatd_failures'), get_transient('doing_cron'), time(), heartbeatd_next_event_time(get_option('cron'))));`)}`))
			const at = Number(readFileSync(file, 'utf8'))
			rmSync(file)
			return at
		}
		// The second of two events is due before the first.
		for (const seconds of [20, 8]) {
			await t.test(`an event that is due in ${seconds} seconds runs`, async () => {
				const before = posted()
				const due = php(`$due = time() + ${seconds}; wp_schedule_single_event($due, 'live_event'); return $due;`)
				const ran = await event(seconds)
				t.diagnostic(`an event that was due in ${seconds} s ran ${(ran - due).toFixed(1)} s late, with beats every ${INTERVAL} s`)
				assert.ok(ran - due < INTERVAL + 8, `${ran - due} s late`)
				await native()
				assert.equal(posted() - before, 1, 'one beat went to PHP')
			})
		}

		// The request to wp-cron.php schedules the event and calls heartbeatd.
		await t.test('an event that another event schedules runs', async () => {
			const before = posted()
			const again = 12
			php(`wp_schedule_single_event(time() + 8, 'live_event', array(${again})); return 1;`)
			const first = await event(8)
			const late = await event(again) - first - again
			t.diagnostic(`it ran ${late.toFixed(1)} s late`)
			assert.ok(late < INTERVAL + 8, `${late} s late`)
			await native()
			assert.equal(posted() - before, 2, 'one beat for each event went to PHP')
		})
	})
})
