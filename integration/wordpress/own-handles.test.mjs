// Handles that only the plugin's own scripts add to a beat are not seen by other plugins in
// PHP: the same beat, with these handles and without the plugin, runs the same callbacks with
// the same data, and has the same keys in its tick.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { until } from '../browser/harness.mjs'
import { addMuPlugin, withPlugin } from './plugin.mjs'
import { logIn } from './presence/person.mjs'

// The header Live-Plugins: off leaves the plugin out of one request. The callbacks add what
// they were given to the tick.
const watcher = `
if (($_SERVER['HTTP_LIVE_PLUGINS'] ?? '') === 'off') {
	add_filter('option_active_plugins', fn ($plugins) => array_values(array_diff($plugins, array('heartbeatd/heartbeatd.php'))));
}
foreach (array('heartbeat_received', 'heartbeat_nopriv_received') as $hook) {
	add_filter($hook, fn ($response, $data, $screen) => $response + array('received' => array(array_keys($response), array_keys($data), $screen)), 50, 3);
}
foreach (array('heartbeat_send', 'heartbeat_nopriv_send') as $hook) {
	add_filter($hook, fn ($response, $screen) => $response + array(7 => 'a number', 'sent' => array(array_keys($response), $screen, isset($_POST['data']), isset($_REQUEST['data']))), 50, 2);
}
`

test('own handles', { timeout: 300_000 }, async (t) => {
	await withPlugin(t, async ({ site, php }) => {
		addMuPlugin(site, 'watcher', watcher)
		const post = php(`return wp_insert_post(array('post_title' => 'A post', 'post_status' => 'publish'));`)
		const editor = await logIn(site, 'editor')
		const own = { 'presence-ping': { screen: 'dashboard' }, 'presence-editor-ping': { post_id: post }, 'presence-active-posts-ping': true, 'presence-screen-ping': { key: `post/${post}` } }
		const answers = ['presence-active-posts', 'presence-online', 'presence-screen-rev']
		const split = ({ server_time: time, ...tick }) => {
			assert.ok(time > 0)
			const mine = Object.keys(tick).filter((key) => key.startsWith('presence-'))
			return [Object.fromEntries(Object.entries(tick).filter(([key]) => !mine.includes(key))), mine.sort()]
		}
		for (const [what, data] of Object.entries({
			'no other handles': {},
			'a list': { 'wp-check-locked-posts': [`post-${post}`] },
			'an editor': { 'wp-refresh-post-lock': { post_id: post }, 'wp-refresh-post-nonces': { post_id: post } },
			'a handle of a plugin': { stock: { level: 'a\\b "c"' } },
		})) {
			await t.test(what, async () => {
				const [expected] = split(await editor.beat(data, { headers: { 'live-plugins': 'off' } }))
				const [tick, mine] = split(await editor.beat({ ...own, ...data }))
				const lock = ({ 'wp-refresh-post-lock': answer, ...rest }) => [Boolean(answer?.new_lock), rest]
				assert.deepEqual(lock(tick), lock(expected))
				assert.deepEqual(mine, answers)
				assert.equal('received' in tick, Object.keys(data).length > 0)
			})
		}
		await t.test('a page whose link is open', async () => {
			const admin = await logIn(site, 'admin')
			const answersTo = async (data, headers) => split(await admin.beat({ ...own, ...data }, { headers }))[1]
			const link = (mark) => ({ 'heartbeat-link': '1', 'live-mark': mark })
			const frames = { 'presence-active-posts-ping': 'frames', 'wp-refresh-post-lock': { post_id: post } }
			addMuPlugin(site, 'calls', `add_filter('pre_http_request', function ($answer, $args, $url) { if (isset($_SERVER['HTTP_LIVE_MARK'])) { error_log("{$_SERVER['HTTP_LIVE_MARK']} $url\\n", 3, WP_CONTENT_DIR . '/calls.log'); } return $answer; }, 10, 3);`)
			assert.deepEqual(await answersTo(frames, link('knows')), ['presence-screen-rev'], 'the page knows the rest')
			assert.deepEqual(await answersTo({}, link('asks')), ['presence-active-posts', 'presence-screen-rev'], 'a script asks for ticks')
			assert.deepEqual(await answersTo(frames, { 'live-mark': 'alone' }), answers, 'without a link')
			// Entries are written after the response. Those of a later beat are written last.
			const calls = () => readFileSync(`${site.dir}/wp-content/calls.log`, 'utf8')
			await until('an entry of the last beat', () => /^alone \S+\/presence$/m.test(calls()))
			assert.match(calls(), /^asks \S+\/presence/m)
			assert.doesNotMatch(calls(), /^knows \S+\/presence/m)
		})
		await t.test('a page whose user is logged out', async () => {
			const beat = async (data, headers) => split(await editor.beat(data, { headers: { cookie: '', ...headers } }))
			assert.deepEqual(await beat(own, {}), await beat({}, { 'live-plugins': 'off' }))
		})
	})
})
