<?php
/**
 * Rooms: names, access, and what happens when the people in one change.
 *
 * @package stand-in-fragments
 */

function stand_in_add_support() {
	add_post_type_support( 'post', 'presence' );
	add_post_type_support( 'page', 'presence' );
}

function wp_presence_admin_room() {
	return 'admin/online';
}

function wp_presence_post_room( $post ) {
	$post = get_post( $post );
	return $post && post_type_supports( $post->post_type, 'presence' ) ? stand_in_room_of( $post ) : false;
}

function stand_in_room_of( $post ) {
	return "postType/{$post->post_type}:{$post->ID}";
}

function wp_presence_parse_room( $room ) {
	return preg_match( '#^postType/([^:]+):(\d+)$#D', $room, $match ) ? array(
		'post_type' => $match[1],
		'post_id'   => (int) $match[2],
	) : false;
}

function wp_can_access_presence_room( $room, $user_id = 0 ) {
	$user_id = $user_id ? $user_id : get_current_user_id();
	$parsed  = wp_presence_parse_room( $room );
	return $parsed ? get_post_type( $parsed['post_id'] ) === $parsed['post_type'] && user_can( $user_id, 'edit_post', $parsed['post_id'] ) : user_can( $user_id, 'edit_posts' );
}

/**
 * Determines whether the current user may see where another user is.
 */
function stand_in_can_see_location( $user_id ) {
	return current_user_can( 'view_presence_location', (int) $user_id );
}

function stand_in_map_location( $caps, $cap, $user_id, $args ) {
	return 'view_presence_location' === $cap ? array( (int) ( $args[0] ?? 0 ) === $user_id ? 'exist' : 'list_users' ) : $caps;
}

function stand_in_count_editors( $room ) {
	return wp_presence_parse_room( $room ) ? count( wp_get_presence( $room, array( 'client_prefix' => 'editor-' ) ) ) : 0;
}

/**
 * Tells that what others see of a room has changed.
 */
function stand_in_room_changed( $room, $editors_before ) {
	if ( STAND_IN_HAS_TRANSPORT_HOOKS ) {
		stand_in_move_version( $room );
	}
	if ( wp_presence_admin_room() === $room ) {
		do_action( 'wp_presence_admin_room_changed' );
		return;
	}
	$editors = stand_in_count_editors( $room );
	if ( ( $editors > 1 ) !== ( $editors_before > 1 ) ) {
		do_action( $editors > 1 ? 'wp_presence_collaboration_started' : 'wp_presence_collaboration_ended', $room, wp_get_presence( $room ) );
	}
}
