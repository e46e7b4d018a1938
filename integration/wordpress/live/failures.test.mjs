// heartbeatd is killed, hangs, is replaced by another program, or has another secret or a wrong
// clock: the admin works as without it, and no page is slower.

import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { addMuPlugin, secret } from '../plugin.mjs'
import { beat, editorOf, linked, newEditor, newPost, since, until, withLive } from './live.mjs'

const constants = { AUTOSAVE_INTERVAL: '5' }
const LOADS = 10
// The plugin's calls may take 300 ms each, and opening a link takes seconds. Neither may delay a
// page, apart from a list of presence, for which it waits 150 ms. A busy machine slows what the plugin
// does as it slows the page.
const SLOWER = { response: 200, editor: 200, load: 1000 }
const BUSY = 1.5
// The link waits 2.5 s for an answer.
const PATIENCE = 5000

// Sets the clock with which the site signs tickets and keys, and the secret of PHP.
const signing = `
if (isset($_GET['live_secret'])) exit(md5(HEARTBEATD_SECRET));
function live_shifted($token, $seconds) {
	$claims = json_decode(base64_decode(strtr(explode('.', $token)[1], '-_', '+/')), true);
	foreach (array_intersect(array('iat', 'exp', 'fresh_until'), array_keys($claims)) as $name) $claims[$name] += $seconds;
	return heartbeatd_sign_jwt($claims);
}
if (isset($_COOKIE['live_clock'])) {
	add_action('admin_print_scripts', function () {
		$ticket = live_shifted(heartbeatd_sign_ticket(heartbeatd_page_claims()), (int) $_COOKIE['live_clock']);
		wp_add_inline_script('heartbeat', 'window.heartbeatSettings.heartbeatd.ticket = ' . wp_json_encode($ticket) . ';', 'before');
	}, 3);
	add_action('admin_init', fn () => ob_start(function ($output) {
		foreach (headers_list() as $line) {
			if (0 === stripos($line, 'X-Heartbeatd-Ticket: ')) header('X-Heartbeatd-Ticket: ' . live_shifted(substr($line, 21), (int) $_COOKIE['live_clock']));
		}
		return $output;
	}));
	add_filter('http_request_args', function ($args) {
		$key = $args['headers']['Authorization'] ?? '';
		if (0 === strpos($key, 'Bearer ')) $args['headers']['Authorization'] = 'Bearer ' . live_shifted(substr($key, 7), (int) $_COOKIE['live_clock']);
		return $args;
	});
}
`

// Each fault is set and cleared; report is what the settings screen shows in between.
const failures = {
	'killed': {
		report: /heartbeatd does not run, or cannot be reached/,
		break: ({ server }) => server.stop('SIGKILL'),
		fix: ({ server }) => server.restart(),
	},
	'hung': {
		report: /heartbeatd does not run, or cannot be reached/,
		break: (parts) => { parts.pid = heartbeatdProcess(); process.kill(parts.pid, 'SIGSTOP') },
		fix: ({ pid }) => process.kill(pid, 'SIGCONT'),
	},
	'garbage in its place': {
		report: /The server at this address is not heartbeatd \(status 200\)/,
		async break(parts) {
			await parts.server.stop('SIGKILL')
			parts.standIns = await Promise.all([parts.server.url, parts.server.admin].map(startGarbage))
		},
		async fix({ server, standIns }) {
			await Promise.all(standIns.map((stop) => stop()))
			await server.restart()
		},
	},
	'wrong secret': {
		report: /heartbeatd has another secret for this site/,
		break: ({ site, php }) => changeSecret(site, php, secret, 'another secret, which heartbeatd does not know'),
		fix: ({ site, php }) => changeSecret(site, php, 'another secret, which heartbeatd does not know', secret),
	},
	'clock ten minutes ahead': { report: /The clocks of WordPress and heartbeatd are more than five minutes apart/, ...setClock(600) },
	'clock ten minutes behind': { report: /The clocks of WordPress and heartbeatd are more than five minutes apart/, ...setClock(-600) },
}

test('the admin works while heartbeatd fails', { timeout: 600_000 }, async (t) => {
	await withLive(t, async (parts) => {
		const { site, person, php } = parts
		addMuPlugin(site, 'signing', signing)
		parts.ours = await person('admin', { editor: 'classic' })
		// Pages of an administrator take longer than those of an editor.
		const { id } = newEditor(site, php, 'corinna')
		php(`(new WP_User(${id}))->set_role('administrator'); return 1;`)
		parts.core = await person('corinna', { client: 'core', editor: 'classic' })
		for (const [name, failure] of Object.entries(failures)) {
			await t.test(name, async (t) => {
				const connected = await parts.ours.open('/wp-admin/')
				await linked(connected, 'websocket')
				await failure.break(parts)
				try {
					await goesOn(connected)
					await works(parts, failure.report)
					await isNoSlower(t, parts)
				} finally {
					await failure.fix(parts)
				}
				await connected.close()
				// After garbage the browser waits before it tries again. The settings screen tries at once.
				const settings = await parts.ours.open('/wp-admin/options-general.php?page=heartbeatd')
				await linked(settings, 'websocket')
				await settings.close()
				const again = await parts.ours.open('/wp-admin/')
				await linked(again, 'websocket')
				await again.close()
			})
		}
	}, { constants, patient: false })
})

// The beats of a page that was connected are answered, and no event reports a failure.
async function goesOn(page) {
	await page.evaluate(() => {
		window.failed = []
		jQuery(document).on('heartbeat-error heartbeat-connection-lost', (event) => window.failed.push(event.type))
	})
	for (let i = 0; i < 2; i++) {
		const asked = since()
		assert.equal((await beat(page))['wp-auth-check'], true)
		assert.ok(asked() < PATIENCE, `a tick after ${asked()} ms`)
	}
	assert.deepEqual(await page.evaluate(() => window.failed), [])
}

// Pages that are opened now: an editor saves, a list shows who edits the post, and the settings
// screen names the fault.
async function works({ php, core, ours }, report) {
	const id = newPost(php, 'Written without heartbeatd', core.id)
	const list = await core.open('/wp-admin/edit.php')
	const page = await ours.open(editorOf(id))
	const errors = []
	page.on('pageerror', (error) => errors.push(error.message))
	await linked(page)
	await page.click('#content-html')
	await page.fill('#content', 'Words.')
	await page.evaluate(() => wp.autosave.server.triggerSave())
	await until('the autosave', () => php(`$saved = wp_get_post_autosave(${id}, ${ours.id}); return $saved && $saved->post_content === 'Words.';`))
	await beat(list)
	assert.ok(await list.locator(`#post-${id}.wp-locked`).count())
	assert.deepEqual(errors, [])
	await page.goto(new URL('/wp-admin/options-general.php?page=heartbeatd', page.url()).href)
	assert.match(await page.innerText('#heartbeatd-report'), report)
	await Promise.all([page.close(), list.close()])
}

// Loads the same pages with and without the plugin, in turns, and measures the time until the
// page has arrived and until the browser has loaded everything. One of the pages is an editor,
// whose lock is sent to heartbeatd, also after a failed call.
async function isNoSlower(t, { php, core, ours }) {
	const times = { response: { core: [], ours: [] }, load: { core: [], ours: [] }, editor: { core: [], ours: [] } }
	// The fastest load shows the time that a page needs, also on a busy machine.
	const isSlower = ([what, { core, ours }]) => Math.min(...ours) >= BUSY * Math.min(...core) + SLOWER[what]
	for (let i = 0; i < LOADS && (!i || Object.entries(times).some(isSlower)); i++) {
		for (const [name, person] of Object.entries({ core, ours })) {
			const { response, load } = await pageLoad(person)
			times.response[name].push(response)
			times.load[name].push(load)
			times.editor[name].push(await editorLoad(person, php))
		}
	}
	for (const [what, { core, ours }] of Object.entries(times)) {
		t.diagnostic(`${what}: ${core} ms without the plugin, ${ours} ms with it`)
		assert.ok(!isSlower([what, { core, ours }]), `${what}: ${core} without, ${ours} with`)
	}
}

async function pageLoad(person) {
	const page = await person.open('/wp-admin/')
	const { responseEnd, loadEventStart } = await page.evaluate(() => performance.getEntriesByType('navigation')[0].toJSON())
	await page.close()
	return { response: Math.round(responseEnd), load: Math.round(loadEventStart) }
}

async function editorLoad(person, php) {
	const id = php(`update_option('heartbeatd_failures', array()); return wp_insert_post(array('post_title' => 'Load', 'post_status' => 'publish'));`)
	const asked = since()
	const answer = await person.context.request.get(new URL(editorOf(id), person.url).href)
	assert.match(await answer.text(), /id="active_post_lock"/)
	return asked()
}

// heartbeatd is a child of this process.
function heartbeatdProcess() {
	const children = readdirSync('/proc/self/task').flatMap((task) => readFileSync(`/proc/self/task/${task}/children`, 'utf8').trim().split(' '))
	return Number(children.find((pid) => pid && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('heartbeatd\0serve')))
}

// startGarbage starts a server that sends invalid answers.
async function startGarbage(url) {
	const sockets = new Set()
	const server = createServer((request, response) => response.end('<h1>It works!</h1>'))
	server.on('connection', (socket) => sockets.add(socket))
	server.on('upgrade', (request, socket) => socket.end('\x00\x01garbage\r\n\r\n'))
	await new Promise((done) => server.listen(new URL(url).port, '127.0.0.1', done))
	return () => {
		for (const socket of sockets) socket.destroy()
		return new Promise((done) => server.close(done))
	}
}

async function changeSecret(site, php, from, to) {
	const file = `${site.dir}/wp-config.php`
	writeFileSync(file, readFileSync(file, 'utf8').replace(from, to))
	// PHP's opcode cache notices a changed file after two seconds.
	const signed = async () => (await fetch(`${site.url}/?live_secret`)).text()
	await until('the new secret', async () => (await signed()) === php(`return md5(HEARTBEATD_SECRET);`))
}

function setClock(seconds) {
	const name = 'live_clock'
	return {
		break: ({ ours, site }) => ours.context.addCookies([{ name, value: String(seconds), url: site.url }]),
		fix: ({ ours }) => ours.context.clearCookies({ name }),
	}
}
