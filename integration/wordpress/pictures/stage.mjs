// A site for pictures: people with names and avatars, posts, and pages that the people have open.

import { mkdirSync, writeFileSync } from 'node:fs'
import { addMuPlugin, beat, editorOf, linked, newEditor } from '../live/live.mjs'
import { secret } from '../plugin.mjs'

const PEOPLE = { admin: ['Anna Berg', '#2271b1'], editor: ['Ben Okafor', '#3f7d3f'], chloe: ['Chloé Martin', '#7a4a99'], diego: ['Diego Ruiz', '#8a5a2b'], author: ['Emi Sato', '#b26200'], subscriber: ['Finn Holm', '#50575e'] }
const POSTS = ['Spring opening hours', 'Ten recipes for June', 'An interview with Mara Lind', 'The workshop moves', 'Volunteers wanted', 'What we read in May']

// OURS are the parts of the screens that the plugin makes. The admin bar's items themselves are WordPress's, with roles that axe does not like.
export const OURS = '#heartbeatd-card, #heartbeatd-setup, #heartbeatd-plot, #heartbeatd-savings-method, #heartbeatd_online, #heartbeatd_posts, #wp-admin-bar-heartbeatd-online > *, .column-heartbeatd_editors, .column-heartbeatd_status, #heartbeatd-here, .heartbeatd-panel, .heartbeatd-header, #heartbeatd-stale, #heartbeatd-setup-notice, .heartbeatd-faces, #heartbeatd-callbacks'

const avatar = (name, colour) => `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64"><rect width="64" height="64" fill="${colour}"/><text x="32" y="43" text-anchor="middle" font-family="sans-serif" font-size="32" fill="#fff">${name[0]}</text></svg>`

// Cookies make the admin right-to-left, and select its colors.
const CODE = `
add_filter('get_avatar_url', function ($url, $who) {
	$user = get_userdata(is_object($who) ? $who->ID ?? $who->user_id : (int) $who);
	return $user ? content_url("/uploads/$user->user_login.svg") : $url;
}, 10, 2);
if (isset($_COOKIE['picture_rtl'])) {
	add_action('init', function () { $GLOBALS['wp_locale']->text_direction = 'rtl'; wp_styles()->text_direction = 'rtl'; });
}
if (isset($_COOKIE['picture_colour'])) {
	add_filter('get_user_option_admin_color', fn () => sanitize_key($_COOKIE['picture_colour']));
}
`

// prepare makes people and posts, and returns the ids of the posts.
export function prepare({ site, server, php }) {
	addMuPlugin(site, 'pictures', CODE)
	for (const login of Object.keys(PEOPLE)) if (!site.users[login]) newEditor(site, php, login)
	const uploads = `${site.dir}/wp-content/uploads`
	mkdirSync(uploads, { recursive: true })
	for (const [login, [name, colour]] of Object.entries(PEOPLE)) {
		writeFileSync(`${uploads}/${login}.svg`, avatar(name, colour))
		php(`return wp_update_user(array('ID' => ${site.users[login].id}, 'display_name' => '${name}', 'first_name' => '${name.split(' ')[0]}', 'last_name' => '${name.split(' ')[1]}'));`)
	}
	openSidebars(php)
	php(`foreach (get_users() as $user) {
			update_user_meta($user->ID, 'show_welcome_panel', 0);
			update_user_meta($user->ID, 'metaboxhidden_dashboard', array('dashboard_primary')); // It needs wordpress.org.
		}
		update_option('blogname', 'The Reading Room');
		return update_option('heartbeatd', array('secret' => '${secret}', 'api' => '${server.admin}'));`)
	return php(`foreach (get_posts(array('fields' => 'ids', 'post_status' => 'any', 'numberposts' => -1)) as $id) wp_delete_post($id, true);
		$ids = array(); foreach (array(${POSTS.map((title) => `'${title}'`)}) as $n => $title) $ids[] = wp_insert_post(array('post_title' => $title, 'post_content' => '<!-- wp:paragraph --><p>The reading room opens at nine, from Tuesday to Saturday. On the first Sunday of each month there is tea.</p><!-- /wp:paragraph -->', 'post_status' => $n % 3 ? 'publish' : 'draft', 'post_author' => ${site.users.editor.id}, 'post_date' => gmdate('Y-m-d H:i:s', time() - 86400 * $n - 3600))); return $ids;`)
}

// openSidebars lets the block editor open its sidebar, which it remembers as closed after a narrow window.
export const openSidebars = (php) => php(`global $wpdb; foreach (get_users() as $user)
	update_user_meta($user->ID, $wpdb->get_blog_prefix() . 'persisted_preferences', array('core' => array('isComplementaryAreaVisible' => true), 'core/edit-post' => array('welcomeGuide' => false), '_modified' => gmdate('c'))); return 1;`)

// saved stores the measured beats of two weeks.
export const saved = (php) => php(`$days = array();
	for ($ago = 13; $ago >= 0; $ago--) {
		$native = $ago > 5 ? 0 : 9000 + 700 * (($ago * 5) % 4);
		$samples = $native ? 20 + ($ago % 3) : 190 + 20 * (($ago * 3) % 5);
		$days[gmdate('Y-m-d', time() - $ago * DAY_IN_SECONDS)] = array('samples' => $samples, 'wall' => 0.061 * $samples, 'cpu' => 0.043 * $samples, 'savable' => 0.9 * $samples, 'native' => $native) + HEARTBEATD_EMPTY_DAY;
	}
	return update_option('heartbeatd_samples', array_merge(heartbeatd_samples(), array('since' => time() - 13 * DAY_IN_SECONDS, 'days' => $days)), false);`)

// joins lets somebody else be in the room of a post, for a minute.
export const joins = ({ site, php }, login, post) => php(`return wp_set_presence('postType/post:${post}', 'editor-${site.users[login].id}', array('action' => 'editing'), ${site.users[login].id});`)

// companions opens the pages of the others: two of them edit posts.
export async function companions({ person }, [first, second]) {
	const pages = []
	for (const [login, editor, path] of [['editor', 'block', editorOf(first)], ['chloe', 'classic', editorOf(second)], ['diego', 'block', '/wp-admin/upload.php?mode=list']]) {
		const page = await (await person(login, { editor })).open(path)
		await linked(page)
		await beat(page)
		pages.push(page)
	}
	return pages
}
