// Browsers that are also logged in to another WordPress on the same host: pages have links with
// all paths and names of the log-in cookies.

import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { addMuPlugin, beat, linked, until, withLive } from './live.mjs'

const FOREIGN = {
	name: `wordpress_logged_in_${'a'.repeat(32)}`,
	value: `bob%7C1999999999%7Cx%7C${'0'.repeat(64)}`,
}

test('two WordPress sites on one host', { timeout: 300_000 }, async (t) => {
	await withLive(t, async ({ site, php, person }) => {
		const host = site.url
		const play = (name, client) => t.test(`${name}: ${client}`, async () => {
			const anna = await person('editor', { client })
			await anna.context.addCookies([{ ...FOREIGN, url: `${host}/` }])
			const page = await anna.open('/wp-admin/')
			await linked(page, client)
			assert.equal((await beat(page))['wp-auth-check'], true)
			await anna.close()
		})
		await play('both in the root folder', 'websocket')
		await play('both in the root folder', 'longpoll')

		moveTo(site, '/blog')
		await until('the site in /blog', async () => php('return COOKIEPATH;') === '/blog/')
		await t.test('the cookie of /blog is not sent to /heartbeat/', async () => {
			const anna = await person('editor', { client: 'websocket' })
			const names = async (path) => (await anna.context.cookies(`${host}${path}`)).map(({ name }) => name)
			assert.match((await names('/blog/')).join(), /wordpress_logged_in_/)
			assert.doesNotMatch((await names('/heartbeat/')).join(), /wordpress_logged_in_/)
			await anna.close()
		})
		await play('the other in /, this one in /blog', 'websocket')

		addMuPlugin(site, 'cookie-name', "define('LOGGED_IN_COOKIE', 'a_name_of_its_own');")
		await play('with a cookie of another name', 'websocket')
	})
})

// moveTo moves the site to another folder of its host, also in the web server.
function moveTo(site, path) {
	const file = `${site.dir}/wp-config.php`
	writeFileSync(file, readFileSync(file, 'utf8').replaceAll(`'${site.url}'`, `'${site.url}${path}'`))
	site.url += path
}
