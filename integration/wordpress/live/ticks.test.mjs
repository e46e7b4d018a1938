// What pages see of plugins that hang on the hooks of a beat: on every transport the same handles with
// the same values as with core's client, also in beats that heartbeatd answers. All plugins of
// plugins/beats are active, and the site has a persistent object cache.

import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { ACTING, OWN_HANDLES, SCREENS, SILENT, TURNING, activate, native, openCells } from './cells.mjs'
import { addMuPlugin, hasLink, tickOf, withLive } from './live.mjs'
import { startRedis } from './redis.mjs'

const CLIENTS = ['core', 'websocket', 'events', 'longpoll', 'post']
const LINKED = CLIENTS.filter(hasLink)
const LOCKS = 'wp-check-locked-posts'
const PACE = 60

// What a page asks for in one beat. The last one is answered by a callback that ends the request.
const ASKED = [[], [], OWN_HANDLES, ['prefix-asked']]

// The plugins that act, with the screens on which a page sees it. No page sees a write.
const SEEN = { ...ACTING, 'option-switch': SCREENS, 'file-switch': SCREENS }
delete SEEN['writes-user-meta']

test('ticks with plugins', { timeout: 800_000 }, async (t) => {
	await withLive(t, async (live) => {
		const { site, php } = live
		const author = site.users.author.id
		await startRedis(t, site)
		// All lists show the same posts.
		addMuPlugin(site, 'list', `add_action('pre_get_posts', function ($query) { if (is_admin() && $query->is_main_query()) $query->set('author', ${author}); });`)
		const posts = php(`foreach (array(1, 2, 3) as $i) $posts[] = wp_insert_post(array('post_title' => "Post $i", 'post_status' => 'publish', 'post_author' => ${author})); return $posts;`)
		activate(site, php, [...SILENT, ...Object.keys(TURNING)])
		php(`return set_transient('by_the_clock', 1, HOUR_IN_SECONDS);`) // It acts for the page that beats first.
		const pages = {}
		for (const client of CLIENTS) pages[client] = await openCells(live, client)
		const lock = () => php(`return update_post_meta(${posts[1]}, '_edit_lock', time() . ':${author}');`)

		await t.test('that are silent: the same handles and values', async (t) => {
			const { ticks, posted } = await compare(t, pages, async (screen) => {
				lock()
				await Promise.all(LINKED.map((client) => native(pages[client][screen], `${client}, ${screen}`)))
			})
			assert.deepEqual(Object.keys(ticks.list[0]).sort(), ['wp-auth-check', LOCKS])
			assert.deepEqual(Object.keys(ticks.list[0][LOCKS]), [`post-${posts[1]}`])
			for (const client of LINKED) {
				for (const screen of SCREENS) assert.ok(posted[client][screen] < ASKED.length, `${client}, ${screen}: all beats went to PHP`)
			}
		})

		await t.test('that begin to act: the same handles and values from the next beat on', async (t) => {
			lock()
			writeFileSync(`${site.dir}/wp-content/file-switch`, '')
			activate(site, php, Object.keys(ACTING))
			php(`return update_option('option_switch', 1);`)
			const { ticks } = await compare(t, pages)
			for (const screen of SCREENS) {
				const expected = Object.keys(SEEN).filter((name) => SEEN[name].includes(screen)).sort()
				for (const tick of ticks[screen].slice(0, 2)) assert.deepEqual(Object.keys(tick).filter((handle) => handle in SEEN).sort(), expected, screen)
			}
		})

		await t.test('for which the owner has chosen a pace: the same from the first beat after it on', async () => {
			php(`$keys = array_map('heartbeatd_pace_key', array_values(heartbeatd_observations()['foreign']));
				return update_option('heartbeatd', array('paces' => array_fill_keys($keys, ${PACE})));`)
			for (const screen of SCREENS) {
				lock()
				const core = await seenBy(pages.core[screen])
				const without = Object.fromEntries(Object.entries(core.tick).filter(([handle]) => !(handle in SEEN)))
				for (const client of LINKED) {
					const page = pages[client][screen]
					const { tick } = await native(page, `${client}, ${screen}`, seenBy)
					assert.deepEqual(tick, without, `${client}, ${screen}`)
					await page.evaluate((ms) => {
						const now = Date.now
						Date.now = () => now() + ms
					}, 1000 * (PACE + 1))
					assert.deepEqual(await seenBy(page), core, `${client}, ${screen}, after the pace`)
				}
			}
		})
	})
})

// compare has the pages of all clients beat, and returns the ticks of core's pages by screen, and
// how many beats went to PHP by client and screen. Before, prepare is called for each screen.
async function compare(t, pages, prepare = () => {}) {
	const ticks = {}
	const posted = Object.fromEntries(CLIENTS.map((client) => [client, {}]))
	for (const screen of SCREENS) {
		await prepare(screen)
		const seen = await Promise.all(CLIENTS.map((client) => seenInTurn(pages[client][screen])))
		ticks[screen] = seen[0].map(({ tick }) => tick)
		for (const [i, client] of CLIENTS.entries()) {
			assert.deepEqual(seen[i].map(({ tick }) => tick), ticks[screen], `${client}, ${screen}`)
			posted[client][screen] = seen[i].filter(({ byPHP }) => byPHP).length
		}
		for (const handle of OWN_HANDLES) assert.ok(handle in ticks[screen][2], `${screen}: ${handle}`)
		assert.deepEqual(ticks[screen][3], { 'prefix-asked': { done: '1' } })
		t.diagnostic(`${screen}, answered by PHP: ${CLIENTS.map((client) => `${client} ${posted[client][screen]}`).join(', ')}, of ${ASKED.length}`)
	}
	return { ticks, posted }
}

async function seenInTurn(page) {
	const seen = []
	for (const handles of ASKED) seen.push(await seenBy(page, handles))
	return seen
}

// seenBy has a page beat, and returns what its tick has besides presence, and what differs between
// times and users made equal.
async function seenBy(page, handles) {
	const { tick, byPHP } = await tickOf(page, handles)
	const kept = Object.entries(tick).filter(([handle]) => !handle.startsWith('presence-') && handle !== 'server_time')
	const text = JSON.stringify(Object.fromEntries(kept)).replace(/"new_lock":"\d+:\d+[^"]*"/, '"new_lock":"a lock"').replace(/"user":\d+/, '"user":"the user"')
	return { tick: JSON.parse(text), byPHP }
}
