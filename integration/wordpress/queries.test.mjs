// The database queries of the plugin: the same requests of the front end and the admin are made
// with and without the plugin, and their queries are compared. There is no persistent object
// cache, unless a test says so.

import assert from 'node:assert/strict'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { test } from 'node:test'
import { until } from '../browser/harness.mjs'
import { startRedis } from './live/redis.mjs'
import { makeNetwork } from './network.mjs'
import { addMuPlugin, logIn, withPlugin } from './plugin.mjs'

// The header Live-Plugins: off disables the plugin for one request. The queries of each request
// are logged with all numbers made equal, and with whether code of the plugin was running.
const log = `
if (($_SERVER['HTTP_LIVE_PLUGINS'] ?? '') === 'off') {
	add_filter('option_active_plugins', fn ($plugins) => array_values(array_diff($plugins, array('heartbeatd/heartbeatd.php'))));
	add_filter('site_option_active_sitewide_plugins', fn ($plugins) => array_diff_key($plugins, array('heartbeatd/heartbeatd.php' => true)));
}
add_action('wp_enqueue_scripts', fn () => wp_enqueue_script('heartbeat'));
add_action('init', function () { if (isset($_GET['push'])) heartbeatd_push('all', 1); });
if (isset($_SERVER['HTTP_LIVE_QUERIES'])) {
	$GLOBALS['live_queries'] = array();
	add_filter('query', function ($query) {
		$files = array_column(debug_backtrace(DEBUG_BACKTRACE_IGNORE_ARGS), 'file');
		$GLOBALS['live_queries'][] = array(preg_replace('/\\\\d+/', '0', $query), (bool) preg_grep('#/plugins/heartbeatd/#', $files));
		return $query;
	});
	register_shutdown_function(fn () => register_shutdown_function(function () {
		file_put_contents(WP_CONTENT_DIR . '/queries.tmp', json_encode($GLOBALS['live_queries']));
		rename(WP_CONTENT_DIR . '/queries.tmp', WP_CONTENT_DIR . '/queries.json');
	}));
}
`

for (const [name, constants] of [['constants', {}], ['the settings screen', null]]) {
	test(`with ${name}, the plugin adds no query`, { timeout: 300_000 }, async (t) => {
		await withPlugin(t, async ({ site, server, browser, php }) => {
			addMuPlugin(site, 'queries', log)
			if (!constants) php(`update_option('heartbeatd', array('secret' => 'a secret of the tests that nobody guesses', 'api' => '${server.admin}')); return 1;`)
			php(`update_option('wp_page_for_privacy_policy', wp_insert_post(array('post_type' => 'page', 'post_title' => 'Privacy', 'post_status' => 'publish'))); return 1;`)
			php(`for ($i = 0; $i < 120; $i++) wp_insert_post(array('post_type' => 'page', 'post_title' => "Page $i", 'post_status' => 'publish')); return 1;`)
			const post = php(`return wp_insert_post(array('post_title' => 'A post', 'post_status' => 'publish'));`)
			const { request } = await logIn(await browser(), site, 'editor')
			const visitor = (await (await browser()).newContext()).request
			const beat = await beats(request, site.url)
			const get = (who, path) => (headers) => who.get(`${site.url}${path}`, { headers })
			const requests = {
				'the front page, logged out': get(visitor, '/'),
				'a post, logged out': get(visitor, `/?p=${post}`),
				'the front page, logged in': get(request, '/'),
				'the REST API': get(visitor, '/wp-json/wp/v2/posts'),
				'the dashboard': get(request, '/wp-admin/'),
				'a settings screen': get(request, '/wp-admin/profile.php'),
				'the posts list': get(request, '/wp-admin/edit.php'),
				'the pages list, far back': get(request, '/wp-admin/edit.php?post_type=page&paged=6'),
				'the editor': get(request, `/wp-admin/post.php?post=${post}&action=edit`),
				'a beat': beat({}),
				'a beat with presence': beat({ 'data[presence-ping][screen]': 'dashboard' }),
				'a beat that asks for a lock': beat({ 'data[wp-refresh-post-lock][post_id]': String(post), 'data[presence-editor-ping][post_id]': String(post) }),
			}
			for (const [what, send] of Object.entries(requests)) {
				await t.test(what, async () => {
					const added = await addedQueries(site, send)
					// Screens that can be saved read the revisions. Core writes a lock only if its
					// second has changed, so not every time.
					const revisions = ([query]) => /screen|editor/.test(what) && query.includes("'heartbeatd_screen_revisions'")
					const lock = ([query]) => /lock|editor/.test(what) && query.startsWith('UPDATE') && query.includes("'_edit_lock'")
					const unexpected = added.filter((one) => !revisions(one) && !lock(one) && (one[1] || !/lock|editor/.test(what)))
					assert.deepEqual(unexpected, [])
					assert.ok(added.filter(lock).length <= 1)
					assert.ok(added.filter(revisions).length <= 1)
				})
			}
			await t.test('a request that calls the API', async () => {
				await queriesOf(site, get(visitor, '/?push=1'), 'on')
				const plain = await queriesOf(site, get(visitor, '/'), 'on')
				assert.deepEqual(await queriesOf(site, get(visitor, '/?push=1'), 'on'), plain)
			})
		}, { constants })
	})
}

test('on a network, the plugin adds no query to a beat', { timeout: 300_000 }, async (t) => {
	await withPlugin(t, async ({ site, browser, php }) => {
		makeNetwork(site, php)
		addMuPlugin(site, 'queries', log)
		const { request } = await logIn(await browser(), site, 'admin')
		for (const [stored, value] of Object.entries({ 'is missing': null, 'is on': '1', 'is off': '0' })) {
			if (value !== null) php(`return update_site_option('wp_presence_network_recording', '${value}');`)
			for (const [name, path] of Object.entries({ 'the main site': '', 'another site': '/second' })) {
				await t.test(`of ${name}, while the recording option ${stored}`, async () => {
					const beat = await beats(request, site.url + path)
					for (const data of [{}, { 'data[presence-ping][screen]': 'dashboard' }]) assert.deepEqual(await addedQueries(site, beat(data)), [])
				})
			}
		}
	}, { flags: ['--site-network'] })
})

// The columns of the table are those for which WordPress asks before it writes an option.
const measuring = ["SELECT .* 'heartbeatd_samples'", 'SHOW FULL COLUMNS', "UPDATE .* 'heartbeatd_samples'"]

for (const [where, expected] of Object.entries({ 'without an object cache': measuring, 'with a persistent object cache': measuring.slice(1) })) {
	test(`what is stored of a measured beat, ${where}`, { timeout: 300_000 }, async (t) => {
		await withPlugin(t, async ({ site, browser, php }) => {
			addMuPlugin(site, 'queries', log)
			if (expected !== measuring) await startRedis(t, site)
			const { request } = await logIn(await browser(), site, 'editor')
			const beat = await beats(request, site.url)
			const measuredBeat = (headers) => beat({})({ ...headers, 'Live-Sample': '1' })
			await measuredBeat({}) // only begins
			await beat({})({})
			const plain = await queriesOf(site, beat({}), 'on')
			for (let samples = 1; samples < 3; samples++) {
				const more = without(await queriesOf(site, measuredBeat, 'on'), plain).map(([query]) => query)
				assert.equal(more.length, expected.length, more.join('\n'))
				expected.forEach((pattern, i) => assert.match(more[i], new RegExp(pattern, 's')))
				assert.equal(Object.values(php(`return heartbeatd_samples()['days'];`))[0].samples, samples)
			}
		})
	})
}

// beats opens a dashboard, and returns what sends a beat of it.
async function beats(request, url) {
	const page = await (await request.get(`${url}/wp-admin/`)).text()
	const nonce = page.match(/heartbeatSettings = .*?"nonce":"(\w+)"/)[1]
	return (data) => (headers) => request.post(`${url}/wp-admin/admin-ajax.php`, {
		headers, form: { action: 'heartbeat', _nonce: nonce, screen_id: 'dashboard', has_focus: 'true', interval: '60', ...data },
	})
}

// addedQueries sends a request with and without the plugin, and returns the queries that it makes
// only with the plugin.
async function addedQueries(site, send) {
	await queriesOf(site, send, 'on') // The first request of each kind writes new options.
	const core = await queriesOf(site, send, 'off')
	assert.ok(core.length > 1)
	return without(await queriesOf(site, send, 'on'), core)
}

// without returns queries without those of another request.
function without(queries, others) {
	const left = queries.slice()
	for (const [query] of others) {
		const same = left.findIndex(([text]) => text === query)
		if (same >= 0) left.splice(same, 1)
	}
	return left
}

// queriesOf sends a request with the plugin on or off, and returns its queries.
async function queriesOf(site, send, plugins) {
	const file = `${site.dir}/wp-content/queries.json`
	rmSync(file, { force: true })
	const answer = await send({ 'Live-Queries': '1', 'Live-Plugins': plugins })
	assert.equal(answer.status(), 200)
	await until('the queries', () => existsSync(file))
	return JSON.parse(readFileSync(file, 'utf8'))
}
