<?php
/**
 * Post locks that the Presence API plugin has in its table. That plugin answers the filters of
 * post metadata, so core's actions for a changed lock do not fire.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * Returns the locks before the changes that run now, by post.
 *
 * @return array<int, string>
 */
function &heartbeatd_locks_before() {
	static $locks = array();
	return $locks;
}

/**
 * Reads a lock before it is written or deleted.
 *
 * @param mixed  $check   What the filter returns.
 * @param int    $post_id The post; 0 for all posts.
 * @param string $key     The meta key.
 * @return mixed The first argument, unchanged.
 */
function heartbeatd_before_lock_change( $check, $post_id, $key ) {
	if ( '_edit_lock' === $key && $post_id ) {
		$before             = &heartbeatd_locks_before();
		$before[ $post_id ] = get_post_meta( $post_id, '_edit_lock', true );
	}
	return $check;
}

/**
 * Announces the change of a lock that another plugin has written or deleted itself.
 *
 * @param mixed  $check   What the filter returns: not null if that plugin has done it.
 * @param int    $post_id The post.
 * @param string $key     The meta key.
 * @return mixed The first argument, unchanged.
 */
function heartbeatd_after_lock_change( $check, $post_id, $key ) {
	$before = &heartbeatd_locks_before();
	if ( '_edit_lock' !== $key || ! isset( $before[ $post_id ] ) ) {
		return $check;
	}
	$was = $before[ $post_id ];
	unset( $before[ $post_id ] ); // In nested changes of one lock, the inner one is announced.
	if ( null !== $check ) {
		heartbeatd_announce_lock_change( $post_id, $was, get_post_meta( $post_id, '_edit_lock', true ) );
	}
	return $check;
}

/**
 * Tells lists and dashboards of a changed lock, too.
 *
 * @param string $room    The post's room.
 * @param int    $ends_in In how many seconds a released lock ends; 0 if it was not released.
 */
function heartbeatd_on_lock_announced( $room, $ends_in ) {
	heartbeatd_note_changed_room( $room, true );
	if ( $ends_in ) {
		heartbeatd_note_expiry( $room, time() + $ends_in );
	}
}
