// What users see of each other in the admin of a live WordPress, each in a separate browser.
// HEARTBEATD_SCREENSHOTS=folder stores screenshots.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addMuPlugin, beat, editorOf, linked, median, newPost, since, until, withLive } from '../live/live.mjs'
import { violations } from '../../browser/axe.mjs'
import { addStandIn } from '../presence/standins/standins.mjs'

const markup = '<img src=x onerror="window.pwned=1">Eve'

// A cookie makes the admin right-to-left; every avatar is an image that needs no network.
const stage = `
add_filter('get_avatar_url', fn () => includes_url('images/w-logo-blue.png'));
if (isset($_COOKIE['ui_rtl'])) {
	add_action('init', function () { $GLOBALS['wp_locale']->text_direction = 'rtl'; wp_styles()->text_direction = 'rtl'; });
}
if (isset($_COOKIE['ui_faceless'])) {
	add_filter('pre_option_show_avatars', fn () => '0');
}`

test('presence in the admin', { timeout: 600_000 }, async (t) => {
	await withLive(t, async ({ site, php, person }) => {
		addMuPlugin(site, 'ui', stage)
		prepare(site, php)
		const waits = []
		const soon = async (what, page, condition, arg) => {
			const elapsed = since()
			await page.waitForFunction(condition, arg, { timeout: 10_000, polling: 20 }).catch(() => assert.fail(`not seen: ${what}`))
			waits.push(elapsed())
			t.diagnostic(`${what}: ${waits.at(-1)} ms`)
		}
		const admin = await person('admin', { client: 'websocket' })
		const editor = await person('editor', { client: 'websocket' })
		await Promise.all([admin, editor].map(learn))

		await t.test('a screen shows a notice when another user has saved it', async () => {
			const second = await person('second', { client: 'websocket' })
			const mine = await admin.open('/wp-admin/options-general.php')
			await linked(mine, 'websocket')
			const theirs = await second.open('/wp-admin/options-general.php')
			await theirs.fill('#blogdescription', 'Changed by somebody else')
			await Promise.all([theirs.waitForEvent('load'), theirs.click('#submit')])
			await soon('the notice of a changed screen', mine, () => document.querySelector('#heartbeatd-stale')?.innerText.startsWith('Second changed this screen just now. Reload to see the latest version.'))
			assert.equal(await mine.locator('#heartbeatd-stale .notice-dismiss').count(), 1)
			assert.equal(await theirs.locator('#heartbeatd-stale').count(), 0, 'not who changed it')
			await Promise.all([mine.waitForEvent('load'), mine.click('#heartbeatd-stale .button-link')])
			assert.equal(await mine.inputValue('#blogdescription'), 'Changed by somebody else')
			assert.equal(await mine.locator('#heartbeatd-stale').count(), 0)
			await theirs.close()

			await admin.uses({ client: 'post' })
			const linkless = await admin.open('/wp-admin/options-general.php')
			const post = newPost(php, 'Changed under the editor', admin.id)
			php(`wp_set_current_user(${second.id}); update_option('blogdescription', 'Again'); heartbeatd_bump_screen_revision('options/general'); return 1;`)
			php(`$all = get_option('heartbeatd_screen_revisions'); $all['options/general']['time'] -= 185; return update_option('heartbeatd_screen_revisions', $all);`)
			await beat(linkless)
			assert.match(await linkless.innerText('#heartbeatd-stale'), /^Second changed this screen 3 minutes ago\./)
			await linkless.close()
			const asks = (page) => page.evaluate(() => new Promise((done) => {
				jQuery(document).one('heartbeat-send', (event, data) => window.setTimeout(() => done(Boolean(data['presence-screen-ping']))))
				wp.heartbeat.connectNow()
			}))
			assert.equal(await asks(mine), false, 'PHP is not asked what is pushed anyway')
			await mine.evaluate(() => wp.heartbeat.transport.use([]))
			await mine.evaluate(() => wp.heartbeat.transport.use(['websocket']))
			await linked(mine, 'websocket')
			assert.deepEqual([await asks(mine), await beat(mine) && await asks(mine)], [true, false], 'once, after the link was gone')
			await mine.evaluate(() => jQuery(document).trigger('heartbeat-missed'))
			assert.deepEqual([await asks(mine), await beat(mine) && await asks(mine)], [true, false], 'once, after a push may have been missed')
			await mine.close()

			await admin.uses({ client: 'websocket' })
			const block = await admin.open(editorOf(post))
			await linked(block, 'websocket')
			php(`wp_set_current_user(${second.id}); wp_update_post(array('ID' => ${post}, 'post_title' => 'Changed')); return 1;`)
			await soon('the notice in the block editor', block, () => document.querySelector('.components-notice')?.innerText.includes('Second changed this screen'))
			assert.equal((await block.innerText('.components-notice')).match(/Reload/g).length, 1)
			await block.close()
			await second.close()
		})

		await t.test('the dashboard shows who is online, joins, changes the screen and leaves', async () => {
			const dashboard = await admin.open('/wp-admin/', { waitUntil: 'domcontentloaded' })
			await ownLine(dashboard, (line) => { line.printed = true }) // lines of other users may be removed
			await linked(dashboard, 'websocket')
			await alone(php, dashboard)

			const other = await editor.open('/wp-admin/tools.php')
			await soon('somebody comes', dashboard, () => document.querySelector('#heartbeatd-who').innerText.includes('Editor'))
			assert.deepEqual(await names(dashboard), ['admin', 'Editor'])
			assert.equal(await dashboard.innerText('#heartbeatd-who .heartbeatd-person:nth-child(2) .heartbeatd-screen'), 'Tools')
			assert.equal(await ownLine(dashboard, (line) => line.printed), true, 'what PHP printed stays')
			assert.match(await dashboard.innerText('#wp-admin-bar-heartbeatd-online > .ab-item'), /^2\s+2 people online$/)
			assert.equal(await dashboard.locator('#wp-admin-bar-heartbeatd-online .ab-submenu > li').count(), 2)

			await other.goto(`${admin.url}/wp-admin/upload.php?mode=list`)
			await soon('somebody moves', dashboard, () => document.querySelector('#heartbeatd-who').innerText.includes('Media'))
			assert.deepEqual(await names(dashboard), ['admin', 'Editor'])

			const html = await (await admin.context.request.get(`${admin.url}/wp-admin/`)).text()
			assert.match(html.match(/id="heartbeatd-who">(.*?)<\/ul>/s)[1], /Editor.*Media/s, 'PHP prints it too')
			assert.match(html, /2 people online/)

			const widgets = (html) => Array.from(html.matchAll(/<div id="(\w+)" class="postbox /g), ([, id]) => id)
			assert.deepEqual(widgets(html).slice(0, 2), ['heartbeatd_online', 'heartbeatd_posts'], 'they are at the top')
			php(`return update_user_meta(${admin.id}, 'meta-box-order_dashboard', array('normal' => 'dashboard_right_now'));`)
			assert.equal(widgets(await (await admin.context.request.get(`${admin.url}/wp-admin/`)).text())[0], 'dashboard_right_now', 'unless the user has arranged them')
			php(`return delete_user_meta(${admin.id}, 'meta-box-order_dashboard');`)

			await other.close()
			await dashboard.close()
		})

		await t.test('editors of posts are shown in the dashboard, the posts list and the editors', async () => {
			await editor.uses({ client: 'websocket', editor: 'classic' })
			const id = newPost(php, 'Edited together', editor.id)
			const dashboard = await admin.open('/wp-admin/')
			const list = await admin.open('/wp-admin/edit.php')
			for (const page of [dashboard, list]) await linked(page, 'websocket')
			await beat(dashboard)
			assert.equal(await list.innerText(`#post-${id} .heartbeatd-editors`), '—\nNobody')

			const classic = await editor.open(editorOf(id))
			await linked(classic, 'websocket')
			const face = (post) => document.querySelector(`#post-${post} .heartbeatd-faces li`)?.title === 'Editor'
			await soon('the editor in the posts list', list, face, id)
			await soon('the editor in the dashboard\'s widget', dashboard, () => document.querySelector('#heartbeatd-active-posts').innerText.includes('Edited together'))
			const row = dashboard.locator('.heartbeatd-post', { hasText: 'Edited together' })
			assert.equal(await row.locator('.heartbeatd-faces li').innerText(), 'Editor', 'once, though their lock is there too')
			assert.equal(await row.locator('a').getAttribute('href'), `${admin.url}${editorOf(id)}`)
			assert.equal(await classic.isVisible('#heartbeatd-here'), false, 'nobody else')

			const block = await admin.open(editorOf(id))
			await linked(block, 'websocket')
			await block.waitForFunction(() => document.querySelector('.heartbeatd-header .heartbeatd-faces li')?.title === 'Editor', null, { timeout: 15_000 })
			await soon('somebody else in the classic editor', classic, () => document.querySelector('#heartbeatd-here .heartbeatd-name')?.textContent === 'admin')
			assert.equal(await classic.isVisible('#heartbeatd-here'), true)
			assert.match(await classic.innerText('#a11y-speak-polite'), /admin is in this post now/)
			await panel(block)
			assert.match(await block.innerText('.heartbeatd-panel'), /Editor/)
			await block.setViewportSize({ width: 390, height: 800 })
			assert.equal(await block.isVisible('.heartbeatd-header'), false, 'it would cover the button of the document overview')

			await leave(block)
			await soon('they leave the classic editor', classic, () => document.querySelector('#heartbeatd-here').hidden)
			await leave(classic)
			await soon('the editor leaves the posts list', list, (post) => !document.querySelector(`#post-${post} .heartbeatd-faces`), id)
			await soon('the editor leaves the dashboard\'s widget', dashboard, () => !document.querySelector('#heartbeatd-active-posts').innerText.includes('Edited together'))
			for (const page of [list, dashboard]) await page.close()
		})

		await t.test('the users list has a status column and a view', async () => {
			const dashboard = await admin.open('/wp-admin/')
			const users = await admin.open('/wp-admin/users.php')
			for (const page of [dashboard, users]) await linked(page, 'websocket')
			await alone(php, dashboard)
			const status = (id) => users.innerText(`.heartbeatd-status[data-user="${id}"]`)
			assert.deepEqual([await status(admin.id), await status(editor.id)], ['Online', 'Offline'])
			const other = await editor.open('/wp-admin/')
			await soon('the status in the users list', users, (id) => document.querySelector(`.heartbeatd-status[data-user="${id}"]`).textContent === 'Online', editor.id)
			assert.equal(await users.innerText('#heartbeatd-users-online'), '2')
			await Promise.all([users.waitForEvent('load'), users.click('.heartbeatd_online a')])
			assert.equal(await users.locator('#the-list tr').count(), 2)
			await leave(other)
			await Promise.all([
				soon('the status of whoever left', users, (id) => document.querySelector(`.heartbeatd-status[data-user="${id}"]`).textContent === 'Offline', editor.id),
				soon('whoever left the dashboard\'s widget', dashboard, () => document.querySelectorAll('#heartbeatd-who li').length === 1),
			])
			assert.match(await dashboard.innerText('#wp-admin-bar-heartbeatd-online > .ab-item'), /^1\s+1 person online$/)
			for (const page of [users, dashboard]) await page.close()
		})

		await t.test('without a link ticks update presence', async () => {
			await editor.uses({ client: 'post', editor: 'classic' })
			const id = newPost(php, 'Without a link', editor.id)
			php(`return wp_set_presence('postType/post:${id}', 'editor-${admin.id}', array('action' => 'editing'), ${admin.id});`)
			const there = await admin.open('/wp-admin/tools.php')
			await linked(there, 'websocket')
			const dashboard = await editor.open('/wp-admin/')
			await beat(dashboard)
			assert.deepEqual(await names(dashboard), ['admin', 'Editor'])
			assert.match(await dashboard.innerText('#heartbeatd-active-posts'), /Without a link/)
			const [list, classic] = [await editor.open('/wp-admin/edit.php'), await editor.open(editorOf(id))]
			assert.equal(await list.getAttribute(`#post-${id} .heartbeatd-faces li`, 'title'), 'admin', 'as PHP printed it')
			assert.match(await classic.innerText('#heartbeatd-here'), /admin/, 'as PHP printed it')
			php(`return wp_remove_presence('postType/post:${id}', 'editor-${admin.id}');`)
			await beat(list)
			assert.equal(await list.locator(`#post-${id} .heartbeatd-faces [title=admin]`).count(), 0)
			await beat(classic)
			assert.equal(await classic.isVisible('#heartbeatd-here'), false)
			for (const page of [there, dashboard, list, classic]) await page.close()
		})

		await t.test('names and titles with markup are shown as text', async () => {
			await editor.uses({ client: 'websocket', editor: 'classic' })
			const eve = await person('eve', { client: 'websocket', editor: 'classic' })
			const id = newPost(php, 'Title', editor.id)
			php(`global $wpdb; $wpdb->update($wpdb->posts, array('post_title' => '${markup}'), array('ID' => ${id})); clean_post_cache(${id}); return 1;`)
			const hers = await eve.open(editorOf(id))
			await linked(hers, 'websocket')
			await beat(hers)
			for (const path of ['/wp-admin/', '/wp-admin/edit.php', '/wp-admin/users.php', editorOf(id)]) {
				const page = await (path.includes('users') ? admin : editor).open(path)
				await linked(page, 'websocket')
				await beat(page)
				const seen = await page.waitForFunction(() => {
					const names = Array.from(document.querySelectorAll('.heartbeatd-name'), (element) => element.textContent)
					return names.some((name) => name.includes('Eve')) && [...names, ...Array.from(document.querySelectorAll('.heartbeatd-post a, .heartbeatd-faces li'), (element) => element.textContent)]
				}, null, { timeout: 10_000 })
				assert.equal(await page.evaluate(() => window.pwned), undefined, path)
				assert.ok((await seen.jsonValue()).every((text) => !text || text.length < 100), path)
				assert.equal(await page.locator('.heartbeatd-person img[src="x"], .heartbeatd-post img[src="x"], .heartbeatd-faces img[src="x"]').count(), 0, path)
				await page.close()
			}
			await eve.close()
		})

		await t.test('a subscriber\'s pages have no presence', async () => {
			const page = await (await person('subscriber', { client: 'websocket' })).open('/wp-admin/')
			await linked(page, 'websocket')
			assert.doesNotMatch(await page.content(), /heartbeatd-(who|online|people|active-posts|faces|presence)|heartbeatdUi|people online|Who’s Online/)
			assert.equal(await page.evaluate(() => wp.heartbeat.room('admin/online').total), 0)
			const profile = await (await page.context().newPage())
			await profile.goto(`${admin.url}/wp-admin/profile.php`)
			assert.doesNotMatch(await profile.content(), /heartbeatdUi/)
		})

		await t.test('right-to-left, with other colors and without avatars, nothing overflows', async () => {
			const id = newPost(php, 'Seen together', editor.id)
			const other = await editor.open(editorOf(id))
			await linked(other, 'websocket')
			await beat(other)
			await pictures({ php, admin, paths: { list: '/wp-admin/edit.php', users: '/wp-admin/users.php', editor: editorOf(id) } })
			await other.close()
		})

		await t.test('beside the Presence API plugin only editors have avatars', async () => {
			addStandIn({ site, php }, '0.1.14')
			const dashboard = await admin.open('/wp-admin/')
			assert.equal(await dashboard.evaluate(() => 'heartbeatdUi' in window), false)
			assert.doesNotMatch(await dashboard.content(), /heartbeatd-(who|online|active-posts)/)
			const id = newPost(php, 'Beside', editor.id)
			const mine = await editor.open(editorOf(id))
			await linked(mine, 'websocket')
			await admin.uses({ client: 'websocket', editor: 'classic' })
			const theirs = await admin.open(editorOf(id))
			await soon('somebody else, beside the Presence API plugin', mine, () => document.querySelector('#heartbeatd-here .heartbeatd-name')?.textContent === 'admin')
			for (const page of [mine, theirs, dashboard]) await page.close()
		})

		t.diagnostic(`median of ${waits.length} changes: ${median(waits)} ms, the slowest ${Math.max(...waits)} ms`)
		assert.ok(median(waits) < 1000, `changes are seen within a second: ${waits}`)
	})
})

const names = (page) => page.evaluate(() => Array.from(document.querySelectorAll('#heartbeatd-who .heartbeatd-name'), (element) => element.textContent))

// ownLine evaluates a function with the line of the dashboard's user.
const ownLine = (page, look) => page.locator('#heartbeatd-who li', { hasText: 'admin' }).evaluate(look)

// leave closes a page without the grace period for reloads.
async function leave(page) {
	await page.evaluate(() => wp.heartbeat.transport.leave())
	await page.close()
}

// alone waits until the entries of closed pages are removed, which takes ten seconds.
async function alone(php, page) {
	await until('everybody else to be gone', async () => (await names(page)).join() === 'admin', 15)
		.catch(async (error) => assert.fail(`${error.message}: ${await names(page)}; ${JSON.stringify(php('return heartbeatd_presence_list_all(array());'))}`))
}

// prepare adds a second administrator, and a user whose name has markup.
function prepare(site, php) {
	for (const [login, role] of [['second', 'administrator'], ['eve', 'editor']]) {
		const password = `${login} password`
		const id = php(`return wp_insert_user(array('user_login' => '${login}', 'user_pass' => '${password}', 'display_name' => '${login === 'eve' ? 'Eve' : 'Second'}', 'role' => '${role}'));`)
		site.users[login] = { id, login, password, role }
	}
	php(`global $wpdb; $wpdb->update($wpdb->users, array('display_name' => '${markup}'), array('ID' => ${site.users.eve.id})); clean_user_cache(${site.users.eve.id});
		foreach (get_users() as $user) update_user_meta($user->ID, $wpdb->get_blog_prefix() . 'persisted_preferences', array('core' => array('isComplementaryAreaVisible' => true), 'core/edit-post' => array('welcomeGuide' => false), '_modified' => gmdate('c')));
		foreach (get_users() as $user) update_user_meta($user->ID, 'show_welcome_panel', 0);
		return 1;`)
}

// learn sends the beat after which heartbeatd answers the beats of the dashboard.
async function learn(who) {
	const page = await who.open('/wp-admin/')
	await linked(page, 'websocket')
	await beat(page)
	await page.close()
}

// panel opens the panel of the block editor behind the dialog about the lock.
async function panel(page) {
	const button = page.locator('.heartbeatd-panel .components-panel__body-toggle')
	await button.waitFor({ timeout: 10_000 })
	if (await button.getAttribute('aria-expanded') !== 'true') await button.evaluate((element) => element.click())
}

// pictures loads the same pages in several variants, and stores screenshots if a folder is given.
async function pictures({ php, admin, paths }) {
	const looks = { plain: {}, 'right to left': { ui_rtl: '1' }, light: { ui_faceless: '1', colour: 'light' } }
	for (const [look, { colour = 'modern', ...cookies }] of Object.entries(looks)) {
		php(`return update_user_meta(${admin.id}, 'admin_color', '${colour}');`)
		await admin.context.addCookies(Object.entries(cookies).map(([name, value]) => ({ name, value, url: admin.url })))
		const keep = async (page, name) => process.env.HEARTBEATD_SCREENSHOTS && page.screenshot({ path: `${process.env.HEARTBEATD_SCREENSHOTS}/${look} ${name}.png`, fullPage: true })
		const page = await admin.open('/wp-admin/')
		await linked(page, 'websocket')
		await page.waitForFunction(() => document.querySelectorAll('#heartbeatd-who li').length >= 2, null, { timeout: 10_000 })
		await page.hover('#wp-admin-bar-heartbeatd-online')
		await page.locator('#wp-admin-bar-heartbeatd-online .ab-submenu').waitFor({ state: 'visible' })
		await keep(page, 'dashboard')
		assert.deepEqual(await violations(page, '.heartbeatd-person, .heartbeatd-post'), [], look)
		const outside = await page.evaluate(() => Array.from(document.querySelectorAll('.heartbeatd-person > *, .heartbeatd-post > *'), (part) => [part, part.parentElement].map((element) => element.getBoundingClientRect()))
			.filter(([part, box]) => part.left < box.left - 1 || part.right > box.right + 1).length)
		assert.equal(outside, 0, look)
		const [face, name] = await page.evaluate(() => ['face', 'name'].map((part) => document.querySelector(`#heartbeatd-who .heartbeatd-${part}`).getBoundingClientRect().left))
		assert.equal(face > name, 'ui_rtl' in cookies, `${look}: the face comes first`)
		for (const [name, path] of Object.entries(process.env.HEARTBEATD_SCREENSHOTS ? paths : {})) {
			await page.goto(`${admin.url}${path}`)
			await linked(page, 'websocket')
			await page.waitForTimeout(1500)
			await keep(page, name)
		}
		await page.close()
		await admin.context.clearCookies({ name: /^ui_/ })
	}
}
