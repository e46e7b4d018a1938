<?php
/**
 * The ticket that an admin page carries.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * Prints the ticket and other settings of the drop-in before its script tag, on admin
 * pages only: pages of the front end may come from a cache. The ticket is made when the
 * script is printed, usually in the footer: the posts of a list are not known earlier.
 *
 * @param string $tag    The script's tag.
 * @param string $handle The script's handle.
 * @return string
 */
function heartbeatd_print_ticket( $tag, $handle ) {
	if ( 'heartbeat' !== $handle || ! is_admin() || ! heartbeatd_is_configured() ) {
		return $tag;
	}
	$claims   = heartbeatd_page_claims();
	$settings = array(
		'url'         => heartbeatd_setting( 'url' ),
		'ticket'      => heartbeatd_sign_ticket( $claims ),
		'native'      => in_array( 'presence-ping', $claims['native'] ?? array(), true ),
		'lock_window' => heartbeatd_lock_window(),
		'locked_text' => heartbeatd_locked_text(),
	);
	// A plugin that registers the script again may give it no settings, and so no nonce.
	$script = 'if ( window.heartbeatSettings ) { window.heartbeatSettings.heartbeatd = ' . wp_json_encode( $settings ) . '; }';
	return wp_get_inline_script_tag( $script, array( 'id' => 'heartbeatd-ticket-js' ) ) . $tag;
}

/**
 * Returns the claims of the current admin page's ticket.
 *
 * @return array
 */
function heartbeatd_page_claims() {
	$screen    = function_exists( 'get_current_screen' ) ? get_current_screen() : null;
	$screen_id = $screen ? sanitize_key( $screen->id ) : ''; // As core does with that of a beat.
	$post_ids  = heartbeatd_page_post_ids();
	heartbeatd_record_screen( $screen_id );
	return heartbeatd_ticket_claims(
		wp_create_nonce( 'heartbeat-nonce' ),
		$screen_id,
		$post_ids,
		$screen && 'post' === $screen->base && $post_ids ? $post_ids[0] : 0
	);
}

/**
 * Returns the posts that the current admin page shows: the post in the editor, or those
 * in the list.
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
 * Returns the posts in the list on the current page. After the list is printed, these are
 * the recorded rows. Before, they are the posts of the main query, except for hierarchical
 * post types: there the query returns the ids of all posts.
 *
 * @param int|null $post_id Records a row.
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
 * Records a row of a list of posts while it is printed. Only these rows have the class
 * 'iedit'.
 *
 * @param string[] $classes   The row's classes.
 * @param string[] $css_class The classes that the list table has added.
 * @param int      $post_id   The post.
 * @return string[] The row's classes, unchanged.
 */
function heartbeatd_record_list_row( $classes, $css_class, $post_id ) {
	if ( in_array( 'iedit', (array) $css_class, true ) ) {
		heartbeatd_list_post_ids( $post_id );
	}
	return $classes;
}
