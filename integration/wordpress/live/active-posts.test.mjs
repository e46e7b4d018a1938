// Pages that show what others edit, on sites where PHP has a say: they cost PHP no more beats
// than with WordPress's own client, and show what changes.

import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'node:test'
import { addMuPlugin, beat, editorOf, linked, newEditor, until, withLive } from './live.mjs'

// A beat that WordPress's client sends at the end of the time may be late on a busy machine.
const LATE = 1000
// Each is opened once, for six seconds.
const POSTS = 10
// How often dashboards beat, in seconds: the shortest interval of core's setting.
const interval = `add_filter('heartbeat_settings', fn ($settings) => array_merge($settings, array('interval' => 15)));`

test('a foreign callback', { timeout: 600_000 }, async (t) => {
	await withLive(t, async ({ site, php, person }) => {
		addMuPlugin(site, 'interval', interval)
		addMuPlugin(site, 'foreign', `add_filter('heartbeat_received', function ($r) { return $r; });`)
		const [editor, ids] = await opener({ site, php, person })
		const dashboards = await open(site, php, person, '/wp-admin/')
		const lists = await open(site, php, person, '/wp-admin/edit.php')
		const foreign = await foreignWidget(site, php, person)
		const shown = watchWidget(dashboards.ours.page)
		for (let i = 0; i < POSTS; i++) {
			await Promise.all([sleep(6000), editor.goto(new URL(editorOf(ids[i]), editor.url()).href)])
		}
		await sleep(LATE)
		compare(t, 'dashboard', 60, dashboards)
		compare(t, 'posts list', 60, lists)
		compare(t, 'dashboard with a widget that waits for ticks', 60, { core: dashboards.core, ours: foreign })
		await t.test('the widget is up to date without a beat', async () => {
			const changes = await shown()
			assert.ok(changes >= POSTS - 2, `${changes} changes were shown`)
		})
	})
})

test('a capability filter', { timeout: 600_000 }, async (t) => {
	await withLive(t, async ({ site, php, person }) => {
		addMuPlugin(site, 'interval', interval)
		// It forbids one post to one user, and otherwise returns what it is given.
		addMuPlugin(site, 'caps', `add_filter('user_has_cap', function ($caps, $wanted, $args) {
			return (int) get_option('forbidden_user') === $args[1] && (int) get_option('forbidden_post') === ($args[2] ?? 0) ? array() : $caps;
		}, 10, 3);`)
		const learner = await (await person('editor', { client: 'websocket' })).open('/wp-admin/')
		await linked(learner, 'websocket')
		await beat(learner)
		await learner.close()
		const [editor, ids] = await opener({ site, php, person })
		const dashboards = await open(site, php, person, '/wp-admin/')
		const { ours } = dashboards
		const foreign = await foreignWidget(site, php, person)
		await editor.goto(new URL(editorOf(ids[0]), editor.url()).href)
		await sleep(1000 * 50 + LATE)
		compare(t, 'dashboard', 50, dashboards)
		compare(t, 'dashboard with a widget that waits for ticks', 50, { core: dashboards.core, ours: foreign })
		const titles = () => ours.page.evaluate(() => Array.from(document.querySelectorAll('#heartbeatd-active-posts .heartbeatd-post a'), (link) => link.textContent))
		assert.deepEqual(await titles(), ['post 0'])

		await t.test('a post that the filter forbids is not shown, and no beat goes to PHP for it twice', async () => {
			php(`update_option('forbidden_user', ${ours.id}); update_option('forbidden_post', ${ids[1]}); return 1;`)
			await editor.goto(new URL(editorOf(ids[1]), editor.url()).href)
			await until('the other one to go', async () => !(await titles()).length, 90)
			const before = ours.beats.length
			assert.equal((await beat(ours.page))['presence-active-posts'].length, 0)
			assert.equal(ours.beats.length, before, 'heartbeatd knows it')
		})

		await t.test('when its author changes, PHP is asked again', async () => {
			php(`update_option('forbidden_user', 0); wp_update_post(array('ID' => ${ids[1]}, 'post_author' => ${ours.id})); return 1;`)
			await until('the post', async () => (await titles()).join() === 'post 1', 70)
		})

		await t.test('a new title is shown, although the ticket of the editor has the old one', async () => {
			php(`wp_update_post(array('ID' => ${ids[1]}, 'post_title' => 'renamed')); return 1;`)
			await until('the title', async () => (await titles()).join() === 'renamed', 70)
		})
	})
})

// open opens a page with each client, and counts its beats to PHP.
async function open(site, php, person, path) {
	const pages = {}
	for (const [name, client] of Object.entries({ core: 'core', ours: 'websocket' })) {
		const login = `${name}${path.replace(/\W/g, '')}`
		newEditor(site, php, login)
		pages[name] = await counted(await person(login, { client }), client, path)
	}
	return pages
}

async function counted(who, client, path) {
	const beats = []
	who.context.on('request', (request) => {
		if (request.url().includes('admin-ajax.php') && /(^|&)action=heartbeat(&|$)/.test(request.postData() ?? '')) beats.push(Date.now())
	})
	const page = await who.open(path, { waitUntil: 'domcontentloaded' })
	const opened = Date.now()
	await linked(page, client)
	return { page, opened, beats, id: who.id }
}

// foreignWidget is a dashboard with a script of another plugin, which waits for ticks.
async function foreignWidget(site, php, person) {
	newEditor(site, php, 'foreign')
	const page = await counted(await person('foreign', { client: 'websocket' }), 'websocket', '/wp-admin/')
	await page.page.evaluate(() => jQuery(document).on('heartbeat-send', (event, data) => { data['presence-active-posts-ping'] = true }))
	return page
}

// opener is a page of somebody who opens one post after the other.
async function opener({ site, php, person }) {
	newEditor(site, php, 'opener')
	const who = await person('opener', { client: 'websocket', editor: 'classic' })
	const ids = php(`return array_map(fn ($i) => wp_insert_post(array('post_title' => "post $i", 'post_status' => 'publish', 'post_author' => ${who.id})), range(0, ${POSTS - 1}));`)
	return [await who.open('/wp-admin/about.php'), ids]
}

function watchWidget(page) {
	const started = page.evaluate(() => {
		window.shown = 0
		new MutationObserver(() => window.shown++).observe(document.querySelector('#heartbeatd-active-posts'), { childList: true, subtree: true })
	})
	return async () => {
		await started
		return page.evaluate(() => window.shown)
	}
}

function compare(t, what, seconds, { core, ours }) {
	const count = ({ opened, beats }, late) => beats.filter((at) => at - opened <= 1000 * seconds + late).length
	const [theirs, own] = [count(core, LATE), count(ours, 0)]
	t.diagnostic(`beats to PHP in ${seconds} s, ${what}: core ${theirs}, ours ${own}`)
	assert.ok(own <= theirs, `${what}: core ${theirs}, ours ${own}`)
	assert.ok(theirs > 0)
}
