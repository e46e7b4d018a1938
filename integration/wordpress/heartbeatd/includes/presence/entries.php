<?php
/**
 * Presence entries: their fields, their limits and who is idle.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * The most characters of a room and of a client id, and the most bytes of an entry's data as
 * JSON.
 */
const HEARTBEATD_MAX_NAME       = 191;
const HEARTBEATD_MAX_ENTRY_DATA = 10240;

/**
 * A user whose page does not report whether they are idle is idle this many seconds after
 * the last beat.
 */
const HEARTBEATD_IDLE_AFTER = 30;

/**
 * Returns an entry with every field, and 'idle' if the user's page reports it.
 *
 * @param mixed $entry An entry as heartbeatd sends it.
 * @return array|null Null if it is invalid.
 */
function heartbeatd_presence_read_entry( $entry ) {
	if ( ! is_array( $entry ) || ! isset( $entry['room'], $entry['client_id'], $entry['user_id'], $entry['date_gmt'] ) ) {
		return null;
	}
	$reported = isset( $entry['idle'] ) ? array( 'idle' => (bool) $entry['idle'] ) : array();
	return array(
		'room'         => (string) $entry['room'],
		'client_id'    => (string) $entry['client_id'],
		'user_id'      => (int) $entry['user_id'],
		'display_name' => (string) ( $entry['display_name'] ?? '' ),
		'avatar_url'   => (string) ( $entry['avatar_url'] ?? '' ),
		'data'         => (array) ( $entry['data'] ?? array() ),
		'date_gmt'     => (string) $entry['date_gmt'],
	) + $reported;
}

/**
 * Returns a new entry.
 *
 * @param string $room      The room.
 * @param string $client_id The client id.
 * @param array  $data      The entry's data.
 * @param int    $user_id   The entry's user.
 * @return array|null Null if there is no such user or a value is invalid.
 */
function heartbeatd_presence_create_entry( $room, $client_id, $data, $user_id ) {
	$user = get_userdata( $user_id );
	$json = wp_json_encode( (object) $data );
	if ( ! $user || ! heartbeatd_presence_is_valid_name( $room ) || ! heartbeatd_presence_is_valid_name( $client_id ) || ! $json || strlen( $json ) > HEARTBEATD_MAX_ENTRY_DATA ) {
		return null;
	}
	return array(
		'room'         => $room,
		'client_id'    => $client_id,
		'user_id'      => $user->ID,
		'display_name' => mb_substr( $user->display_name, 0, 60 ),
		'avatar_url'   => heartbeatd_avatar_url( $user ),
		'data'         => (object) $data,
	);
}

/**
 * Determines whether a value is valid as a room or a client id. Names are never truncated.
 *
 * @param mixed $name The name.
 * @return bool
 */
function heartbeatd_presence_is_valid_name( $name ) {
	return is_string( $name ) && preg_match( '/^[^\p{Cc}]{1,' . HEARTBEATD_MAX_NAME . '}$/Du', $name );
}

/**
 * Determines whether an entry's user is idle. Uses what their page reports, otherwise the
 * entry's date.
 *
 * @param array $entry The entry.
 * @return bool
 */
function heartbeatd_presence_is_idle( $entry ) {
	return $entry['idle'] ?? $entry['date_gmt'] < gmdate( 'Y-m-d H:i:s', time() - HEARTBEATD_IDLE_AFTER );
}

/**
 * Returns the entries that are not older than a timeout.
 *
 * @param array[] $entries Entries.
 * @param int     $timeout Seconds.
 * @return array[]
 */
function heartbeatd_presence_recent_entries( $entries, $timeout ) {
	/**
	 * Filters how long after its last beat an entry is listed, in seconds. With the
	 * default or more, heartbeatd decides: it knows which pages are open and idle.
	 *
	 * @param int $timeout Seconds. Default 60.
	 */
	$timeout = (int) apply_filters( 'wp_presence_default_ttl', $timeout ); // phpcs:ignore WordPress.NamingConventions.PrefixAllGlobals -- The Presence API's filter.
	if ( $timeout >= WP_PRESENCE_DEFAULT_TTL ) {
		return $entries;
	}
	$after = gmdate( 'Y-m-d H:i:s', time() - $timeout );
	$is_in = static function ( $entry ) use ( $after ) {
		return $entry['date_gmt'] > $after;
	};
	return array_values( array_filter( $entries, $is_in ) );
}

/**
 * Returns an entry in the form that the Presence API's functions return.
 *
 * @param array $entry The entry.
 * @return object
 */
function heartbeatd_presence_entry_object( $entry ) {
	return (object) array_intersect_key( $entry, array_flip( array( 'room', 'client_id', 'user_id', 'data', 'date_gmt' ) ) );
}
