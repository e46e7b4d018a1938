// The ticket of a posts list names the rooms of the posts that the list shows, and no others: in
// every order, on every page, for flat and hierarchical post types.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addMuPlugin, claimsOf, logIn, withPlugin } from './plugin.mjs'

const PAGES = 300

// With ?head=1 a script in the head depends on Heartbeat.
const types = `
add_action('init', function () {
	register_post_type('chapter', array('public' => true, 'hierarchical' => true, 'supports' => array('title', 'presence')));
});
add_action('admin_enqueue_scripts', function () {
	if (isset($_GET['head'])) wp_enqueue_script('in-the-head', plugins_url('x.js'), array('heartbeat'), '1', false);
});
`

test('the ticket of a list names the rooms of its rows', { timeout: 300_000 }, async (t) => {
	await withPlugin(t, async ({ site, browser, php }) => {
		addMuPlugin(site, 'types', types)
		// A third of the pages have parents that are far away in the order of titles.
		php(`global $wpdb; $ids = array(); for ($i = 0; $i < ${PAGES}; $i++) foreach (array('page', 'chapter', 'post') as $type)
			$ids[$type][] = wp_insert_post(array('post_type' => $type, 'post_status' => $i % 7 ? 'publish' : 'draft', 'post_title' => "$type " . ($i * 37 % ${PAGES}), 'post_parent' => $i % 3 || !$i || 'post' === $type ? 0 : $ids[$type][$i - 2]));
			return 1;`)
		const { request } = await logIn(await browser(), site, 'editor')
		const open = async (query) => {
			const html = await (await request.get(`${site.url}/wp-admin/edit.php?${query}`)).text()
			const rows = [...html.matchAll(/<tr id="post-(\d+)" class="[^"]*\btype-(\w+)/g)].map(([, id, type]) => `postType/${type}:${id}`)
			const ticket = html.match(/"ticket":"([\w.-]+)"/)[1]
			return { rows, rooms: claimsOf(ticket).rooms, inHead: html.indexOf(ticket) < html.indexOf('</head>') }
		}
		for (const query of ['post_type=page', 'post_type=page&paged=12', 'post_type=page&orderby=title&order=desc&paged=3', 'post_type=page&s=9', 'post_type=page&post_status=draft&paged=2',
			'post_type=chapter&paged=9', 'post_type=post', 'post_type=post&paged=14&orderby=title', 'post_type=post&mode=excerpt']) {
			await t.test(query, async () => {
				const { rows, rooms, inHead } = await open(query)
				assert.ok(rows.length >= 20 && rows.length < 40, `${rows.length} rows`)
				assert.deepEqual(rooms, rows.slice(0, rooms.length))
				assert.ok(rooms.length >= 20, `${rooms.length} rooms`)
				assert.ok(!inHead)
			})
		}
		await t.test('a ticket in the head names the rooms that are known then', async () => {
			const flat = await open('post_type=post&head=1')
			assert.ok(flat.inHead)
			assert.deepEqual(flat.rooms, flat.rows)
			const pages = await open('post_type=page&paged=12&head=1')
			assert.ok(pages.inHead && pages.rows.length >= 20)
			assert.deepEqual(pages.rooms, [])
		})
	})
})
