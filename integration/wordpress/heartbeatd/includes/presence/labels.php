<?php
/**
 * What users see of screens, posts and other users: labels, titles and avatars.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * The labels of core's screens, by the screen's id or by a pattern of ids. Screens of one area, as
 * the settings screens, have the same label. The texts are core's, which translates them.
 */
const HEARTBEATD_SCREEN_LABELS = array(
	'front'         => 'Website',
	'dashboard'     => 'Dashboard',
	'update-core'   => 'Updates',
	'upload'        => 'Media',
	'media'         => 'Media',
	'edit-comments' => 'Comments',
	'comment'       => 'Comments',
	'themes'        => 'Themes',
	'theme-*'       => 'Themes',
	'site-editor'   => 'Site Editor',
	'nav-menus'     => 'Menus',
	'widgets'       => 'Widgets',
	'plugins'       => 'Plugins',
	'plugin-*'      => 'Plugins',
	'users'         => 'Users',
	'user'          => 'Users',
	'user-edit'     => 'Users',
	'profile'       => 'Profile',
	'tools'         => 'Tools',
	'import'        => 'Import',
	'export'        => 'Export',
	'options-*'     => 'Settings',
	'site-health'   => 'Site Health',
	'login'         => 'Log In',
);

/**
 * Returns the label of a screen. It is derived from the screen's id alone, so that a ticket
 * made for a beat has the same label as the page's first ticket. An empty label leaves the
 * choice to heartbeatd.
 *
 * @param string $screen_id The screen's id.
 * @return string
 */
function heartbeatd_screen_label( $screen_id ) {
	// A post type may have the name of one of core's screens, as plugin-review.
	$is_core   = in_array( $screen_id, array( 'front', 'dashboard' ), true );
	$post_type = $is_core ? null : get_post_type_object( preg_replace( '/^edit-/', '', $screen_id ) );
	if ( $post_type ) {
		return (string) ( 0 === strpos( $screen_id, 'edit-' ) ? $post_type->labels->name : $post_type->labels->edit_item );
	}
	foreach ( HEARTBEATD_SCREEN_LABELS as $pattern => $label ) {
		if ( fnmatch( $pattern, substr( $screen_id, 0, 100 ) ) ) {
			return __( $label ); // phpcs:ignore WordPress.WP.I18n
		}
	}
	$taxonomy = 0 === strpos( $screen_id, 'edit-' ) ? get_taxonomy( substr( $screen_id, 5 ) ) : false;
	return $taxonomy ? (string) $taxonomy->labels->name : '';
}

/**
 * Returns the label of a screen, or its id in readable form.
 *
 * @param string $screen_id The screen's id.
 * @return string
 */
function heartbeatd_screen_name( $screen_id ) {
	$label = heartbeatd_screen_label( $screen_id );
	return '' !== $label ? $label : ucwords( trim( str_replace( array( '-', '_' ), ' ', $screen_id ) ) );
}

/**
 * Returns a post's title as plain text.
 *
 * @param WP_Post $post The post.
 * @return string
 */
function heartbeatd_post_title( $post ) {
	$title = 'auto-draft' === $post->post_status ? '' : trim( wp_strip_all_tags( html_entity_decode( $post->post_title, ENT_QUOTES | ENT_HTML5, 'UTF-8' ) ) );
	return '' !== $title ? mb_substr( $title, 0, 80 ) : __( '(no title)' ); // phpcs:ignore WordPress.WP.I18n.MissingArgDomain
}

/**
 * Returns the title of the current page of the site's front end, as plain text. Every user who
 * may edit posts sees it.
 *
 * @return string Empty for a page that only some users may see, for a preview, and for a search,
 *                whose title has the words that the user searches.
 */
function heartbeatd_page_title() {
	$post = is_singular() ? get_queried_object() : null;
	if ( is_preview() || is_search() || ( $post && ! is_post_publicly_viewable( $post ) ) ) {
		return '';
	}
	$title = $post ? $post->post_title : heartbeatd_document_title();
	return mb_substr( trim( wp_strip_all_tags( html_entity_decode( $title, ENT_QUOTES | ENT_HTML5, 'UTF-8' ) ) ), 0, 80 );
}

/**
 * Returns the title of the current document without the site's name.
 *
 * @return string HTML. A plugin may have added the site's name.
 */
function heartbeatd_document_title() {
	$only_title = static function ( $parts ) {
		return array_intersect_key( $parts, array( 'title' => '' ) );
	};
	add_filter( 'document_title_parts', $only_title, PHP_INT_MAX );
	$title = wp_get_document_title();
	remove_filter( 'document_title_parts', $only_title, PHP_INT_MAX );
	return $title;
}

/**
 * Returns how long ago something was, in words.
 *
 * @param int $time Unix seconds.
 * @return string
 */
function heartbeatd_time_ago( $time ) {
	/* translators: %s: a time span. */
	return sprintf( __( '%s ago' ), human_time_diff( $time ) ); // phpcs:ignore WordPress.WP.I18n.MissingArgDomain
}

/**
 * Returns the URL of a user's avatar, if the site shows avatars and the URL is not too long.
 *
 * @param WP_User $user The user.
 * @return string
 */
function heartbeatd_avatar_url( $user ) {
	// Core would find the user again by the ID. A plugin may only know IDs.
	$who = has_filter( 'pre_get_avatar_data' ) || has_filter( 'get_avatar_data' ) || has_filter( 'get_avatar_url' ) ? $user->ID : $user;
	$url = get_option( 'show_avatars' ) ? (string) get_avatar_url( $who, array( 'size' => 64 ) ) : '';
	return strlen( $url ) > 255 ? '' : $url;
}

/**
 * Returns core's text about a locked post, as core's answer to a list of posts has it.
 *
 * @return string With a placeholder for the name.
 */
function heartbeatd_locked_text() {
	/* translators: %s: User's display name. */
	return __( '%s is currently editing' ); // phpcs:ignore WordPress.WP.I18n.MissingArgDomain
}
