// Makes the pictures that are committed: those of the plugin's page in the directory of wordpress.org, from SVG files
// and from a real WordPress, and those of the README. It needs Debian's package pngquant.
//
//	node integration/wordpress/pictures/make.mjs

import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { root, startHeartbeatd } from '../../browser/harness.mjs'
import { beat, linked, withLive } from '../live/live.mjs'
import { drawDemo } from './demo.mjs'
import { openPanel } from './look.mjs'
import { companions, joins, prepare, saved } from './stage.mjs'

const readme = { demo: `${root}docs/demo.png`, presence: `${root}docs/presence.png` }
const directory = fileURLToPath(new URL('../directory/', import.meta.url))

// drawings have the sizes that wordpress.org asks for.
const drawings = { 'icon-128x128': ['icon', 128, 128], 'icon-256x256': ['icon', 256, 256], 'banner-772x250': ['banner', 772, 250], 'banner-1544x500': ['banner', 1544, 500] }

async function draw(browser) {
	for (const [name, [svg, width, height]] of Object.entries(drawings)) {
		const page = await browser.newPage({ viewport: { width, height } })
		await page.setContent(`<style>body { margin: 0 } svg { display: block; width: 100vw; height: 100vh }</style>${readFileSync(`${directory}${svg}.svg`, 'utf8')}`)
		await page.screenshot({ path: `${directory}${name}.png` })
		await page.close()
	}
}

export async function make({ browser, site, php, person }, posts, others) {
	await draw(browser)
	const anna = await person('admin')
	const open = async (path) => {
		const page = await anna.open(path)
		await page.setViewportSize({ width: 1280, height: 720 })
		await linked(page)
		await page.waitForFunction(() => /^4/.test(document.querySelector('#wp-admin-bar-heartbeatd-online .ab-label')?.textContent ?? '4'), null, { timeout: 20_000 })
		return page
	}
	const take = (page, path, height = 720) => page.screenshot({ path, clip: { x: 0, y: 0, width: 1280, height } })

	const dashboard = await open('/wp-admin/')
	for (const page of others) await page.mouse.move(300, 300) // They are not idle.
	await Promise.all([dashboard, ...others].map(beat))
	await dashboard.hover('#wp-admin-bar-heartbeatd-online')
	await dashboard.locator('#wp-admin-bar-heartbeatd-online .ab-submenu').waitFor({ state: 'visible' })
	await take(dashboard, `${directory}screenshot-1.png`)
	await take(dashboard, readme.presence, 460)
	await dashboard.close()

	await take(await open('/wp-admin/edit.php'), `${directory}screenshot-2.png`)

	joins({ site, php }, 'admin', posts[0])
	const [editor] = others // It has the post's lock, so no dialog covers it.
	await editor.setViewportSize({ width: 1280, height: 720 })
	await openPanel(editor)
	await take(editor, `${directory}screenshot-3.png`)

	await take(await open('/wp-admin/users.php'), `${directory}screenshot-4.png`)
	await take(await open('/wp-admin/options-general.php?page=heartbeatd'), `${directory}screenshot-5.png`)
	await anna.close()

	const made = [...Object.keys(drawings), 1, 2, 3, 4, 5].map((name) => `${directory}${Number(name) ? `screenshot-${name}` : name}.png`)
	execFileSync('pngquant', ['--force', '--skip-if-larger', '--strip', '--ext', '.png', '--quality', '80-100', '--speed', '1', ...made, ...Object.values(readme)])
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
	const ends = []
	const t = { after: (end) => ends.push(end) }
	try {
		await withLive(t, async (parts) => {
			await drawDemo(parts.browser, await startHeartbeatd(t), readme.demo)
			const posts = prepare(parts)
			saved(parts.php)
			await make(parts, posts, await companions(parts, posts))
		}, { constants: null })
	} finally {
		for (const end of ends.reverse()) await end()
	}
}
