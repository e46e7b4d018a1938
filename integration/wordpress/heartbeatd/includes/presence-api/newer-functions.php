<?php
/**
 * The functions that newer versions of the Presence API have besides those in functions.php. A
 * plugin may have defined one of them itself, to work with older versions.
 *
 * @package heartbeatd
 */

// phpcs:disable WordPress.NamingConventions.PrefixAllGlobals -- The Presence API's own names.

defined( 'ABSPATH' ) || exit;

/**
 * The most rooms of one call.
 */
const HEARTBEATD_MAX_ROOMS_READ = 100;

/**
 * Calls a function for the entries of each room.
 *
 * @param string[] $rooms The rooms, at most HEARTBEATD_MAX_ROOMS_READ.
 * @param callable $read  The function. It gets entries, of which there is at least one.
 * @return array<string, mixed> What it returns, by room; null for an empty room, or if heartbeatd does not answer.
 */
function heartbeatd_presence_map_rooms( $rooms, $read ) {
	$results = array();
	foreach ( array_slice( heartbeatd_unique_strings( $rooms ), 0, HEARTBEATD_MAX_ROOMS_READ ) as $room ) {
		$entries          = heartbeatd_presence_is_valid_name( $room ) ? heartbeatd_presence_list_all( array( 'room' => $room ) ) : null;
		$results[ $room ] = $entries ? $read( $entries ) : null;
	}
	return $results;
}

/**
 * Returns the version of a room: a hash of what its entries are, without their dates.
 *
 * @param array[] $entries The room's entries.
 * @return string
 */
function heartbeatd_presence_room_version( $entries ) {
	$states = array();
	foreach ( $entries as $entry ) {
		$states[ $entry['client_id'] ] = array( $entry['user_id'], $entry['data'] );
	}
	ksort( $states, SORT_STRING );
	return substr( md5( (string) heartbeatd_json_encode( $states ) ), 0, 16 );
}

if ( ! function_exists( 'wp_get_presence_by_room_prefix' ) ) {

	/**
	 * Returns the entries in all rooms whose names begin with a prefix, from newest to oldest.
	 *
	 * @param string         $prefix The prefix.
	 * @param array|int|null $args   The 'timeout': leaves out entries that are older, in seconds. Or its value.
	 * @return object[]
	 */
	function wp_get_presence_by_room_prefix( $prefix, $args = array() ) {
		$entries = heartbeatd_presence_is_valid_name( $prefix ) ? (array) heartbeatd_presence_list_all( array( 'prefix' => $prefix ) ) : array();
		$timeout = heartbeatd_presence_args( $args, array( 'timeout' ) )['timeout'] ?? null;
		usort(
			$entries,
			static function ( $a, $b ) {
				return strcmp( $b['date_gmt'], $a['date_gmt'] );
			}
		);
		return array_map( 'heartbeatd_presence_entry_object', heartbeatd_presence_recent_entries( $entries, $timeout ) );
	}
}

if ( ! function_exists( 'wp_presence_exchange' ) ) {

	/**
	 * Writes an entry, and returns the entries in the room.
	 *
	 * @param string    $room          The room.
	 * @param string    $client_id     The client id.
	 * @param array     $state         The entry's data.
	 * @param array|int $args          The arguments of wp_set_presence() and wp_get_presence(). Or the user.
	 * @param int|null  $timeout       The timeout, after a user.
	 * @param string    $client_prefix The prefix, after a user.
	 * @return object[]|WP_Error An error only with 'wp_error'. Otherwise the room, also if the write fails.
	 */
	function wp_presence_exchange( $room, $client_id, $state, $args = array(), $timeout = null, $client_prefix = '' ) {
		$args = heartbeatd_presence_args( $args, array( 'user_id', 'timeout', 'client_prefix' ), array( $timeout, $client_prefix ) );
		$done = heartbeatd_presence_write_with_args( $room, $client_id, $state, $args );
		return is_wp_error( $done ) && ! empty( $args['wp_error'] ) ? $done : heartbeatd_presence_read_with_args( $room, $args );
	}
}

if ( ! function_exists( 'wp_presence_leave' ) ) {

	/**
	 * Removes an entry, and returns the entries in the room.
	 *
	 * @param string         $room          The room.
	 * @param string         $client_id     The client id.
	 * @param array|int|null $args          The arguments of wp_get_presence(). Or the timeout.
	 * @param string         $client_prefix The prefix, after a timeout.
	 * @return object[]
	 */
	function wp_presence_leave( $room, $client_id, $args = array(), $client_prefix = '' ) {
		$args = heartbeatd_presence_args( $args, array( 'timeout', 'client_prefix' ), array( $client_prefix ) );
		if ( heartbeatd_presence_is_valid_name( $room ) && heartbeatd_presence_is_valid_name( $client_id ) ) {
			heartbeatd_presence_remove( $room, $client_id );
		}
		return heartbeatd_presence_read_with_args( $room, $args );
	}
}

if ( ! function_exists( 'wp_presence_parse_room' ) ) {

	/**
	 * Returns the post that a room belongs to.
	 *
	 * @param string $room The room.
	 * @return array{post_type: string, post_id: int}|false False if it is no post's room.
	 */
	function wp_presence_parse_room( $room ) {
		$post_id = is_string( $room ) ? heartbeatd_room_post_id( $room ) : 0;
		return $post_id ? array(
			'post_type' => substr( $room, strlen( 'postType/' ), strrpos( $room, ':' ) - strlen( 'postType/' ) ),
			'post_id'   => $post_id,
		) : false;
	}
}

if ( ! function_exists( 'wp_presence_recording_enabled' ) ) {

	/**
	 * Determines whether the presence of the current user is recorded on this site.
	 *
	 * @return bool
	 */
	function wp_presence_recording_enabled() {
		return heartbeatd_presence_is_recording();
	}
}

if ( ! function_exists( 'wp_presence_is_available' ) ) {

	/**
	 * Determines whether presence can be used: the site and the network record it, and heartbeatd
	 * answered the last calls.
	 *
	 * @return bool
	 */
	function wp_presence_is_available() {
		return ! heartbeatd_is_circuit_open() && heartbeatd_presence_does_site_record( 0 );
	}
}

if ( ! function_exists( 'wp_presence_feature_enabled' ) ) {

	/**
	 * Determines whether a feature of the Presence API is on. Post locks are not among its
	 * entries here: WordPress stores them in post metadata.
	 *
	 * @param string $key The feature.
	 * @return bool
	 */
	function wp_presence_feature_enabled( $key ) {
		$features = get_option( 'wp_presence_features' );
		$stored   = is_array( $features ) ? $features[ $key ] ?? true : true;
		/**
		 * Filters whether a feature is on.
		 *
		 * @param bool   $enabled Whether it is. Default the option wp_presence_features.
		 * @param string $key     The feature.
		 */
		return 'post-locks' !== $key && (bool) apply_filters( 'wp_presence_feature_enabled', (bool) $stored, $key );
	}
}

if ( ! function_exists( 'wp_presence_is_agent_user' ) ) {

	/**
	 * Determines whether a user is an agent. A plugin decides it with the filter.
	 *
	 * @param int $user_id The user.
	 * @return bool
	 */
	function wp_presence_is_agent_user( $user_id ) {
		/**
		 * Filters whether a user is an agent.
		 *
		 * @param bool $is_agent Whether it is. Default false.
		 * @param int  $user_id  The user.
		 */
		return (bool) apply_filters( 'wp_presence_is_agent_user', false, (int) $user_id );
	}
}

if ( ! function_exists( 'wp_get_presence_room_versions' ) ) {

	/**
	 * Returns the versions of rooms. A version changes with the entries in the room and their
	 * data, but not with their dates.
	 *
	 * @param string[] $rooms The rooms, at most 100.
	 * @return array<string, string|null> By room; null for an empty room, or if heartbeatd does not answer.
	 */
	function wp_get_presence_room_versions( $rooms ) {
		return heartbeatd_presence_map_rooms( $rooms, 'heartbeatd_presence_room_version' );
	}
}

if ( ! function_exists( 'wp_get_presence_room_next_expiry' ) ) {

	/**
	 * Returns when the next entry of each room expires by itself. Entries of open pages do
	 * not.
	 *
	 * @param string[] $rooms The rooms, at most 100.
	 * @return array<string, string|null> A date in UTC by room; null if no entry expires, or heartbeatd does not answer.
	 */
	function wp_get_presence_room_next_expiry( $rooms ) {
		$earliest = static function ( $entries ) {
			$dates = array_filter( array_map( 'heartbeatd_presence_expires_gmt', $entries ) );
			return $dates ? min( $dates ) : null;
		};
		return heartbeatd_presence_map_rooms( $rooms, $earliest );
	}
}
