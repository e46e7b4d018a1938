// The serials of revocations when the database, a cache or an older heartbeatd does not do what
// the plugin expects. The test plays heartbeatd's API, so that it can refuse calls.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startAPI } from './fake-api.mjs'
import { withPlugin } from './plugin.mjs'

const accepted = [202, {}]
const bad = [400, { code: 'bad_request', message: 'unknown field', data: { status: 400 } }]

test('serials of revocations', { timeout: 300_000 }, async (t) => {
	const api = await startAPI(t)
	await withPlugin(t, async ({ site, ask }) => {
		const { id: author } = site.users.author
		// sent runs code, sends the queued calls, and returns the bodies of the revocations.
		const sent = async (code, answer = () => accepted) => {
			Object.assign(api, { revokes: [], answer })
			await ask(`update_option('heartbeatd_failures', array()); ${code} heartbeatd_flush(); return 1;`)
			return api.revokes
		}
		const stored = () => ask(`return array_map('floatval', array(get_user_meta(${author}, 'heartbeatd_serial', true), get_option('heartbeatd_serial')));`)
		// failing makes statements fail that match a pattern, as a lost connection or a deadlock does.
		const failing = (pattern) => `$GLOBALS['wpdb']->suppress_errors(); add_filter('query', fn ($query) => preg_match('/${pattern}/', $query) ? 'SELECT missing' : $query);`

		await t.test('a revocation whose serial the database does not increase has no serial', async () => {
			await sent(`heartbeatd_revoke_user(${author}); heartbeatd_revoke_all();`)
			const before = await stored()
			for (const serial of before) assert.ok(Math.abs(serial - Date.now()) < 60_000, `${serial}`)
			const bodies = await sent(`${failing('^UPDATE .*GREATEST')} heartbeatd_revoke_user(${author}); heartbeatd_revoke_all();`)
			for (const body of bodies) assert.ok(Math.abs(body.until_ms - Date.now()) < 60_000, JSON.stringify(body))
			assert.deepEqual(bodies.map(({ until_ms: time, ...body }) => body), [{ user: author }, { all: true }])
			assert.deepEqual(await stored(), before)
		})

		await t.test('a user whom the database does not find is not deleted', async () => {
			const [{ serial, user }] = await sent(`wp_cache_delete(${author}, 'users'); ${failing('^SELECT .*_users ')} heartbeatd_revoke_user(${author});`)
			assert.equal(user, author)
			assert.ok(serial < Date.now() + 60_000, `${serial}`)
			assert.equal((await sent('heartbeatd_revoke_user(999999);'))[0].serial, 2 ** 53)
		})

		await t.test('an older heartbeatd gets a revocation without the serial', async () => {
			const older = () => 'serial' in api.revokes.at(-1) ? bad : accepted
			const bodies = await sent(`heartbeatd_revoke_user(${author});`, older)
			assert.deepEqual(bodies.map((body) => Object.keys(body)), [['user', 'until_ms', 'serial'], ['user', 'until_ms']])
			assert.equal(await ask(`return get_option('heartbeatd_unrevoked');`), '0', 'nothing is repeated')
			assert.equal((await sent(`heartbeatd_revoke_user(${author});`, () => bad)).length, 2, 'another error is not repeated any more')
			const repeated = await sent(`heartbeatd_push('all', 1);`, () => api.revokes.length ? older() : accepted)
			assert.deepEqual(repeated.map((body) => Object.keys(body)), [['all', 'until_ms', 'serial'], ['all', 'until_ms']])
			assert.equal(await ask(`return get_option('heartbeatd_unrevoked');`), '0')
		})

		await t.test('a failed revocation with a higher serial than tickets have is repeated without it', async () => {
			const time = Date.now() - 1000
			await ask(`update_option('heartbeatd_serial', 5); update_option('heartbeatd_unrevoked', ${time}); return 1;`)
			assert.deepEqual(await sent(`heartbeatd_push('all', 1);`), [{ all: true, until_ms: time }])
		})

		await t.test('a cache without the serial does not decrease it', async () => {
			const serial = Date.now() + 600_000
			const stale = `update_option('heartbeatd_serial', ${serial}); $all = wp_load_alloptions(); unset($all['heartbeatd_serial']); wp_cache_set('alloptions', $all, 'options'); wp_cache_set('notoptions', array('heartbeatd_serial' => true), 'options');`
			const [body] = await sent(`${stale} heartbeatd_revoke_all();`)
			assert.equal(body.serial, serial + 1)
			assert.equal(await ask(`${stale} require_once WP_PLUGIN_DIR . '/heartbeatd/includes/settings/options.php'; heartbeatd_add_options(); return get_option('heartbeatd_serial');`), `${serial}`)
			const [first] = await sent(`delete_option('heartbeatd_serial'); heartbeatd_revoke_all();`)
			assert.ok(Math.abs(first.serial - Date.now()) < 60_000, `${first.serial}`)
			assert.deepEqual(await ask(`return array(get_option('heartbeatd_serial'), wp_load_alloptions()['heartbeatd_serial']);`), [`${first.serial}`, `${first.serial}`])
		})

		await t.test('numbers do not depend on serialize_precision', async () => {
			const [body] = await sent(`ini_set('serialize_precision', '10'); heartbeatd_revoke_user(${author});`)
			assert.equal(body.serial, (await stored())[0])
			assert.equal(await ask(`ini_set('serialize_precision', '10'); return heartbeatd_json_encode(heartbeatd_last_serials()[1]);`), `${(await stored())[1]}`)
		})

		await t.test('the revocations of a request have one serial of the site, and no cache keeps an earlier one', async () => {
			const [, before] = await stored()
			const stale = `wp_cache_set('alloptions', array_merge(wp_load_alloptions(), array('heartbeatd_serial' => '1')), 'options');`
			const bodies = await sent(`$GLOBALS['updates'] = 0; add_filter('query', function ($query) { $GLOBALS['updates'] += (int) preg_match('/^UPDATE .*_options .*GREATEST/', $query); return $query; });
				heartbeatd_enqueue_call('/revoke', array('room' => 'postType/post:1')); heartbeatd_revoke_all();
				add_action('heartbeatd_called', function () { ${stale} }); heartbeatd_flush();
				update_option('counted', array($GLOBALS['updates'], get_option('heartbeatd_serial')));`)
			assert.equal(bodies.length, 2)
			assert.equal(bodies[0].serial, bodies[1].serial)
			assert.ok(bodies[0].serial > before)
			assert.deepEqual(await ask(`return get_option('counted');`), [1, `${bodies[0].serial}`])
		})

		await t.test('revocations of a later flush have higher serials', async () => {
			const [first, second] = await sent(`heartbeatd_revoke_user(${author}); heartbeatd_flush(); heartbeatd_revoke_user(${author});`)
			assert.ok(second.serial > first.serial)
		})
	}, { constants: { HEARTBEATD_API: api.url } })
})
