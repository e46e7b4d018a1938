<?php
/**
 * The rooms that a ticket names.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * How many posts are looked at for one ticket. More rooms would not fit into it.
 */
const HEARTBEATD_MAX_ROOMS = 100;

/**
 * How many post types a ticket names.
 */
const HEARTBEATD_MAX_POST_TYPES = 20;

/**
 * The rooms that the current user may enter, of the posts that a page shows.
 *
 * @param int[]  $post_ids  The posts, the most important first.
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
	 * Filters the rooms that a page may enter and hear, besides admin/online.
	 * Whoever adds one decides that the current user may. What does not fit
	 * into the ticket is left out, from the end.
	 *
	 * @param string[] $rooms     Rooms, as 'postType/post:42' or 'shop/orders'. A room contains a '/'.
	 * @param string   $screen_id The page's screen, 'front' outside the admin.
	 */
	$rooms = apply_filters( 'heartbeatd_rooms', $rooms, $screen_id );
	return array_slice( heartbeatd_valid_rooms( $rooms ), 0, HEARTBEATD_MAX_ROOMS );
}

/**
 * The usable ones of the rooms that a filter gave. It warns about the others:
 * no push would reach them.
 *
 * @param mixed $rooms What the filter heartbeatd_rooms returned.
 * @return string[]
 */
function heartbeatd_valid_rooms( $rooms ) {
	$usable = array();
	foreach ( (array) $rooms as $room ) {
		if ( heartbeatd_is_room_name( $room ) ) {
			$usable[] = $room;
			continue;
		}
		/* translators: %s: what was given as a room. */
		$message = sprintf( __( 'The filter heartbeatd_rooms returned %s. A room is a string of at most 191 bytes that contains a "/", for example "shop/orders".', 'heartbeatd' ), esc_html( heartbeatd_describe_value( $room ) ) );
		_doing_it_wrong( 'heartbeatd_rooms', $message, '0.1.0' ); // phpcs:ignore WordPress.Security.EscapeOutput.OutputNotEscaped -- What was given is escaped above.
	}
	return array_values( array_unique( $usable ) );
}

/**
 * The post types with rooms all of whose posts the current user may edit,
 * whichever they are: heartbeatd need not ask about each.
 *
 * @return string[] None when some plugin decides about single posts.
 */
function heartbeatd_editable_post_types() {
	if ( heartbeatd_has_foreign_callbacks( 'map_meta_cap' ) || heartbeatd_has_foreign_callbacks( 'user_has_cap' ) ) {
		return array();
	}
	// Core asks for more than the right to edit pages before this one is edited.
	$privacy = current_user_can( 'manage_privacy_options' ) ? '' : heartbeatd_privacy_policy_post_type();
	$types   = array();
	foreach ( heartbeatd_unique_strings( get_post_types_by_support( 'presence' ) ) as $name ) {
		$type = get_post_type_object( $name );
		$may  = $type && $type->map_meta_cap
			&& current_user_can( $type->cap->edit_posts ) && current_user_can( $type->cap->edit_others_posts )
			&& current_user_can( $type->cap->edit_published_posts ) && current_user_can( $type->cap->edit_private_posts );
		if ( $may && $privacy !== $name ) {
			$types[] = $name;
		}
	}
	return array_slice( $types, 0, HEARTBEATD_MAX_POST_TYPES );
}

/**
 * The post type of the site's privacy policy. It is remembered, so that it costs
 * no query with every ticket.
 *
 * @return string '' when there is none.
 */
function heartbeatd_privacy_policy_post_type() {
	$id    = (int) get_option( 'wp_page_for_privacy_policy' );
	$known = get_option( 'heartbeatd_privacy_page' );
	if ( $id && ( ! is_array( $known ) || ( $known['id'] ?? 0 ) !== $id ) ) {
		$known = array(
			'id'   => $id,
			'type' => (string) get_post_type( $id ),
		);
		update_option( 'heartbeatd_privacy_page', $known, true );
	}
	return $id ? $known['type'] : '';
}
