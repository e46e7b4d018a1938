// Makes pictures of every screen that has something of the plugin, to look at them: 1280 and 390 pixels wide,
// left-to-right and right-to-left, in several color schemes; and of the demo site, light and dark. It prints
// what axe finds, and what does not fit.
//
//	node integration/wordpress/pictures/look.mjs FOLDER

import { mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { violations } from '../../browser/axe.mjs'
import { startHeartbeatd, startChromium } from '../../browser/harness.mjs'
import { beat, editorOf, linked, withLive } from '../live/live.mjs'
import { companions, joins, openSidebars, OURS, prepare, saved } from './stage.mjs'

const LOOKS = { plain: {}, rtl: { picture_rtl: '1' }, light: { picture_colour: 'light' }, midnight: { picture_colour: 'midnight' } }
const WIDTHS = [1280, 390]

const screensOf = ([, , first, second]) => ({ // The companions do not edit these posts.
	dashboard: '/wp-admin/', settings: '/wp-admin/options-general.php?page=heartbeatd', posts: '/wp-admin/edit.php', users: '/wp-admin/users.php',
	profile: '/wp-admin/profile.php#heartbeatd', block: editorOf(first), classic: editorOf(second), front: '/',
})

const outside = () => Array.from(document.querySelectorAll('[class*="heartbeatd"], [id*="heartbeatd"]')).filter((element) => {
	const box = element.getBoundingClientRect()
	return element.checkVisibility() && !element.closest('.screen-reader-text') && box.width && (box.left < -1 || box.right > window.innerWidth + 1)
}).map((element) => element.id || element.className)

// look opens the screens in each look and width.
export async function look({ site, php, person, folder, posts, looks = LOOKS, screens = screensOf(posts) }) {
	mkdirSync(folder, { recursive: true })
	for (const [name, cookies] of Object.entries(looks)) {
		for (const [screen, path] of Object.entries(screens)) {
			const admin = await person('admin', { editor: screen === 'classic' ? 'classic' : 'block' })
			await admin.context.addCookies(Object.entries(cookies).map(([name, value]) => ({ name, value, url: admin.url })))
			if (screen === 'block') openSidebars(php)
			const page = await admin.open(path)
			if (screen !== 'front') await linked(page)
			if (screen === 'dashboard') await beat(page)
			await page.locator('#wp-admin-bar-heartbeatd-online .ab-label', { hasText: '4' }).waitFor({ state: 'attached', timeout: 10_000 }).catch(() => {})
			for (const login of /post=/.test(path) ? ['diego', 'chloe'] : []) joins({ site, php }, login, path.match(/post=(\d+)/)[1])
			if (screen === 'block') await openPanel(page)
			for (const width of WIDTHS) {
				await page.setViewportSize({ width, height: width > 400 ? 800 : 844 })
				await page.waitForTimeout(300)
				await page.screenshot({ path: `${folder}/${screen}-${name}-${width}.png`, fullPage: screen !== 'block' })
				for (const found of await page.evaluate(outside)) console.log(`${screen} ${name} ${width}: outside: ${found}`)
				for (const found of await violations(page, OURS)) console.log(`${screen} ${name} ${width}: ${found}`)
			}
			await admin.close()
		}
	}
}

// openPanel opens the panel of the block editor. Other panels are closed.
export async function openPanel(page) {
	const button = page.locator('.heartbeatd-panel .components-panel__body-toggle')
	await button.waitFor({ timeout: 60_000 })
	if (await button.getAttribute('aria-expanded') !== 'true') await button.evaluate((element) => element.click())
}

// lookAtDemo opens the demo site, light and dark.
export async function lookAtDemo(browser, server, folder) {
	for (const colorScheme of ['light', 'dark']) {
		const context = await browser.newContext({ colorScheme, bypassCSP: true })
		for (const user of [2, 3]) await (await context.newPage()).goto(`${server.url}/?user=${user}&post=${user === 2 ? 1 : 42}`)
		const page = await context.newPage()
		await page.goto(`${server.url}/?user=1`)
		await page.waitForTimeout(1500)
		for (const width of WIDTHS) {
			await page.setViewportSize({ width, height: 800 })
			await page.waitForTimeout(300)
			await page.screenshot({ path: `${folder}/demo-${colorScheme}-${width}.png`, fullPage: true })
			for (const found of await violations(page)) console.log(`demo ${colorScheme} ${width}: ${found}`)
		}
		await context.close()
	}
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
	const folder = process.argv[2]
	const ends = []
	const t = { after: (end) => ends.push(end) }
	try {
		await withLive(t, async (parts) => {
			const posts = prepare(parts)
			saved(parts.php)
			await companions(parts, posts)
			await look({ ...parts, folder, posts })
			await lookAtDemo(await startChromium(t), await startHeartbeatd(t), folder)
		}, { constants: null })
	} finally {
		for (const end of ends.reverse()) await end()
	}
}
