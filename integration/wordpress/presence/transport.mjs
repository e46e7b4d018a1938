// What the tests of the push transport share: visible pages of a site beside the stand-in of
// 0.18, their beats to PHP, the renewals of rows, and the rows themselves.

import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { addMuPlugin } from '../plugin.mjs'
import { linked, until } from '../live/live.mjs'

// countRenewals makes the site record heartbeatd's calls. The result returns their bodies.
export function countRenewals({ site }) {
	const file = `${site.dir}/wp-content/renewals.log`
	writeFileSync(file, '')
	chmodSync(file, 0o666) // PHP runs as another user
	addMuPlugin(site, 'renewals', `
add_filter('rest_pre_dispatch', function ($result, $server, $request) {
	if ('/heartbeatd/v1/presence/rows' === $request->get_route()) file_put_contents(WP_CONTENT_DIR . '/renewals.log', $request->get_body() . "\\n", FILE_APPEND);
	return $result;
}, 10, 3);`)
	return () => readFileSync(file, 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line))
}

// openPage opens a page and keeps the times of its beats to PHP, and its errors.
export async function openPage(who, path, client = 'any') {
	const page = await who.context.newPage()
	page.beats = []
	page.errors = []
	page.on('pageerror', (error) => page.errors.push(error.message))
	page.on('request', (request) => {
		if (request.url().includes('admin-ajax.php') && /(^|&)action=heartbeat(&|$)/.test(request.postData() ?? '')) page.beats.push(Date.now())
	})
	await page.goto(who.url + path)
	await linked(page, client)
	return page
}

export const beatsSince = (pages, time) => pages.reduce((sum, page) => sum + page.beats.filter((at) => at >= time).length, 0)

// settled waits until a value has been the same for three seconds.
export async function settled(what, valueOf, seconds = 20) {
	let last, since
	await until(`${what} to settle`, async () => {
		const value = JSON.stringify(await valueOf())
		if (value !== last) [last, since] = [value, Date.now()]
		return Date.now() - since >= 3000
	}, seconds)
}

// isHeld returns whether heartbeatd holds the rows of a page's user, as the page says.
export const isHeld = (page) => page.evaluate(() => window.wp.hooks.applyFilters('presence-api.keepalive', true) === false)

// stateOf returns the rows of users without their dates, as text.
export const stateOf = async (rows) => JSON.stringify((await rows(`client_id NOT LIKE '\\\\_%'`)).map(({ room, client_id: client, user_id: user, data }) => [room, client, user, data]))
