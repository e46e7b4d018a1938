<?php
/**
 * What 0.18 has for push transports, besides the hooks of page.js.
 *
 * @package stand-in-fragments
 */

add_action( 'post_updated', 'stand_in_on_post_updated', 10, 3 );

/**
 * Moves a room's version. Its row holds a number.
 */
function stand_in_move_version( $room ) {
	$row = stand_in_live_row( $room, '_version' );
	stand_in_put_row( $room, '_version', 0, (string) ( $row ? $row->data + 1 : time() ), time(), time() + HOUR_IN_SECONDS );
}

function wp_get_presence_room_versions( $rooms ) {
	$versions = array();
	foreach ( (array) $rooms as $room ) {
		$row               = stand_in_live_row( $room, '_version' );
		$versions[ $room ] = $row ? (string) $row->data : null;
	}
	return $versions;
}

function wp_get_presence_room_next_expiry( $rooms ) {
	$next = array();
	foreach ( (array) $rooms as $room ) {
		$rows          = array_filter( stand_in_live_rows( 'room = %s', $room ), static fn ( $row ) => ! stand_in_is_reserved( $row->client_id ) );
		$next[ $room ] = $rows ? min( array_column( $rows, 'expires_gmt' ) ) : null;
	}
	return $next;
}

function wp_presence_session_hash( $room ) {
	$token = wp_get_session_token();
	return '' === $token ? '' : substr( hash_hmac( 'sha256', $room, $token ), 0, 16 );
}

function wp_presence_admin_state( ...$args ) {
	return stand_in_admin_state( ...$args );
}

function wp_presence_editor_state( ...$args ) {
	return stand_in_editor_state( ...$args );
}

/**
 * The title and the status of a post are seen where people who edit it are.
 */
function stand_in_on_post_updated( $post_id, $after, $before ) {
	$room = wp_presence_post_room( $after );
	if ( $room && ( $after->post_title !== $before->post_title || $after->post_status !== $before->post_status ) && wp_get_presence( $room ) ) {
		stand_in_move_version( $room );
		do_action( 'wp_presence_room_changed', $room );
	}
}
