// The list of the admin bar with the keyboard alone, in Chromium and Firefox: WordPress's own script and styles of the bar,
// and the plugin's scripts, on a page without a site.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { hasFocus, walk } from '../../browser/keyboard.mjs'
import { startChromium, startFirefox } from '../../browser/harness.mjs'
import { wordpressFiles } from '../../setup/wordpress.mjs'

const TOP = '#wp-admin-bar-heartbeatd-online > .ab-item'
const LIST = '#wp-admin-bar-heartbeatd-online .ab-submenu'
const LINK = `${LIST} a`

const core = (path) => readFileSync(`${wordpressFiles}/wp-includes/${path}`, 'utf8')
const own = (name) => readFileSync(new URL(`../heartbeatd/assets/${name}`, import.meta.url), 'utf8')
const script = (code) => `<script>${code}</script>`

// The bar as PHP prints it, and the store of users (people.js) in the hands of the test.
const PAGE = `<!doctype html><html lang="en"><title>Page</title><style>${core('css/admin-bar.css')}${own('people.css')}</style>
<a href="#before">before</a>
<div id="wpadminbar" class="nojs"><div class="quicklinks" id="wp-toolbar" role="navigation" aria-label="Toolbar">
<ul role="menu" id="wp-admin-bar-top-secondary" class="ab-top-secondary ab-top-menu"><li role="group" id="wp-admin-bar-heartbeatd-online" class="menupop">
<div class="ab-item ab-empty-item" tabindex="0" role="menuitem" aria-expanded="false"><span class="ab-icon" aria-hidden="true"></span><span class="ab-label"></span></div>
<div class="ab-sub-wrapper"><ul role="menu" aria-label="People online" class="ab-submenu"></ul></div></li></ul></div></div>
<a href="#after">after</a>
${['js/hoverintent-js.min.js', 'js/admin-bar.js', 'js/dist/hooks.js', 'js/dist/i18n.js'].map((path) => script(core(path))).join('')}
${script(`window.heartbeatdUi = { text: String, url: String, number: Number, list: (list) => list, people: {
	announce() {}, isLinked: () => true, watch(room, show) { window.showPeople = show } } }`)}
${script(own('render.js'))}${script(own('ui-bar.js'))}`

for (const [name, start] of Object.entries({ Chromium: startChromium, Firefox: startFirefox })) {
	test(`the list of the admin bar with the keyboard of ${name}`, { timeout: 120_000 }, async (t) => {
		const page = await (await (await start(t)).newContext()).newPage()
		await page.setContent(PAGE)
		const online = (...names) => page.evaluate((names) => window.showPeople({ people: names.map((name) => ({ id: name.length, name, avatar: '', screen: 'Dashboard', idle: false })), total: names.length }), names)
		const edits = (person, ...titles) => page.evaluate(([person, titles]) => window.wp.hooks.doAction('heartbeat.active-posts', {
			posts: titles.map((title) => ({ post_title: title, edit_url: 'https://example.org/post.php?post=4', editors: [{ user_id: person.length }] })),
		}), [person, titles])
		const isOpen = async () => [await page.isVisible(LIST), await page.getAttribute(TOP, 'aria-expanded')]
		await online('Anna', 'Chloé')
		await edits('Chloé', 'Spring')

		assert.deepEqual(await walk(page, TOP), [], 'the focus is seen')
		assert.deepEqual(await isOpen(), [false, 'false'])
		await page.keyboard.press('Enter')
		assert.deepEqual(await isOpen(), [true, 'true'])
		await page.keyboard.press('Tab')
		assert.ok(await hasFocus(page, LINK), 'the post that Chloé edits')

		await edits('Chloé', 'Summer')
		assert.match(await page.innerText(LINK), /Summer/)
		assert.ok(await hasFocus(page, LINK), 'a link that was replaced')
		await online('Chloé', 'Zacharias')
		assert.ok(await hasFocus(page, LINK), 'a link that was moved')
		await edits('Chloé')
		assert.ok(await hasFocus(page, TOP), 'the link is gone')

		await edits('Chloé', 'Summer')
		await page.keyboard.press('Tab')
		assert.ok(await hasFocus(page, LINK))
		await page.keyboard.press('Escape')
		assert.deepEqual(await isOpen(), [false, 'false'])
		assert.ok(await hasFocus(page, TOP))
	})
}
