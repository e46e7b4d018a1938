<?php
/**
 * The ticket that an admin page carries.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * Puts the ticket, and for how many seconds a post lock lives, before the script on
 * pages of the admin. The ticket is made when the script is printed, usually in the
 * footer: only then is it known which posts a list shows.
 *
 * @param string $tag    The script's tag.
 * @param string $handle The script.
 * @return string
 */
function heartbeatd_print_ticket( $tag, $handle ) {
	if ( 'heartbeat' !== $handle || ! is_admin() || ! heartbeatd_is_configured() ) {
		return $tag;
	}
	$settings = array(
		'url'         => heartbeatd_setting( 'url' ),
		'ticket'      => heartbeatd_page_ticket(),
		'lock_window' => heartbeatd_lock_window(),
	);
	// Whoever registers the script again may give it no settings: then it has no nonce either.
	$script = 'if ( window.heartbeatSettings ) { window.heartbeatSettings.heartbeatd = ' . wp_json_encode( $settings ) . '; }';
	return wp_get_inline_script_tag( $script, array( 'id' => 'heartbeatd-ticket-js' ) ) . $tag;
}

/**
 * The ticket of the admin page that is being made.
 *
 * @return string
 */
function heartbeatd_page_ticket() {
	$screen = function_exists( 'get_current_screen' ) ? get_current_screen() : null;
	$posts  = heartbeatd_page_post_ids();
	return heartbeatd_ticket(
		wp_create_nonce( 'heartbeat-nonce' ),
		$screen ? $screen->id : '',
		$posts,
		$screen && 'post' === $screen->base && $posts ? $posts[0] : 0
	);
}

/**
 * The posts that an admin page shows: the one in the editor, or those in the list.
 *
 * @return int[]
 */
function heartbeatd_page_post_ids() {
	$screen = function_exists( 'get_current_screen' ) ? get_current_screen() : null;
	if ( ! $screen ) {
		return array();
	}
	if ( 'post' === $screen->base ) {
		$post = get_post();
		return $post ? array( $post->ID ) : array();
	}
	return 'edit' === $screen->base ? heartbeatd_list_post_ids() : array();
}

/**
 * The posts that the list on this page shows. Before the list is printed they are
 * known only if the query has found no others: of a hierarchical type it finds all
 * posts, without their contents.
 *
 * @param int|null $post_id Adds a row.
 * @return int[]
 */
function heartbeatd_list_post_ids( $post_id = null ) {
	static $rows = array();
	if ( null !== $post_id ) {
		$rows[] = (int) $post_id;
	}
	$query = $GLOBALS['wp_query'] ?? null;
	if ( $rows || ! $query instanceof WP_Query || 'id=>parent' === $query->get( 'fields' ) ) {
		return $rows;
	}
	return wp_list_pluck( (array) $query->posts, 'ID' );
}

/**
 * Remembers a post whose row is being printed in a list of posts, the only ones
 * with the class 'iedit'.
 *
 * @param string[] $classes   The row's classes, which stay as they are.
 * @param string[] $css_class Those that the list table gave it.
 * @param int      $post_id   The post.
 * @return string[]
 */
function heartbeatd_record_list_row( $classes, $css_class, $post_id ) {
	if ( in_array( 'iedit', (array) $css_class, true ) ) {
		heartbeatd_list_post_ids( $post_id );
	}
	return $classes;
}
