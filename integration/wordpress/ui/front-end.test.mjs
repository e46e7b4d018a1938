// Presence on the site's front end, in a browser on a live WordPress: who is shown, what the
// pages of other visitors get, and what is requested from WordPress.
// HEARTBEATD_SCREENSHOTS=folder stores screenshots.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addMuPlugin, beat, linked, newPost, setVisibility, since, until, withLive } from '../live/live.mjs'
import { rest } from '../presence/person.mjs'
import { picture } from './picture.mjs'

const markup = '<img src=x onerror="window.pwned=1">'

// Cookies let another plugin use Heartbeat on the front end, hide the admin bar, and choose the
// transports of a page's link.
const stage = `
if (isset($_COOKIE['front_heartbeat'])) add_action('wp_enqueue_scripts', fn () => wp_enqueue_script('heartbeat'));
if (isset($_COOKIE['front_bare'])) add_filter('show_admin_bar', '__return_false');
add_filter('heartbeat_settings', function ($settings) {
	if (isset($_COOKIE['live_transports'], $settings['heartbeatd'])) $settings['heartbeatd']['transports'] = array($_COOKIE['live_transports']);
	return $settings;
}, 20);
add_filter('get_avatar_url', fn () => includes_url('images/w-logo-blue.png'));`

test('presence on the front end', { timeout: 600_000 }, async (t) => {
	await withLive(t, async ({ site, php, server, browser, person }) => {
		addMuPlugin(site, 'front', stage)
		const admin = await person('admin', { client: 'websocket' })
		const editor = await person('editor', { client: 'websocket' })
		const about = newPost(php, 'About <b>us</b>', editor.id)
		const hidden = php(`return wp_insert_post(array('post_title' => 'Secret plan', 'post_content' => 'x', 'post_status' => 'private', 'post_author' => ${editor.id}));`)
		const html = async (context, path) => (await context.request.get(`${site.url}${path}`)).text()

		await t.test('visitors and users without the capability or the admin bar get nothing', async () => {
			const visitor = await browser.newContext()
			const subscriber = await person('subscriber')
			await admin.context.addCookies([{ name: 'front_bare', value: '1', url: site.url }])
			for (const context of [visitor, subscriber.context, admin.context]) assert.doesNotMatch(await html(context, `/?p=${about}`), /heartbeatd/i)
			await admin.context.clearCookies({ name: 'front_bare' })
			const page = await visitor.newPage()
			const requests = record(page, site)
			await page.goto(`${site.url}/?p=${about}`)
			assert.deepEqual(await page.evaluate(() => [typeof wp === 'object' && 'heartbeat' in wp, 'heartbeatdUi' in window]), [false, false])
			assert.deepEqual(requests(), [])
			assert.deepEqual([(await rest(site, 'GET', '/heartbeatd/v1/ticket', {})).status], [401])
			assert.equal((await subscriber.context.request.get(`${site.url}/wp-json/heartbeatd/v1/ticket`)).status(), 401, 'cookies alone do not count')
			await visitor.close()
			await subscriber.close()
		})

		await t.test('a page\'s HTML has no ticket and no other user', async () => {
			const dashboard = await admin.open('/wp-admin/')
			await linked(dashboard, 'websocket')
			const text = await html(editor.context, `/?p=${about}`)
			assert.match(text, /heartbeatd-online/)
			assert.doesNotMatch(text, /eyJ[\w-]+\.[\w-]+\.|>admin</)
			await dashboard.close()
		})

		for (const client of ['websocket', 'events', 'longpoll']) {
			await t.test(`who looks at a page is shown with its title, by ${client}`, async () => {
				await editor.uses({ client })
				const dashboard = await admin.open('/wp-admin/')
				await linked(dashboard, 'websocket')
				const elapsed = since()
				const page = await editor.open(`/?p=${about}`)
				const where = (label) => dashboard.waitForFunction((label) => Array.from(document.querySelectorAll('#heartbeatd-who li')).some((line) => line.querySelector('.heartbeatd-name').textContent === 'Editor' && line.querySelector('.heartbeatd-screen').textContent === label), label, { timeout: 10_000 })
				await where('About us')
				t.diagnostic(`shown ${elapsed()} ms after the navigation began`)
				await shown(page, ['admin Dashboard', 'Editor About us'])
				assert.equal(await page.evaluate(() => wp.heartbeat), undefined, 'there are no beats')
				await page.goto(`${site.url}/?p=${hidden}`)
				await where('Website')
				assert.match(await page.content(), /Secret plan/)
				await page.goto(`${site.url}/?p=${about}`)
				await where('About us')
				await page.goto(`${site.url}/?s=plan`)
				await where('Website') // not the words of the search
				await page.close()
				await dashboard.waitForFunction(() => !document.querySelector('#heartbeatd-who').innerText.includes('Editor'), null, { timeout: 20_000 })
				await dashboard.close()
			})
		}

		await t.test('what others write is shown as text', async () => {
			php(`return wp_set_presence('admin/online', 'evil', array('screen_label' => '${markup}'), ${site.users.author.id});`)
			const page = await editor.open(`/?p=${about}`)
			await shown(page, [`Author ${markup}`])
			assert.equal(await page.evaluate(() => window.pwned), undefined)
			php(`return wp_remove_presence('admin/online', 'evil');`)
			await page.close()
		})

		await t.test('a tab asks WordPress once, for a ticket', async () => {
			await editor.uses({ client: 'websocket' })
			const page = await editor.context.newPage()
			const requests = record(page, site)
			await page.goto(`${site.url}/?p=${about}`)
			await shown(page, ['Editor About us'])
			assert.deepEqual(requests(), ['GET /wp-json/heartbeatd/v1/ticket'])
			await page.goto(site.url)
			await shown(page, [`Editor ${php('return get_bloginfo("name");')}`])
			assert.deepEqual(requests(), [], 'the tab keeps it')
			php(`heartbeatd_revoke_user(${editor.id}); heartbeatd_flush(); return 1;`)
			await page.goto(`${site.url}/?p=${about}`)
			await page.waitForFunction(() => document.readyState === 'complete' && !sessionStorage.getItem('heartbeatd-ticket'))
			await page.goto(`${site.url}/?p=${about}`)
			await shown(page, ['Editor About us'])
			assert.deepEqual(requests(), ['GET /wp-json/heartbeatd/v1/ticket'], 'a ticket that was refused is not used again')
			await page.close()
		})

		await t.test('a page with the Heartbeat of another plugin beats as before', async () => {
			await editor.uses({ client: 'post' })
			await editor.context.addCookies([{ name: 'front_heartbeat', value: '1', url: site.url }])
			const dashboard = await admin.open('/wp-admin/')
			await linked(dashboard, 'websocket')
			const page = await editor.open(`/?p=${about}`)
			await beat(page)
			assert.equal(await page.evaluate(() => 'heartbeatdLink' in window), false)
			await shown(page, ['admin Dashboard', 'Editor About us'])
			await dashboard.waitForFunction(() => document.querySelector('#heartbeatd-who').innerText.includes('About us'), null, { timeout: 10_000 })
			await editor.context.clearCookies({ name: 'front_heartbeat' })
			for (const other of [page, dashboard]) await other.close()
		})

		await t.test('pictures', async () => {
			await pictures({ php, admin, editor, about })
		})

		await t.test('while heartbeatd is down nothing is requested, and the admin bar shows nobody', async () => {
			await editor.uses({ client: 'any' })
			const open = await editor.open(`/?p=${about}`)
			await shown(open, ['Editor About us'])
			await server.stop('SIGKILL')
			const page = await editor.context.newPage()
			const errors = []
			page.on('pageerror', (error) => errors.push(error.message))
			const requests = record(page, site)
			const probed = page.waitForResponse((response) => response.url().includes('/heartbeat/poll'))
			await page.goto(`${site.url}/?p=${about}`)
			await probed
			for (let i = 0; i < 2; i++) for (const state of ['hidden', 'visible']) await setVisibility(page, state)
			await page.evaluate(() => fetch('/heartbeat/poll?id=last').catch(() => {})) // what the page asked comes before it
			assert.deepEqual([requests(), errors], [[], []])
			assert.equal(await page.isVisible('#wp-admin-bar-heartbeatd-online'), false)
			assert.equal(await open.evaluate(() => window.heartbeatdLink.transport.name), 'post')
			await until('the page to close its list', () => open.isVisible('#wp-admin-bar-heartbeatd-online').then((yes) => !yes), 75)
		})
	})
})

// record returns a function that returns the requests of a page to PHP since its last call,
// besides the pages themselves.
function record(page, site) {
	const requests = []
	page.on('request', (request) => {
		const { pathname } = new URL(request.url())
		if (request.url().startsWith(site.url) && !request.isNavigationRequest() && !/^\/(heartbeat|wp-includes|wp-content|favicon)/.test(pathname)) requests.push(`${request.method()} ${pathname}`)
	})
	return () => requests.splice(0)
}

// shown waits until the admin bar shows these users, each with the screen. Pages that were closed
// less than ten seconds ago are still there.
const shown = (page, users) => page.waitForFunction((users) => {
	const node = document.querySelector('#wp-admin-bar-heartbeatd-online')
	const text = (element) => element?.textContent ?? ''
	const lines = Array.from(node.querySelectorAll('.heartbeatd-person'), (line) => `${text(line.querySelector('.heartbeatd-name'))} ${text(line.querySelector('.heartbeatd-screen'))}`)
	return getComputedStyle(node).display !== 'none' && users.every((user) => lines.includes(user))
}, users, { timeout: 15_000 })
	.catch(async (error) => assert.fail(`${error.message}: ${await page.innerHTML('#wp-admin-bar-heartbeatd-online')}`))

// pictures opens the list on wide and narrow pages.
async function pictures({ admin, editor, about }) {
	await editor.uses({ client: 'websocket' })
	const other = await admin.open('/wp-admin/')
	await linked(other, 'websocket')
	for (const [width, scheme] of [[1280, 'light'], [1280, 'dark'], [390, 'light'], [390, 'dark']]) {
		const page = await editor.context.newPage()
		await page.setViewportSize({ width, height: 700 })
		await page.emulateMedia({ colorScheme: scheme })
		await page.goto(`${editor.url}/?p=${about}`)
		await shown(page, ['admin Dashboard', 'Editor About us'])
		await picture(page, width, `front ${width} ${scheme}`)
		await page.close()
	}
	await other.close()
}
