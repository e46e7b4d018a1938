// The list of users in the admin bar, as a page of some width shows it.

import assert from 'node:assert/strict'

const BAR = '#wp-admin-bar-heartbeatd-online'
const NARROW = 782 // pixels up to which the list opens by a click

// picture opens the list, which must be within the page, and stores a screenshot if a folder is
// given.
export async function picture(page, width, name) {
	if (width > NARROW) await page.hover(BAR)
	else await page.click(`${BAR} > .ab-item`)
	await page.locator(`${BAR} .ab-submenu`).waitFor({ state: 'visible' })
	const box = await page.locator(`${BAR} .ab-sub-wrapper`).boundingBox()
	assert.ok(box.x >= 0 && box.x + box.width <= width, `${width}: ${JSON.stringify(box)}`)
	if (process.env.HEARTBEATD_SCREENSHOTS) await page.screenshot({ path: `${process.env.HEARTBEATD_SCREENSHOTS}/${name}.png` })
}
