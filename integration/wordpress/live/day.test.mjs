// A day in the admin, as three observers see it: Anna, who works; Ben, who has the dashboard
// open; and a service that reads presence from NATS. The test prints what each of them sees and
// when. HEARTBEATD_SCREENSHOTS names a folder for screenshots.

import assert from 'node:assert/strict'
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { startChromium, startWatch } from '../../browser/harness.mjs'
import { addMuPlugin, beat, editorOf, linked, newPost, setVisibility, since, until, withLive } from './live.mjs'

// The entries of a closed page stay for ten seconds, a dead socket is detected within 35, and the
// entries of a hidden tab expire after the TTL, which is a third of the default here.
const SECONDS = 60
const flags = ['--presence-ttl', '20s']

test('a day in the admin: everybody sees each step in time', { timeout: 400_000 }, async (t) => {
	await withLive(t, async ({ site, person, php, server }) => {
		giveFaces(site)
		const observer = await observe(t, server)
		const ben = await person('admin')
		php(`update_user_meta(${ben.id}, 'show_welcome_panel', 0); update_user_meta(${ben.id}, 'metaboxhidden_dashboard', array('dashboard_site_health', 'dashboard_right_now', 'dashboard_activity', 'dashboard_quick_press', 'dashboard_primary'));`)
		const dashboard = await ben.open('/wp-admin/')
		await linked(dashboard, 'websocket')
		await beat(dashboard)
		await until('Ben to see himself', () => who(dashboard).then((people) => people.admin))

		const laptop = await startLaptop(t)
		const day = { t, dashboard, observer, anna: await person('editor', { browser: laptop.browser }) }
		const post = newPost(php, 'The news', day.anna.id)
		const user = `user-${day.anna.id}`
		const editor = `editor-${day.anna.id}`
		const room = `postType/post:${post}`

		const page = await day.anna.context.newPage()
		const visit = async (path) => {
			await page.goto(new URL(path, dashboard.url()).href)
			return page
		}
		await step(day, 'logs in', {
			what: () => visit('/wp-admin/'),
			ben: ({ Editor }) => Editor === 'Dashboard',
			// The log-in wrote an entry, which lives ten seconds.
			nats: ['updated', 'joined'].map((event) => `${event} admin/online ${user} dashboard`),
			anna: () => who(page).then((people) => people.admin === 'Dashboard' && people.Editor === 'Dashboard'),
		})
		await step(day, 'goes to the posts list', {
			what: () => visit('/wp-admin/edit.php'),
			ben: ({ Editor }) => Editor === 'Posts',
			nats: `updated admin/online ${user} edit-post`,
			anna: () => count(page).then((n) => n === 2),
		})
		await step(day, 'opens the post', {
			what: () => visit(editorOf(post)),
			ben: ({ Editor }, posts) => Editor === 'Edit Post' && posts['The news'] === 'Editor',
			nats: `joined ${room} ${editor} post`,
		})
		await dashboard.hover('#wp-admin-bar-heartbeatd-online')
		await shot(dashboard, 'dashboard')
		await shot(page, 'editor')

		const second = await day.anna.context.newPage()
		await step(day, 'opens a second tab', {
			what: () => second.goto(new URL('/wp-admin/edit.php?post_type=page', dashboard.url()).href),
			ben: ({ Editor }, posts) => Editor === 'Pages' && posts['The news'] === 'Editor',
			nats: `updated admin/online ${user} edit-page`,
			anna: () => count(second).then((n) => n === 2),
		})
		const told = observer.length
		await step(day, 'closes the second tab', {
			what: () => second.close(),
			ben: ({ Editor }, posts) => Editor === 'Edit Post' && posts['The news'] === 'Editor',
			nats: `updated admin/online ${user} post`,
		})
		assert.ok(!observer.slice(told).some((line) => line.startsWith('left')), 'a tab was closed, nobody left')

		await step(day, 'hides the tab', {
			// Anna still has the lock: the post is shown as being edited.
			what: () => setVisibility(page, 'hidden'),
			ben: (people, posts) => !('Editor' in people) && posts['The news'] === 'Editor',
			nats: `left admin/online ${user}`,
		})
		await step(day, 'shows it again', {
			what: () => setVisibility(page, 'visible').then(() => beat(page)),
			ben: ({ Editor }, posts) => Editor === 'Edit Post' && posts['The news'] === 'Editor',
			nats: `joined admin/online ${user} post`,
		})
		await step(day, 'shuts the laptop', {
			what: () => laptop.freeze(),
			ben: (people, posts) => !('Editor' in people) && !posts['The news'],
			nats: `left ${room} ${editor}`,
		})
		await step(day, 'opens the laptop', {
			what: () => laptop.thaw(),
			ben: ({ Editor }, posts) => Editor === 'Edit Post' && posts['The news'] === 'Editor',
			nats: `joined ${room} ${editor} post`,
		})
		await step(day, 'logs out', {
			what: async () => {
				const out = await page.locator('#wp-admin-bar-logout a').getAttribute('href')
				await page.goto(out)
			},
			ben: (people, posts) => !('Editor' in people) && !posts['The news'],
			nats: `left admin/online ${user}`,
		})
		await shot(dashboard, 'dashboard-after')
	}, { flags })
})

// step does something, and waits until each of the three observers has seen it.
async function step({ t, dashboard, observer }, name, { what, ben, nats, anna }) {
	const from = observer.length
	const clock = since()
	await what()
	const done = clock()
	const timed = (who, condition) => until(`${name}, seen by ${who}`, condition, SECONDS).then(() => `${who} after ${clock()} ms`)
	const seen = await Promise.all([
		timed('Ben', async () => ben(await who(dashboard), await edited(dashboard))),
		timed('NATS', () => observer.slice(from).some((line) => [nats].flat().includes(line))),
		...(anna ? [timed('Anna', anna)] : []),
	])
	t.diagnostic(`${name} (${done} ms): ${seen.join(', ')}`)
}

// observe returns the output of heartbeatd watch as lines.
async function observe(t, server) {
	const lines = []
	const watched = await startWatch(t, server)
	const push = watched.push
	watched.push = (...found) => {
		lines.push(...found.map(({ event, room, client_id: id, data }) => [event, room, id, ...(event === 'left' ? [] : [data.screen])].join(' ')))
		return push.apply(watched, found)
	}
	return lines
}

// giveFaces draws avatars, because there is no network to load them from.
function giveFaces(site) {
	const colours = ['#7a4', '#47a', '#a47', '#a74']
	Object.values(site.users).forEach(({ id }, i) => {
		const face = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><path fill="${colours[i % 4]}" d="M0 0h24v24H0z"/><circle cx="12" cy="9" r="5" fill="#fff"/><path fill="#fff" d="M3 24a9 9 0 0 1 18 0z"/></svg>`
		writeFileSync(`${site.dir}/wp-content/face-${id}.svg`, face, { mode: 0o644 })
	})
	addMuPlugin(site, 'faces', "add_filter('get_avatar_url', fn ($url, $of) => content_url('face-' . (is_object($of) ? ($of->ID ?? $of->user_id ?? 0) : (int) $of) . '.svg'), 10, 2);")
}

// who returns what the widget Who's Online shows: screens by name.
const who = (page) => page.evaluate(() => Object.fromEntries(Array.from(
	document.querySelectorAll('#heartbeatd-who .heartbeatd-person'),
	(item) => [item.querySelector('.heartbeatd-name').textContent, item.querySelector('.heartbeatd-screen')?.textContent],
)))

// edited returns what the widget of posts being edited shows: names by title.
const edited = (page) => page.evaluate(() => Object.fromEntries(Array.from(
	document.querySelectorAll('#heartbeatd-active-posts .heartbeatd-post'),
	(item) => [item.querySelector('a').textContent, Array.from(item.querySelectorAll('.heartbeatd-faces > li'), (face) => face.title.replace(/ \(idle\)$/, '')).join()],
)))

const count = (page) => page.evaluate(() => Number(document.querySelector('#wp-admin-bar-heartbeatd-online .ab-label > span')?.textContent))

// startLaptop starts a Chromium that can be stopped, as when a laptop's lid is closed: its
// sockets stay open and are silent.
async function startLaptop(t) {
	const before = children()
	const browser = await startChromium(t)
	const pid = children().find((pid) => !before.includes(pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('chrom'))
	const signal = (name) => process.kill(-pid, name) // the process group: Chromium has many processes
	t.after(() => signal('SIGCONT'))
	return { browser, freeze: async () => signal('SIGSTOP'), thaw: async () => signal('SIGCONT') }
}

const children = () => readdirSync('/proc/self/task').flatMap((task) => readFileSync(`/proc/self/task/${task}/children`, 'utf8').split(' ').filter(Boolean).map(Number))

async function shot(page, name) {
	if (process.env.HEARTBEATD_SCREENSHOTS) await page.screenshot({ path: `${process.env.HEARTBEATD_SCREENSHOTS}/${name}.png`, fullPage: true })
}
