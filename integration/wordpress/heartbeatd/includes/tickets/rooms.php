<?php
/**
 * The rooms that a ticket names.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * The largest number of posts that are checked for one ticket. More rooms would not fit.
 */
const HEARTBEATD_MAX_ROOMS = 100;

/**
 * The largest number of post types that a ticket names.
 */
const HEARTBEATD_MAX_POST_TYPES = 20;

/**
 * Returns the rooms of a page that the current user may enter.
 *
 * @param int[]  $post_ids  The posts that the page shows, the most important first.
 * @param string $screen_id The page's screen.
 * @return string[]
 */
function heartbeatd_ticket_rooms( $post_ids, $screen_id ) {
	$post_ids = array_slice( array_unique( array_filter( array_map( 'intval', $post_ids ) ) ), 0, HEARTBEATD_MAX_ROOMS );
	_prime_post_caches( $post_ids, false, false );
	$rooms = array();
	foreach ( $post_ids as $post_id ) {
		$room = heartbeatd_post_room( $post_id );
		if ( '' !== $room && current_user_can( 'edit_post', $post_id ) ) {
			$rooms[] = $room;
		}
	}
	/**
	 * Filters the rooms that a page may enter and hear, besides admin/online. A callback
	 * that adds a room decides that the current user may. Rooms that do not fit into the
	 * ticket are left out, from the end.
	 *
	 * @param string[] $rooms     Rooms, as 'postType/post:42' or 'shop/orders'. A room contains a '/'.
	 * @param string   $screen_id The page's screen, 'front' outside the admin.
	 */
	$rooms = apply_filters( 'heartbeatd_rooms', $rooms, $screen_id );
	return array_slice( heartbeatd_valid_rooms( $rooms ), 0, HEARTBEATD_MAX_ROOMS );
}

/**
 * Returns the valid rooms among those that a filter returned, and warns about the others:
 * no push would reach them.
 *
 * @param mixed $rooms The value that the filter heartbeatd_rooms returned.
 * @return string[]
 */
function heartbeatd_valid_rooms( $rooms ) {
	$valid = array();
	foreach ( (array) $rooms as $room ) {
		if ( heartbeatd_is_room_name( $room ) ) {
			$valid[] = $room;
			continue;
		}
		/* translators: %s: the value that was given as a room. */
		$message = sprintf( __( 'The filter heartbeatd_rooms returned %s. A room is a string of at most 191 bytes that contains a "/", for example "shop/orders".', 'heartbeatd' ), esc_html( heartbeatd_describe_value( $room ) ) );
		_doing_it_wrong( 'heartbeatd_rooms', $message, '0.1.0' ); // phpcs:ignore WordPress.Security.EscapeOutput.OutputNotEscaped -- The value is escaped above.
	}
	return array_values( array_unique( $valid ) );
}

/**
 * Returns the post types with rooms of which the current user may edit every post, except the
 * one that heartbeatd_post_except_from_types() returns. For these, heartbeatd needs no check for
 * single posts.
 *
 * @return string[] Empty if a plugin decides about the capabilities for single posts.
 */
function heartbeatd_editable_post_types() {
	$can = heartbeatd_capability_check();
	if ( 'current_user_can' === $can && ( heartbeatd_has_foreign_callbacks( 'map_meta_cap' ) || heartbeatd_has_foreign_callbacks( 'user_has_cap' ) ) ) {
		return array();
	}
	$types = array();
	foreach ( $GLOBALS['wp_post_types'] as $name => $type ) { // get_post_types_by_support() takes longer.
		$may = post_type_supports( $name, 'presence' ) && $type->map_meta_cap
			&& $can( $type->cap->edit_posts ) && $can( $type->cap->edit_others_posts )
			&& $can( $type->cap->edit_published_posts ) && $can( $type->cap->edit_private_posts );
		if ( $may ) {
			$types[] = (string) $name;
		}
	}
	return array_slice( $types, 0, HEARTBEATD_MAX_POST_TYPES );
}

/**
 * Returns the post that the current user may not edit although they may edit every other post
 * of its type: core asks for another capability before the site's privacy policy is edited.
 *
 * @return int 0 if there is none.
 */
function heartbeatd_post_except_from_types() {
	$can = heartbeatd_capability_check();
	return $can( 'manage_privacy_options' ) ? 0 : (int) get_option( 'wp_page_for_privacy_policy' );
}
