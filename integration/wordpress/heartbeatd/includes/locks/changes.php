<?php
/**
 * Changes of post locks. When another user takes or releases a lock, pages that show the
 * post beat at once: editors ask PHP and learn that the post was taken over, lists show who
 * edits it. A push says what lists show, so that PHP need not answer each of them.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * The time over which pages that show a lock spread their beats, in milliseconds.
 */
const HEARTBEATD_LOCK_SPREAD_MS = 300;

/**
 * After how many seconds without a renewal lists are told of the next one: most of a lock's
 * time is over then, and each list would ask PHP whether it has expired.
 */
const HEARTBEATD_UNTOLD_RENEWALS = 60;

/**
 * For how many seconds core keeps a lock that an editor has released.
 */
const HEARTBEATD_RELEASED_LOCK_TIME = 5;

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
	$is_released            = $new && $old === $new && $new_left < $old_left;
	if ( $old && ( $old !== $new || $is_released ) ) {
		// Without this, the user would be shown as the lock's holder until the entry expires.
		$entry = array(
			'room'      => $room,
			'client_id' => "lock-$old",
		);
		heartbeatd_enqueue_call( '/presence?' . http_build_query( $entry, '', '&', PHP_QUERY_RFC3986 ), array() );
	}
	// A lock that was released is renewed if the user comes back in time. Without the text of a
	// lock, pages would ask PHP at each renewal.
	$is_taken   = $old !== $new || ( $new_left > $old_left && $old_left <= HEARTBEATD_RELEASED_LOCK_TIME );
	$is_renewed = $new && ! $is_taken && ! $is_released && $new_left - $old_left >= HEARTBEATD_UNTOLD_RENEWALS && '' !== heartbeatd_locked_text();
	$change     = $is_taken || $is_released || $is_renewed ? heartbeatd_lock_change( $new, $after, $is_released ) : null;
	if ( $is_taken || $is_released ) {
		/**
		 * Fires when another user has taken or released a post's lock.
		 *
		 * @param string $room    The post's room.
		 * @param int    $ends_in In how many seconds a released lock ends; 0 if it was taken.
		 */
		do_action( 'heartbeatd_lock_changed', $room, $is_released ? $new_left : 0 );
	}
	if ( $is_released ) {
		// An editor that is closed keeps its lock for a few seconds, in case the page is only
		// reloaded: lists beat again after that.
		heartbeatd_push( $room, array( 'heartbeatd' => array( 'beat_after_ms' => 1000 * $new_left + 300 ) + array_filter( array( 'lock' => $change ) ) ) );
	} elseif ( $change ) {
		$lock = $is_renewed ? array_diff_key( $change, array( 'released' => true ) ) : $change;
		heartbeatd_push( $room, array( 'heartbeatd' => array( 'lock' => $lock ) ) );
	} elseif ( $is_taken ) {
		heartbeatd_nudge_paced( $room, HEARTBEATD_LOCK_SPREAD_MS );
	}
}

/**
 * Returns the data of the push about a lock's change, with which pages update their lists
 * without PHP.
 *
 * @param int   $user_id     The user who has the lock now, or 0.
 * @param mixed $lock        The lock after the change.
 * @param bool  $is_released Whether the user has released it.
 * @return array|null Null if another callback than core's answers lists.
 */
function heartbeatd_lock_change( $user_id, $lock, $is_released ) {
	if ( ! has_filter( 'heartbeat_received', 'wp_check_locked_posts' ) ) {
		return null;
	}
	return heartbeatd_describe_lock( $user_id, $lock ) + array( 'released' => $is_released );
}

/**
 * Returns what lists show for a lock.
 *
 * @param int   $user_id The user who has the lock, or 0.
 * @param mixed $lock    The lock.
 * @return array
 */
function heartbeatd_describe_lock( $user_id, $lock ) {
	$now    = microtime( true );
	$change = array(
		'at_ms'     => floor( 1000 * $now ),
		'spread_ms' => HEARTBEATD_LOCK_SPREAD_MS,
		'user'      => 0,
		'left_ms'   => 0,
	);
	$user   = $user_id ? get_userdata( $user_id ) : false;
	if ( ! $user ) {
		return $change;
	}
	$change['user']    = $user_id;
	$change['left_ms'] = max( 0, floor( 1000 * ( heartbeatd_parse_lock( $lock )['time'] + heartbeatd_lock_window() - $now ) ) );
	$change['name']    = $user->display_name;
	if ( get_option( 'show_avatars' ) ) {
		// The same calls and sizes as in core's answer to a list.
		$change['avatar_src']    = get_avatar_url( $user->ID, array( 'size' => 18 ) );
		$change['avatar_src_2x'] = get_avatar_url( $user->ID, array( 'size' => 36 ) );
	}
	return $change;
}
