// The plugin's parts of the admin with each color scheme, with the keyboard alone, and as a screen reader gets them:
// in browsers on a live WordPress.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { accessibleTree, violations } from '../../browser/axe.mjs'
import { startFirefox } from '../../browser/harness.mjs'
import { hasFocus, tabTo, walk } from '../../browser/keyboard.mjs'
import { addMuPlugin, beat, editorOf, linked, withLive } from '../live/live.mjs'
import { joins, OURS, prepare, saved } from '../pictures/stage.mjs'

const SCHEMES = ['modern', 'fresh', 'light', 'blue', 'coffee', 'ectoplasm', 'midnight', 'ocean', 'sunrise']
const BAR = '#wp-admin-bar-heartbeatd-online'
const TOP = `${BAR} > .ab-item`
const SETTINGS = '/wp-admin/options-general.php?page=heartbeatd'

test('the parts of the plugin are accessible', { timeout: 800_000 }, async (t) => {
	await withLive(t, async (parts) => {
		const { php, person, site } = parts
		addMuPlugin(site, 'faceless', 'add_filter(\'pre_option_show_avatars\', fn () => \'0\');')
		const posts = prepare(parts)
		saved(php)
		// Ben is online and edits the first post. Entries last for a minute.
		const comes = (login, post) => {
			php(`return wp_set_presence('admin/online', 'user-${site.users[login].id}', array('screen' => 'post', 'screen_label' => 'Edit Post'), ${site.users[login].id});`)
			joins(parts, login, post)
		}
		const admin = await person('admin')
		const open = async (who, path) => {
			comes('editor', posts[0])
			who.context.setDefaultTimeout(90_000)
			const page = await who.open(path)
			await linked(page, 'websocket')
			return page
		}

		await t.test('in each color scheme texts have enough contrast', async () => {
			const wrong = []
			for (const [path, ...widths] of [['/wp-admin/', 1280, 390], [SETTINGS, 1280]]) {
				const page = await open(admin, path)
				await page.evaluate(showAll)
				for (const width of widths) {
					await page.setViewportSize({ width, height: 800 })
					for (const scheme of SCHEMES) {
						await useScheme(page, scheme)
						for (const found of await violations(page, OURS, ['color-contrast'])) wrong.push(`${path} ${scheme} ${width}: ${found}`)
					}
				}
				await page.close()
			}
			assert.deepEqual(wrong, [])
		})

		const keyboard = async (t, who, title) => {
			await t.test('it opens the list of the admin bar and closes it; the focus stays inside', async () => {
				const page = await open(who, '/wp-admin/')
				await beat(page)
				await tabTo(page, TOP)
				assert.equal(await page.isVisible(`${BAR} .ab-submenu`), false)
				await page.keyboard.press('Enter')
				assert.equal(await page.isVisible(`${BAR} .ab-submenu`), true)
				assert.equal(await page.getAttribute(TOP, 'aria-expanded'), 'true')
				const link = `${BAR} .ab-submenu a`
				await page.locator(link).waitFor()
				await page.keyboard.press('Tab')
				assert.ok(await hasFocus(page, link), 'the post that Ben edits')

				php(`return wp_update_post(array('ID' => ${posts[0]}, 'post_title' => '${title}'));`)
				comes('editor', posts[0])
				await page.locator(link, { hasText: title }).waitFor()
				assert.ok(await hasFocus(page, link), 'a link keeps the focus when its text changes')

				await page.keyboard.press('Escape')
				assert.equal(await page.isVisible(`${BAR} .ab-submenu`), false)
				assert.equal(await page.getAttribute(TOP, 'aria-expanded'), 'false')
				assert.ok(await hasFocus(page, TOP))
				await page.close()
			})

			await t.test('a link of a widget keeps the focus while people come, and Enter follows it', async () => {
				php(`return wp_remove_presence('postType/post:${posts[0]}', 'editor-${site.users.chloe.id}');`)
				const page = await open(who, '/wp-admin/')
				const own = `a[href$="post=${posts[0]}&action=edit"]`
				const link = `.heartbeatd-post ${own}`
				await page.locator(link).waitFor()
				await tabTo(page, link)
				joins(parts, 'chloe', posts[0])
				joins(parts, 'diego', posts[1])
				await page.locator('.heartbeatd-post:has-text("Chloé Martin")', { has: page.locator(own) }).waitFor()
				assert.ok(await hasFocus(page, link))
				await Promise.all([page.waitForURL(`**${editorOf(posts[0])}`), page.keyboard.press('Enter')])
				await page.close()
			})

			await t.test('it reaches each control of the dashboard\'s widgets and of the settings screen, and the focus is seen', async () => {
				const dashboard = await open(who, '/wp-admin/')
				assert.deepEqual(await walk(dashboard, `${TOP}, #heartbeatd_online :is(a, button), #heartbeatd_posts :is(a, button)`), [])
				await dashboard.close()
				const settings = await open(who, SETTINGS)
				assert.deepEqual(await walk(settings, '.wrap :is(a, button, select, input:not([type=hidden]))'), [])
				await tabTo(settings, '#heartbeatd-check')
				await Promise.all([settings.waitForEvent('load'), settings.keyboard.press('Enter')])
				await tabTo(settings, '#heartbeatd-site')
				await settings.keyboard.press('Control+A')
				await settings.keyboard.type('default')
				await Promise.all([settings.waitForURL('**settings-updated=true**'), settings.keyboard.press('Enter')])
				await settings.close()
			})
		}
		await t.test('with the keyboard of Chromium', (t) => keyboard(t, admin, 'Summer opening hours'))
		await t.test('with the keyboard of Firefox', async (t) => keyboard(t, await person('admin', { browser: await startFirefox(t) }), 'Autumn opening hours'))

		await t.test('the keyboard reaches the panel of the block editor', async () => {
			const page = await open(admin, editorOf(posts[1]))
			joins(parts, 'diego', posts[1])
			const toggle = '.heartbeatd-panel .components-panel__body-toggle'
			await page.locator(toggle).waitFor({ timeout: 60_000 })
			await tabTo(page, toggle)
			await page.keyboard.press('Enter')
			assert.equal(await page.getAttribute(toggle, 'aria-expanded'), 'true')
			const panel = await accessibleTree(page, '.heartbeatd-panel')
			assert.ok(panel.includes('button "Also in this post" expanded'), panel.join('\n'))
			assert.ok(panel.includes('StaticText "Diego Ruiz"'), panel.join('\n'))
			assert.match((await accessibleTree(page, '.heartbeatd-header')).join('\n'), /^StaticText "Diego Ruiz( \(idle\))?"$/m)
			await page.close()
		})

		await t.test('a screen reader gets roles, names, descriptions and states', async () => {
			const has = (tree, lines) => lines.forEach((line) => assert.match(tree.join('\n'), line))
			const dashboard = await open(admin, '/wp-admin/')
			await beat(dashboard)
			await dashboard.locator(TOP).press('Enter')
			has(await accessibleTree(dashboard, BAR), [/^menuitem "\d people online" expanded$/m, /^menu "People online"$/m, /^menuitem "Ben Okafor Editing: .+"$/m])
			has(await accessibleTree(dashboard, '#heartbeatd_posts'), [/^heading "Posts Being Edited"$/m, /^link ".+ opening hours"$/m])
			await dashboard.close()
			const settings = await open(admin, SETTINGS)
			has(await accessibleTree(settings, '.wrap'), [/^image "Good"$/m, /^image "Beats of the last days" \(.+\)$/m, /^table "Beats of the last days"$/m, /^textbox "Address of the API" \(The URL at which .+\)$/m])
			await settings.close()
		})
	}, { constants: null })
})

// showAll opens the list of the admin bar, and makes axe look at initials, which are hidden from screen readers: of
// somebody who is active, and of somebody who is idle.
function showAll() {
	document.getElementById('wp-admin-bar-heartbeatd-online').classList.add('hover')
	document.querySelectorAll('.heartbeatd-initial').forEach((initial) => initial.removeAttribute('aria-hidden'))
	document.querySelector('.heartbeatd-face')?.classList.add('is-idle')
}

// useScheme shows a page in another color scheme, as the profile screen does before it is saved.
const useScheme = (page, scheme) => page.evaluate((scheme) => new Promise((done) => {
	document.body.className = document.body.className.replace(/\badmin-color-\w+/, `admin-color-${scheme}`)
	const link = document.getElementById('colors-css')
	link.disabled = scheme === 'fresh' // It has no file.
	if (link.disabled || link.href.includes(`/${scheme}/`)) return done()
	link.addEventListener('load', done, { once: true })
	link.href = link.href.replace(/colors\/\w+\//, `colors/${scheme}/`)
}), scheme)
