<?php
/**
 * Writes and removals for the Presence API's functions, its REST routes and its commands. They
 * fire the Presence API's actions. Entries of open pages reach heartbeatd without PHP, and
 * fire none.
 *
 * @package heartbeatd
 */

// phpcs:disable WordPress.NamingConventions.PrefixAllGlobals -- The Presence API's own actions.

defined( 'ABSPATH' ) || exit;

/**
 * Writes an entry and fires the actions.
 *
 * @param string       $room      The room.
 * @param string       $client_id The client id.
 * @param array|object $data      The entry's data.
 * @param array        $args      The 'user_id', and 'date_gmt' and 'expires_in' if they are given.
 * @return array|WP_Error The same as heartbeatd_presence_put().
 */
function heartbeatd_presence_write( $room, $client_id, $data, $args ) {
	$before = heartbeatd_presence_count_editors( 'wp_presence_collaboration_started', $room, $client_id );
	$entry  = heartbeatd_presence_put( $room, $client_id, $data, $args['user_id'], $args['date_gmt'] ?? null, $args['expires_in'] ?? null );
	if ( is_wp_error( $entry ) ) {
		return $entry;
	}
	$state = heartbeatd_presence_entry_object( $entry )->data;
	/**
	 * Fires after PHP has written an entry.
	 *
	 * @param string $room      The room.
	 * @param string $client_id The client id.
	 * @param array  $state     The entry's data.
	 * @param int    $user_id   The entry's user; 0 for none.
	 */
	do_action( 'set_presence', $room, $client_id, $state, $entry['user_id'] );
	heartbeatd_presence_fire_admin_change( $room );
	if ( null !== $before && $before < 2 && heartbeatd_presence_count_editors( 'wp_presence_collaboration_started', $room, $client_id ) >= 2 ) {
		/**
		 * Fires when PHP has written the entry of a post's second editor.
		 *
		 * @param string   $room    The room.
		 * @param object[] $entries The entries in the room.
		 */
		do_action( 'wp_presence_collaboration_started', $room, heartbeatd_presence_read_room( $room ) );
	}
	return $entry;
}

/**
 * Removes an entry and fires the actions.
 *
 * @param string   $room      The room.
 * @param string   $client_id The client id.
 * @param int|null $user_id   Removes only an entry of this user; null removes any.
 * @return true|WP_Error The errors of heartbeatd_presence_delete().
 */
function heartbeatd_presence_remove( $room, $client_id, $user_id = null ) {
	$before = heartbeatd_presence_count_editors( 'wp_presence_collaboration_ended', $room, $client_id );
	$of     = null === $user_id ? array() : array( 'user_id' => $user_id );
	$count  = heartbeatd_presence_delete( compact( 'room', 'client_id' ) + $of );
	if ( is_wp_error( $count ) ) {
		return $count;
	}
	if ( $count ) {
		/**
		 * Fires after PHP has removed an entry.
		 *
		 * @param string $room      The room.
		 * @param string $client_id The client id.
		 */
		do_action( 'removed_presence', $room, $client_id );
		heartbeatd_presence_fire_admin_change( $room );
	}
	if ( $before >= 2 && 1 === heartbeatd_presence_count_editors( 'wp_presence_collaboration_ended', $room, $client_id ) ) {
		/**
		 * Fires when PHP has removed the entry of a post's last editor but one.
		 *
		 * @param string   $room    The room.
		 * @param object[] $entries The entries in the room.
		 */
		do_action( 'wp_presence_collaboration_ended', $room, heartbeatd_presence_read_room( $room ) );
	}
	return true;
}

/**
 * Removes all entries of a user and fires the actions.
 *
 * @param int $user_id The user.
 * @return true|WP_Error The errors of heartbeatd_presence_delete().
 */
function heartbeatd_presence_remove_user( $user_id ) {
	$count = heartbeatd_presence_delete( array( 'user_id' => $user_id ) );
	if ( is_wp_error( $count ) ) {
		return $count;
	}
	if ( $count ) {
		heartbeatd_presence_fire_user_removed( $user_id );
	}
	return true;
}

/**
 * Fires the Presence API's actions after a queued call has removed entries of a user. What is
 * queued then is sent at once: the request sends its queue only once.
 *
 * @param string         $path   The path of the call.
 * @param array          $body   The body of the call.
 * @param array|WP_Error $answer The answer.
 */
function heartbeatd_presence_on_called( $path, $body, $answer ) {
	unset( $body );
	if ( preg_match( '#^/presence\?user_id=(\d+)$#D', $path, $match ) && ! is_wp_error( $answer ) && ( $answer['removed'] ?? 1 ) > 0 ) {
		heartbeatd_presence_clear_cache();
		heartbeatd_presence_fire_user_removed( (int) $match[1] );
		heartbeatd_flush();
	}
}

/**
 * Fires the actions after all entries of a user have been removed.
 *
 * @param int $user_id The user.
 */
function heartbeatd_presence_fire_user_removed( $user_id ) {
	/**
	 * Fires once after PHP has removed all entries of a user.
	 *
	 * @param int $user_id The user.
	 */
	do_action( 'removed_user_presence', $user_id );
	heartbeatd_presence_fire_admin_change( 'admin/online' );
}

/**
 * Fires the action for a change in the admin's room.
 *
 * @param string $room The room that has changed.
 */
function heartbeatd_presence_fire_admin_change( $room ) {
	if ( 'admin/online' === $room ) {
		/**
		 * Fires after PHP has written or removed an entry in admin/online.
		 */
		do_action( 'wp_presence_admin_room_changed' );
	}
}

/**
 * Returns the entries in a room, as the Presence API's functions return them.
 *
 * @param string   $room    The room.
 * @param int|null $timeout Leaves out entries that are older, in seconds; null returns all.
 * @param string   $prefix  Returns only entries whose client ids have this prefix.
 * @return object[] Empty if heartbeatd does not answer.
 */
function heartbeatd_presence_read_room( $room, $timeout = null, $prefix = '' ) {
	$entries = heartbeatd_presence_is_valid_name( $room ) ? (array) heartbeatd_presence_list_all( array( 'room' => $room ) ) : array();
	$is_in   = static function ( $entry ) use ( $prefix ) {
		return '' === $prefix || 0 === strpos( $entry['client_id'], $prefix );
	};
	$entries = array_values( array_filter( $entries, $is_in ) );
	return array_map( 'heartbeatd_presence_entry_object', heartbeatd_presence_recent_entries( $entries, $timeout ) );
}

/**
 * Returns how many editors are in a post's room: client ids that begin with 'editor-'.
 *
 * @param string $action    The action that depends on it.
 * @param string $room      The room.
 * @param string $client_id The client id that changes.
 * @return int|null Null if nobody listens to the action, or the change cannot concern it.
 */
function heartbeatd_presence_count_editors( $action, $room, $client_id ) {
	if ( ! has_action( $action ) || 0 !== strpos( (string) $client_id, 'editor-' ) || ! heartbeatd_room_post_id( $room ) ) {
		return null;
	}
	return count( heartbeatd_presence_read_room( $room, null, 'editor-' ) );
}

/**
 * Tells heartbeatd the new title of a post that somebody edits or has edited, and fires an action when the title or
 * the status of a post changes while its room is not empty.
 *
 * @param int     $post_id The post.
 * @param WP_Post $after   The post after the update.
 * @param WP_Post $before  The post before the update.
 */
function heartbeatd_presence_on_post_updated( $post_id, $after, $before ) {
	$is_renamed = $after->post_title !== $before->post_title;
	$room       = $is_renamed || $after->post_status !== $before->post_status ? heartbeatd_post_room( $after ) : '';
	if ( '' === $room ) {
		return;
	}
	if ( $is_renamed && '' !== (string) get_post_meta( $post_id, '_edit_lock', true ) ) {
		// heartbeatd answers beats with the titles in the editors' tickets, which may be some minutes old. A lock
		// that was released stays in the table: a title that was reported before must not outlive this one.
		$report = array(
			'room'  => $room,
			'title' => heartbeatd_post_title( $after ),
		);
		heartbeatd_enqueue_call( '/presence/changed', array( 'rooms' => array( $report ) ) );
	}
	if ( has_action( 'wp_presence_room_changed' ) && heartbeatd_presence_read_room( $room ) ) {
		/**
		 * Fires when the title or the status of a post has changed, if somebody is in its room.
		 *
		 * @param string $room The room.
		 */
		do_action( 'wp_presence_room_changed', $room );
	}
}
