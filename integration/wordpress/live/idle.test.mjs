// Who is idle as others see it: input decides, on screens whose beats heartbeatd answers and on
// those whose beats PHP answers. The beats must be as many as those of core's client.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startWatch } from '../../browser/harness.mjs'
import { logIn } from '../presence/person.mjs'
import { beat, editorOf, linked, newEditor, newPost, since, until, withLive } from './live.mjs'

const SECONDS = 78 // longer than the interval

// record stores twice a second who is idle in the dashboard's widgets and the admin bar.
const record = (page) => page.evaluate(() => {
	const idle = (selector) => Array.from(document.querySelectorAll(selector), (element) => element.textContent)
	window.seen = []
	window.setInterval(() => window.seen.push({
		at: performance.now(),
		widget: idle('#heartbeatd-who li:has(.heartbeatd-idle) .heartbeatd-name'),
		bar: idle('#wp-admin-bar-heartbeatd-online li:has(.heartbeatd-idle) .heartbeatd-name'),
		posts: Array.from(document.querySelectorAll('#heartbeatd-active-posts li[title$="(idle)"]'), (face) => face.title.replace(' (idle)', '')),
	}), 500)
	return performance.now()
})

// count makes a page count its beats from now on.
const count = (page) => page.evaluate(() => {
	window.sent = 0
	jQuery(document).on('heartbeat-send', () => window.sent++)
})

async function moveFor(page, seconds) {
	const elapsed = since()
	for (let i = 0; elapsed() < 1000 * seconds; i++) {
		await page.mouse.move(100 + (i % 50), 100)
		await sleep(1000)
	}
}

test('users are idle by their input, on all screens', { timeout: 400_000 }, async (t) => {
	await withLive(t, async ({ site, server, php, person }) => {
		const watched = await startWatch(t, server)
		const names = { worker: 'author', still: newEditor(site, php, 'still').login, writer: newEditor(site, php, 'writer').login }
		const post = newPost(php, 'Being written', site.users.writer.id)
		const admin = await person('admin', { client: 'websocket' })
		const people = {}
		for (const [role, user] of Object.entries(names)) people[role] = await person(user, { client: 'websocket', editor: 'classic' })
		for (const [who, path] of [[admin, '/wp-admin/'], [people.still, '/wp-admin/tools.php']]) { // heartbeatd answers their beats from now on
			const page = await who.open(path)
			await linked(page, 'websocket')
			await beat(page)
			await page.close()
		}
		const core = await (await person('editor', { client: 'core' })).open('/wp-admin/tools.php')
		await count(core)

		const dashboard = await admin.open('/wp-admin/')
		const pages = {
			worker: await people.worker.open('/wp-admin/tools.php'), // PHP answers its beats
			writer: await people.writer.open(editorOf(post)),
			still: await people.still.open('/wp-admin/tools.php'),
		}
		for (const page of [dashboard, ...Object.values(pages)]) await linked(page, 'websocket')
		await beat(dashboard)
		await until('everybody', () => dashboard.evaluate(() => document.querySelectorAll('#heartbeatd-who li').length === 4))
		await sleep(500) // pages whose beats heartbeatd answers have beaten once
		const start = await record(dashboard)
		for (const page of [pages.worker, pages.still]) await count(page)

		const byPHP = await logIn(site, 'admin')
		const writerIs = async (asked) => (await asked)['presence-active-posts'].find(({ post_id: id }) => id === post).editors.map(({ display_name, status }) => [display_name, status])
		const ask = async () => {
			await sleep(45_000)
			const editors = [await writerIs(beat(dashboard)), await writerIs(byPHP.beat({ 'presence-active-posts-ping': true }))]
			const html = await (await admin.context.request.get(`${admin.url}/wp-admin/users.php`)).text()
			return { editors, printed: [people.worker, people.still, people.writer].map(({ id }) => html.match(new RegExp(`is-(\\w+)" data-user="${id}"`))[1]) }
		}
		const [asked] = await Promise.all([ask(), moveFor(pages.worker, SECONDS)])

		const seen = (await dashboard.evaluate(() => window.seen)).map((look) => ({ ...look, at: (look.at - start) / 1000 }))
		const [worker, ...quiet] = [site.users.author.login, 'still', 'writer'].map((login) => php(`return get_user_by('login', '${login}')->display_name;`))
		const during = (from, to) => seen.filter(({ at }) => at >= from && at <= to)
		const span = (looks) => looks.length ? `${looks.length}, from ${looks[0].at.toFixed(1)} s to ${looks.at(-1).at.toFixed(1)} s` : 'none'
		for (const name of [worker, ...quiet]) t.diagnostic(`${name} is idle in ${span(seen.filter(({ widget }) => widget.includes(name)))} of ${seen.length} looks`)
		t.diagnostic(`beats: core's client ${await core.evaluate(() => window.sent)}, at work ${await pages.worker.evaluate(() => window.sent)}, still ${await pages.still.evaluate(() => window.sent)}`)
		const events = (id) => watched.filter(({ client_id, event }) => client_id === `user-${id}` && event === 'updated').map(({ idle }) => idle)
		t.diagnostic(`after 45 s: ${JSON.stringify(asked)}`)
		t.diagnostic(`watch: at work ${JSON.stringify(events(people.worker.id))}, still ${JSON.stringify(events(people.still.id))}`)

		assert.deepEqual(seen.filter(({ widget, bar }) => [...widget, ...bar].includes(worker)), [], 'whoever moves the mouse is at work')
		assert.deepEqual(during(0, 15).filter(({ widget }) => quiet.some((name) => widget.includes(name))), [], 'nobody is idle so soon')
		for (const name of quiet) {
			for (const place of ['widget', 'bar']) assert.deepEqual(during(36, SECONDS).filter((look) => !look[place].includes(name)), [], `${name} in the ${place}, across beats`)
		}
		assert.deepEqual(during(36, SECONDS).filter(({ posts }) => !posts.includes('writer')), [], 'in the posts that are edited')
		assert.deepEqual(asked, { editors: [[['writer', 'idle']], [['writer', 'idle']]], printed: ['online', 'idle', 'idle'] }, 'as heartbeatd and PHP answer, and as PHP prints it')
		assert.deepEqual(events(people.worker.id).filter((idle) => idle !== false), [])
		assert.deepEqual(events(people.still.id).filter((idle) => idle), [true], 'watch says so once')
		for (const page of [pages.worker, pages.still]) assert.equal(await page.evaluate(() => window.sent), await core.evaluate(() => window.sent), 'as many beats as core\'s client')

		await pages.still.mouse.move(10, 10)
		const back = since()
		await until('still is back in the widget', () => dashboard.evaluate(() => !Array.from(document.querySelectorAll('#heartbeatd-who li:has(.heartbeatd-idle)'), (li) => li.innerText).some((text) => text.includes('still'))))
		t.diagnostic(`active again in the widget after ${back()} ms`)
		assert.ok(back() < 3000)
		await until('and in watch', () => events(people.still.id).at(-1) === false)
	})
})
