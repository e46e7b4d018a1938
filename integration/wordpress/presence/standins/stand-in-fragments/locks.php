<?php
/**
 * Post locks: _edit_lock is read from and written to the row _lock of the post's room, for every
 * post type. Core's post metadata, and its actions, are not involved.
 *
 * @package stand-in-fragments
 */

function stand_in_lock_room( $post_id, $key ) {
	$post = '_edit_lock' === $key && wp_presence_feature_enabled( 'post-locks' ) ? get_post( $post_id ) : null;
	return $post ? stand_in_room_of( $post ) : '';
}

function stand_in_get_lock( $value, $post_id, $key, $single ) {
	$room = stand_in_lock_room( $post_id, $key );
	if ( '' === $room ) {
		return $value;
	}
	$row = stand_in_live_row( $room, '_lock' );
	if ( $row ) {
		return array( stand_in_time( $row->date_gmt ) . ":$row->user_id" );
	}
	return $single ? array( '' ) : array();
}

function stand_in_add_lock( $check, $post_id, $key, $value ) {
	return stand_in_update_lock( $check, $post_id, $key, $value, '' );
}

/**
 * Writes a lock, unless another one than $before is there: that of a user who has taken over.
 */
function stand_in_update_lock( $check, $post_id, $key, $value, $before ) {
	$room = stand_in_lock_room( $post_id, $key );
	if ( '' === $room ) {
		return $check;
	}
	$current = get_post_meta( $post_id, $key, true );
	if ( $before && $current && $current !== $before ) {
		return false;
	}
	list( $time, $user ) = array_map( 'intval', explode( ':', $value ) );
	/** This filter is documented in wp-admin/includes/ajax-actions.php */
	$window = (int) apply_filters( 'wp_check_post_lock_window', 150 ); // phpcs:ignore WordPress.NamingConventions
	return stand_in_put_row( $room, '_lock', $user, '{}', $time, $time + $window );
}

function stand_in_delete_lock( $check, $post_id, $key ) {
	$room = stand_in_lock_room( $post_id, $key );
	return '' === $room ? $check : (bool) stand_in_delete_row( $room, '_lock' );
}
