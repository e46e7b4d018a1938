<?php
/**
 * Presence entries: their fields, their limits, and who counts as idle.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * The most characters of a room and of a client id, and bytes of an entry's data as JSON.
 */
const HEARTBEATD_MAX_NAME       = 191;
const HEARTBEATD_MAX_ENTRY_DATA = 10240;

/**
 * Whose page reports nothing and was last heard of longer ago, in seconds, is idle.
 */
const HEARTBEATD_IDLE_AFTER = 30;

/**
 * An entry with every field of its kind, and 'idle' if a page reports it, or null
 * for what is none.
 *
 * @param mixed $entry What heartbeatd sent.
 * @return array|null
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
 * An entry to be written, or null when there is no such user or it is unusable.
 *
 * @param string $room      The room.
 * @param string $client_id The client id.
 * @param array  $data      What the entry says.
 * @param int    $user_id   Whose it is.
 * @return array|null
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
 * Whether something can be a room or a client id. Nothing is ever cut to fit.
 *
 * @param mixed $name The name.
 * @return bool
 */
function heartbeatd_presence_is_valid_name( $name ) {
	return is_string( $name ) && preg_match( '/^[^\p{Cc}]{1,' . HEARTBEATD_MAX_NAME . '}$/Du', $name );
}

/**
 * Whether whoever an entry is of counts as idle: as their page reports it, and
 * without a report by the date.
 *
 * @param array $entry The entry.
 * @return bool
 */
function heartbeatd_presence_is_idle( $entry ) {
	return $entry['idle'] ?? $entry['date_gmt'] < gmdate( 'Y-m-d H:i:s', time() - HEARTBEATD_IDLE_AFTER );
}

/**
 * The entries that were heard of lately.
 *
 * @param array[] $entries Entries.
 * @param int     $timeout Seconds.
 * @return array[]
 */
function heartbeatd_presence_recent_entries( $entries, $timeout ) {
	/**
	 * Filters for how many seconds after its last beat an entry counts. What is
	 * not shorter than the default leaves it to heartbeatd, which knows of pages
	 * that are open and idle.
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
 * An entry as the Presence API's functions return it.
 *
 * @param array $entry The entry.
 * @return object
 */
function heartbeatd_presence_entry_object( $entry ) {
	return (object) array_intersect_key( $entry, array_flip( array( 'room', 'client_id', 'user_id', 'data', 'date_gmt' ) ) );
}
