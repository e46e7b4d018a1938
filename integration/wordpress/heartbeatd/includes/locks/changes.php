<?php
/**
 * Post locks: when one changes hands, the pages that show it beat at once.
 * Editors hear that the post was taken over, lists show who has it.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * Pages that show a lock beat within this time.
 */
const HEARTBEATD_LOCK_SPREAD_MS = 300;

/**
 * Before a lock is written over another.
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
 * A lock where there was none.
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
 * Before a lock is deleted.
 *
 * @param int[]  $meta_ids The rows.
 * @param int    $post_id  The post, 0 for all posts.
 * @param string $key      The meta key.
 */
function heartbeatd_on_lock_delete( $meta_ids, $post_id, $key ) {
	if ( '_edit_lock' === $key && $post_id ) {
		heartbeatd_announce_lock_change( $post_id, get_post_meta( $post_id, '_edit_lock', true ), '' );
	}
}

/**
 * Tells the post's room, if anything changed that others see.
 *
 * @param int   $post_id The post.
 * @param mixed $before  The lock before.
 * @param mixed $after   The lock now.
 */
function heartbeatd_announce_lock_change( $post_id, $before, $after ) {
	$room = heartbeatd_post_room( $post_id );
	if ( '' === $room ) {
		return;
	}
	list( $old, $old_left ) = heartbeatd_lock_holder( $before );
	list( $new, $new_left ) = heartbeatd_lock_holder( $after );
	if ( $old && ( $old !== $new || $new_left < $old_left ) ) {
		// Whoever lets the lock go would be seen with it until their entry expires.
		$entry = array(
			'room'      => $room,
			'client_id' => "lock-$old",
		);
		heartbeatd_enqueue_call( '/presence?' . http_build_query( $entry, '', '&', PHP_QUERY_RFC3986 ), array() );
	}
	if ( $old !== $new ) {
		heartbeatd_nudge( $room, HEARTBEATD_LOCK_SPREAD_MS );
	} elseif ( $new && $new_left < $old_left ) {
		// An editor that closes leaves its lock a few seconds, in case the page is only
		// reloaded: lists look again when they are over.
		heartbeatd_push( $room, array( 'heartbeatd' => array( 'beat_after_ms' => 1000 * $new_left + 300 ) ) );
	}
}
