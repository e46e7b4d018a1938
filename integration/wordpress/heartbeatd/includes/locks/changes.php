<?php
/**
 * Changes of post locks. When another user takes or releases a lock, pages that show the
 * post beat at once: editors learn that the post was taken over, lists show who edits it.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * The time over which pages that show a lock spread their beats, in milliseconds.
 */
const HEARTBEATD_LOCK_SPREAD_MS = 300;

/**
 * Announces the change before a lock is updated.
 *
 * @param int    $meta_id The row.
 * @param int    $post_id The post.
 * @param string $key     The meta key.
 * @param mixed  $value   The new value.
 */
function heartbeatd_on_lock_update( $meta_id, $post_id, $key, $value ) {
	if ( '_edit_lock' === $key ) {
		heartbeatd_announce_lock_change( $post_id, get_post_meta( $post_id, '_edit_lock', true ), $value );
	}
}

/**
 * Announces a lock of a post that had none.
 *
 * @param int    $meta_id The row.
 * @param int    $post_id The post.
 * @param string $key     The meta key.
 * @param mixed  $value   The value.
 */
function heartbeatd_on_lock_added( $meta_id, $post_id, $key, $value ) {
	if ( '_edit_lock' === $key ) {
		heartbeatd_announce_lock_change( $post_id, '', $value );
	}
}

/**
 * Announces the change before a lock is deleted.
 *
 * @param int[]  $meta_ids The rows.
 * @param int    $post_id  The post; 0 for all posts.
 * @param string $key      The meta key.
 */
function heartbeatd_on_lock_delete( $meta_ids, $post_id, $key ) {
	if ( '_edit_lock' === $key && $post_id ) {
		heartbeatd_announce_lock_change( $post_id, get_post_meta( $post_id, '_edit_lock', true ), '' );
	}
}

/**
 * Announces a change of a lock in the post's room, if other users see it.
 *
 * @param int   $post_id The post.
 * @param mixed $before  The lock before the change.
 * @param mixed $after   The lock after the change.
 */
function heartbeatd_announce_lock_change( $post_id, $before, $after ) {
	$room = heartbeatd_post_room( $post_id );
	if ( '' === $room ) {
		return;
	}
	list( $old, $old_left ) = heartbeatd_lock_holder( $before );
	list( $new, $new_left ) = heartbeatd_lock_holder( $after );
	if ( $old && ( $old !== $new || $new_left < $old_left ) ) {
		// Without this, the user would be shown as the lock's holder until the entry expires.
		$entry = array(
			'room'      => $room,
			'client_id' => "lock-$old",
		);
		heartbeatd_enqueue_call( '/presence?' . http_build_query( $entry, '', '&', PHP_QUERY_RFC3986 ), array() );
	}
	if ( $old !== $new ) {
		heartbeatd_nudge_paced( $room, HEARTBEATD_LOCK_SPREAD_MS );
	} elseif ( $new && $new_left < $old_left ) {
		// An editor that is closed keeps its lock for a few seconds, in case the page is only
		// reloaded: lists beat again after that.
		heartbeatd_push( $room, array( 'heartbeatd' => array( 'beat_after_ms' => 1000 * $new_left + 300 ) ) );
	}
}
