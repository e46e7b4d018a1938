<?php
/**
 * Changes of the other plugin's rooms. PHP tells heartbeatd which rooms a request has changed,
 * once for each request and after the response. heartbeatd compares what others can see with
 * what it was told before, and pushes the rooms that have changed to open pages.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * The most rooms that a request reports.
 */
const HEARTBEATD_MAX_CHANGED_ROOMS = 50;

/**
 * The most removed rows of a room that a request reports.
 */
const HEARTBEATD_MAX_REMOVED_ROWS = 50;

/**
 * Returns the rooms that the request has changed.
 *
 * @return array<string, bool> By room: whether pages are told even if no row has changed.
 */
function &heartbeatd_changed_rooms() {
	static $rooms = array();
	return $rooms;
}

/**
 * Returns when something other than a row of the room ends, by room.
 *
 * @return array<string, int> Unix seconds.
 */
function &heartbeatd_room_expiries() {
	static $expiries = array();
	return $expiries;
}

/**
 * Notes that something other than a row of the room ends: a released lock, for example.
 *
 * @param string $room The room.
 * @param int    $time When it ends, in Unix seconds.
 */
function heartbeatd_note_expiry( $room, $time ) {
	$expiries          = &heartbeatd_room_expiries();
	$expiries[ $room ] = $time;
}

/**
 * Returns whether changes of rows are ignored: heartbeatd makes them, and compares the rooms
 * itself.
 *
 * @param bool|null $ignore Sets it.
 * @return bool
 */
function heartbeatd_ignore_row_changes( $ignore = null ) {
	static $ignored = false;
	if ( null !== $ignore ) {
		$ignored = $ignore;
	}
	return $ignored;
}

/**
 * Returns the rows that the request has removed. Pages of one user share a row: if one of them
 * removes it, the others write it again.
 *
 * @return array<string, string[]> By room: the client ids.
 */
function &heartbeatd_removed_rows() {
	static $rows = array();
	return $rows;
}

/**
 * Returns the new titles of posts that the request has changed.
 *
 * @return array<string, string> By room.
 */
function &heartbeatd_new_titles() {
	static $titles = array();
	return $titles;
}

/**
 * Notes that a row of a room was written. If the request has removed it before, it is not removed.
 *
 * @param string $room      The room.
 * @param string $client_id The client id.
 */
function heartbeatd_on_row_changed( $room, $client_id = '' ) {
	$rows = &heartbeatd_removed_rows();
	if ( is_string( $room ) && isset( $rows[ $room ] ) ) {
		$rows[ $room ] = array_values( array_diff( $rows[ $room ], array( $client_id ) ) );
	}
	heartbeatd_note_changed_room( $room, false );
}

/**
 * Notes that a row of a room was removed.
 *
 * @param string $room      The room.
 * @param string $client_id The client id.
 */
function heartbeatd_on_row_removed( $room, $client_id ) {
	heartbeatd_note_changed_room( $room, false, true ); // A command reports the room at once, with its row.
	heartbeatd_note_removed_row( $room, $client_id );
	heartbeatd_note_changed_room( $room, false );
}

/**
 * Notes a removed row of a changed room. Only rows of pages matter: user-N,
 * editor-N and lock-N.
 *
 * @param string $room      The room.
 * @param string $client_id The client id.
 */
function heartbeatd_note_removed_row( $room, $client_id ) {
	$rows = &heartbeatd_removed_rows();
	if ( isset( heartbeatd_changed_rooms()[ $room ] ) && preg_match( '/^(?:user|editor|lock)-\d{1,19}$/D', (string) $client_id ) && count( $rows[ $room ] ?? array() ) < HEARTBEATD_MAX_REMOVED_ROWS && ! in_array( $client_id, $rows[ $room ] ?? array(), true ) ) {
		$rows[ $room ][] = $client_id;
	}
}

/**
 * Notes that all rows of a user were removed, or another change of the room of all users.
 */
function heartbeatd_on_admin_room_changed() {
	heartbeatd_note_changed_room( 'admin/online', false );
}

/**
 * Notes that pages show something else of a room: a post's title, for example. The room's
 * version tells whether they do; without one, no row may have changed.
 *
 * @param string $room The room.
 */
function heartbeatd_on_room_changed( $room ) {
	heartbeatd_note_changed_room( $room, ! function_exists( 'wp_get_presence_room_versions' ) );
}

/**
 * Notes that the title or the status of a post has changed that somebody edits. Versions of that
 * plugin without room versions have no action for it.
 *
 * @param int     $post_id The post.
 * @param WP_Post $after   The post after the update.
 * @param WP_Post $before  The post before the update.
 */
function heartbeatd_on_post_shown_changed( $post_id, $after, $before ) {
	if ( $after->post_title === $before->post_title && $after->post_status === $before->post_status ) {
		return;
	}
	$room = heartbeatd_post_room( $after );
	if ( '' === $room || ! function_exists( 'wp_get_presence' ) || ! wp_get_presence( $room ) ) {
		return;
	}
	if ( $after->post_title !== $before->post_title && ! heartbeatd_is_push_transport() ) {
		// heartbeatd answers beats with the titles in its entries, which are those of the editors' tickets.
		$titles          = &heartbeatd_new_titles();
		$titles[ $room ] = heartbeatd_post_title( $after );
	}
	heartbeatd_on_room_changed( $room );
}

/**
 * Notes the rooms that a statement changes in the table of an older version of that plugin,
 * which may have no actions.
 *
 * @param string $query The statement.
 * @return string The same.
 */
function heartbeatd_on_query( $query ) {
	if ( false === strpos( $query, $GLOBALS['wpdb']->presence ) || ! preg_match( '/^\s*(?:INSERT|UPDATE|DELETE|REPLACE)\b/i', $query ) ) {
		return $query;
	}
	preg_match_all( '#\'(postType/[^\':]+:\d+)\'#', $query, $posts );
	preg_match( '/^\s*DELETE\b.*\bclient_id`?\s*=\s*\'([^\'\\\\]+)\'/is', $query, $client );
	$rooms = array_slice( array_unique( $posts[1] ), 0, HEARTBEATD_MAX_CHANGED_ROOMS );
	foreach ( $rooms && false === strpos( $query, 'admin/online' ) ? $rooms : array_merge( $rooms, array( 'admin/online' ) ) as $room ) {
		heartbeatd_note_changed_room( $room, false, true );
		if ( $client ) {
			heartbeatd_note_removed_row( $room, $client[1] );
		}
	}
	return $query;
}

/**
 * Notes the rooms of a user whose rows are about to be removed: that plugin's action for it names
 * only the user, and the rows are gone then.
 *
 * @param string $query The statement.
 * @return string The same.
 */
function heartbeatd_on_removal_query( $query ) {
	if ( false === strpos( $query, $GLOBALS['wpdb']->presence ) || ! preg_match( '/^\s*DELETE\b.*\buser_id`?\s*=\s*\'?(\d+)/is', $query, $match ) || heartbeatd_ignore_row_changes() ) {
		return $query;
	}
	global $wpdb;
	// phpcs:ignore WordPress.DB -- That plugin has no function for it, and the rows are about to go.
	$rooms = $wpdb->get_col( $wpdb->prepare( "SELECT DISTINCT room FROM {$wpdb->presence} WHERE user_id = %d LIMIT %d", (int) $match[1], HEARTBEATD_MAX_CHANGED_ROOMS ) );
	foreach ( $rooms as $room ) {
		heartbeatd_note_changed_room( $room, false, true );
	}
	return $query;
}

/**
 * Ignores what the synchronization writes: heartbeatd knows it.
 *
 * @param mixed           $result  The answer so far.
 * @param WP_REST_Server  $server  The server.
 * @param WP_REST_Request $request The request.
 * @return mixed The first argument, unchanged.
 */
function heartbeatd_before_rest_request( $result, $server, $request ) {
	heartbeatd_ignore_row_changes( '/heartbeatd/v1/presence/sync' === $request->get_route() );
	return $result;
}

/**
 * Notes a changed room. A long request, as an import, does not wait for its end to report it.
 *
 * @param mixed $room   The room.
 * @param bool  $forced Whether pages are told even if no row has changed.
 * @param bool  $later  Whether the row is not written yet.
 */
function heartbeatd_note_changed_room( $room, $forced, $later = false ) {
	static $reported_at = 0;

	$rooms = &heartbeatd_changed_rooms();
	if ( heartbeatd_ignore_row_changes() || ! heartbeatd_presence_is_valid_name( $room ) || ( ! isset( $rooms[ $room ] ) && count( $rooms ) >= HEARTBEATD_MAX_CHANGED_ROOMS ) ) {
		return;
	}
	$rooms[ $room ] = $forced || ! empty( $rooms[ $room ] );
	if ( ! $later && ( 'cli' === PHP_SAPI || wp_doing_cron() ) && microtime( true ) - $reported_at >= 1 ) {
		heartbeatd_report_changed_rooms();
		heartbeatd_flush();
		$reported_at = microtime( true );
	}
}

/**
 * Queues the report about the rooms that the request has changed.
 */
function heartbeatd_report_changed_rooms() {
	$rooms   = &heartbeatd_changed_rooms();
	$removed = &heartbeatd_removed_rows();
	$titles  = &heartbeatd_new_titles();
	if ( ! $rooms ) {
		return;
	}
	heartbeatd_finish_request();
	$body    = array(
		'rooms' => heartbeatd_describe_rooms( $rooms ),
		// Without a transport for its rows, each page writes its own screen with every beat to
		// the row that the user's pages share. Such a change must not make other pages beat.
		'beat'  => did_action( 'wp_ajax_heartbeat' ) && ! heartbeatd_may_hold_rows(),
	);
	$rooms   = array();
	$removed = array();
	$titles  = array();
	heartbeatd_enqueue_call( '/presence/changed', $body );
}

/**
 * Describes what others can see of rooms.
 *
 * @param array<string, bool> $rooms The rooms, and whether pages are told even if no row has changed.
 * @return array[] For each room: 'room', 'state' (its version, or a hash of its rows without their
 *                 dates), 'members' (a hash of the client ids), 'expires' (when its next row expires,
 *                 in Unix seconds, if that is known), 'forced', 'removed' (the client ids of the
 *                 rows that the request has removed) and 'title' (the new one of its post).
 */
function heartbeatd_describe_rooms( $rooms ) {
	$names    = array_map( 'strval', array_keys( $rooms ) );
	$versions = function_exists( 'wp_get_presence_room_versions' ) ? (array) wp_get_presence_room_versions( $names ) : array();
	$expiries = function_exists( 'wp_get_presence_room_next_expiry' ) ? (array) wp_get_presence_room_next_expiry( $names ) : array();
	$reports  = array();
	foreach ( $names as $room ) {
		$report = array( 'room' => $room );
		if ( isset( $versions[ $room ] ) ) {
			$report['state'] = 'version ' . $versions[ $room ];
		} else {
			$report += heartbeatd_hash_room( $room );
		}
		$ends = array_filter( array( heartbeatd_expiry_time( $expiries[ $room ] ?? null ), heartbeatd_room_expiries()[ $room ] ?? 0 ) );
		if ( $ends ) {
			$report['expires'] = min( $ends );
		}
		if ( ! empty( $rooms[ $room ] ) ) {
			$report['forced'] = true;
		}
		if ( ! empty( heartbeatd_removed_rows()[ $room ] ) ) {
			$report['removed'] = heartbeatd_removed_rows()[ $room ];
		}
		if ( isset( heartbeatd_new_titles()[ $room ] ) ) {
			$report['title'] = heartbeatd_new_titles()[ $room ];
		}
		$reports[] = $report;
	}
	return $reports;
}

/**
 * Returns the time of an expiry, as the other plugin gives it.
 *
 * @param mixed $expiry A date, or Unix seconds.
 * @return int Unix seconds; 0 if there is none.
 */
function heartbeatd_expiry_time( $expiry ) {
	return is_numeric( $expiry ) ? (int) $expiry : (int) strtotime( is_string( $expiry ) && '' !== $expiry ? $expiry . ' UTC' : '' );
}

/**
 * Returns hashes of a room's rows.
 *
 * @param string $room The room.
 * @return array{state: string, members: string}
 */
function heartbeatd_hash_room( $room ) {
	$rows = array();
	foreach ( function_exists( 'wp_get_presence' ) ? (array) wp_get_presence( $room ) : array() as $entry ) {
		$rows[ $entry->client_id ] = array( (int) $entry->user_id, $entry->data );
	}
	ksort( $rows );
	return array(
		'state'   => md5( heartbeatd_json_encode( $rows ) ),
		'members' => md5( heartbeatd_json_encode( array_map( 'strval', array_keys( $rows ) ) ) ),
	);
}
