// The Presence API that the plugin provides, as it is seen everywhere at once: by the PHP functions,
// the REST route, the ticks of a page without a link, the frames of a page with a link, and on screen.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addMuPlugin, linked, newPost, until, withLive } from '../live/live.mjs'
import { logIn } from './person.mjs'

const route = '/wp-presence/v1/presence'
const ONLINE = 'admin/online'

test('presence in PHP, REST, ticks, frames and on screen', { timeout: 600_000 }, async (t) => {
	await withLive(t, async ({ site, php, ask, person }) => {
		const { author } = site.users
		const admin = await person('admin', { client: 'websocket' })
		const dashboard = await admin.open('/wp-admin/')
		await linked(dashboard, 'websocket')
		const [one, two] = [await logIn(site, 'editor'), await logIn(site, 'author')]
		// What each of them says, as a list of what pick returns for each entry or person. Ticks and
		// screens name people, the others have entries.
		const everywhere = async (pick) => {
			const [inPHP, inREST, inTick, inFrame, onScreen] = await Promise.all([
				ask(`return wp_get_presence('${ONLINE}');`),
				one.rest('GET', route, { room: ONLINE }).then(({ body }) => body),
				one.beat({ 'presence-ping': { screen: 'tools' } }).then((tick) => tick['presence-online'] ?? []),
				dashboard.evaluate((room) => wp.heartbeat.room(room).entries, ONLINE),
				dashboard.evaluate(() => Array.from(document.querySelectorAll('#heartbeatd-who li'), (line) => ({
					display_name: line.querySelector('.heartbeatd-name').textContent, screen_label: line.querySelector('.heartbeatd-screen')?.textContent,
				}))),
			])
			const picked = (list) => list.map(pick).filter((value) => value !== undefined)
			return { PHP: picked(inPHP), REST: picked(inREST), tick: picked(inTick), frame: picked(inFrame), screen: picked(onScreen) }
		}
		// says waits until everywhere has these values. What a tick or a frame has may be a moment old.
		const says = async (what, pick, expected, seconds = 40) => {
			let last
			await until(what, async () => JSON.stringify(last = await everywhere(pick)) === JSON.stringify(expected), seconds)
				.catch(() => assert.deepEqual(last, expected, what))
		}
		const alike = (value) => ({ PHP: [value], REST: [value], tick: [value], frame: [value], screen: [value] })
		const none = { PHP: [], REST: [], tick: [], frame: [], screen: [] }
		const isAuthor = (entry) => entry.user_id === author.id || entry.display_name === 'Author'
		const label = (entry) => (isAuthor(entry) ? (entry.data ?? entry).screen_label : undefined)

		await t.test('text is as it was sent', async () => {
			const text = '  a  b 1 < 2 & "c" <b>x</b> 50%20 '
			assert.equal((await two.rest('POST', route, { room: ONLINE, client_id: 'tab', data: { screen_label: text } })).status, 200)
			await says('the text by REST', label, alike(text))
			assert.equal(php(`return wp_set_presence('${ONLINE}', 'tab', array('screen_label' => '${text}!'), ${author.id});`), true)
			await says('the text by PHP', label, alike(`${text}!`))
			assert.equal(php(`return wp_remove_presence('${ONLINE}', 'tab');`), true)
			await says('nothing', label, none)
		})

		await t.test('an entry without a user is in the room, and is nobody', async () => {
			assert.equal(php(`return wp_set_presence('${ONLINE}', 'import-1', array('screen' => 'import'));`), true)
			const nobody = (entry) => (entry.user_id === 0 || entry.display_name === '' ? 0 : undefined)
			await says('the entry', nobody, { ...alike(0), tick: [], screen: [] })
			assert.doesNotMatch(await dashboard.innerText('#wp-admin-bar-heartbeatd-online'), /import/)
			php(`return wp_remove_presence('${ONLINE}', 'import-1');`)
		})

		await t.test('an entry ends with its own lifetime', async () => {
			assert.equal(php(`return wp_set_presence('${ONLINE}', 'agent-1', array('screen_label' => 'Agent'), array('user_id' => ${author.id}, 'expires_in' => 20));`), true)
			const written = Date.now()
			await says('the entry', label, alike('Agent'), 15)
			await says('the end', label, none, 40)
			assert.ok(Date.now() - written >= 19_000, `gone after ${Date.now() - written} ms`)
		})

		await t.test('a log-in is shown until its page is', async () => {
			await dashboard.evaluate(() => {
				window.seen = { frame: [], screen: [] }
				jQuery(document).on('heartbeat-presence.seen', (event, { joined = [], updated = [] }) => window.seen.frame.push(...joined.concat(updated).map(({ data }) => data.screen)))
				new MutationObserver(() => window.seen.screen.push(document.querySelector('#heartbeatd-who').innerText)).observe(document.querySelector('#heartbeatd-who'), { childList: true, subtree: true, characterData: true })
			})
			const expected = php(`return heartbeatd_screen_name('login');`)
			await logIn(site, 'author')
			await until('the log-in', () => dashboard.evaluate((text) => window.seen.frame.includes('login') && window.seen.screen.some((seen) => seen.includes('Author') && seen.includes(text)), expected))
			await says('the end of the entry', label, none)
		})

		await t.test('a page of the site has its title', async () => {
			const post = newPost(php, 'About <b>us</b>', author.id)
			const visitor = await person('author', { client: 'websocket' })
			const page = await visitor.open(`/?p=${post}`)
			await says('the title', label, alike('About us'))
			const front = (entry) => (isAuthor(entry) && entry.data ? entry.data.title : undefined)
			await says('the entry\'s title', front, { ...alike('About us'), tick: [], screen: [] })
			await page.close()
			await says('nobody', label, none)

			const editing = await visitor.open(`/wp-admin/post.php?post=${post}&action=edit`)
			await linked(editing, 'websocket')
			const room = `postType/post:${post}`
			const status = (entries) => entries.filter(({ client_id: id }) => id === `editor-${author.id}`).map(({ data }) => data.post_status)
			await until('the entry of the editor', async () => status((await one.rest('GET', route, { room })).body)[0] === 'publish')
			assert.deepEqual(status(await ask(`return wp_get_presence('${room}');`)), ['publish'])
			assert.deepEqual(status(await editing.evaluate((room) => wp.heartbeat.room(room).entries, room)), ['publish'])
			const tick = await one.beat({ 'presence-active-posts-ping': true })
			assert.deepEqual(tick['presence-active-posts'].map(({ post_id: id, editors }) => [id, editors.map(({ user_id: user }) => user)]), [[post, [author.id]]])
			await until('the post on screen', () => dashboard.evaluate(() => document.querySelector('#heartbeatd-active-posts').innerText.includes('About')))
			await editing.close()
			await visitor.close()
			await says('nobody again', label, none)
		})

		await t.test('writes and removals by REST fire the actions of PHP', async () => {
			addMuPlugin(site, 'fired', `
$GLOBALS['fired'] = array();
foreach (array('set_presence', 'removed_presence') as $name) add_action($name, function (...$args) use ($name) { $GLOBALS['fired'][] = array($name, ...$args); }, 10, 4);
add_filter('rest_post_dispatch', function ($response) { $response->header('X-Fired', wp_json_encode($GLOBALS['fired'])); return $response; });`)
			const fired = async (method, more) => JSON.parse((await two.rest(method, route, { room: ONLINE, client_id: 'tab', ...more })).headers.get('x-fired'))
			assert.deepEqual(await fired('POST', { data: { a: '<b>' } }), [['set_presence', ONLINE, 'tab', { a: '<b>' }, author.id]])
			assert.deepEqual(await fired('POST', { client_id: '_tab' }), [], 'a reserved id')
			assert.deepEqual([await fired('DELETE'), await fired('DELETE')], [[['removed_presence', ONLINE, 'tab']], []])
			addMuPlugin(site, 'fired', '')
		})

		await t.test('a user who is not recorded is nowhere', async () => {
			const visitor = await person('author', { client: 'websocket' })
			const page = await visitor.open('/wp-admin/tools.php')
			await says('the page', label, alike('Tools'))
			php(`return update_user_meta(${author.id}, 'wp_presence_recording', '0');`)
			await says('nothing', label, none, 90)
			php(`return delete_user_meta(${author.id}, 'wp_presence_recording');`)
			await page.close()
			await visitor.close()
		})
	})
})
