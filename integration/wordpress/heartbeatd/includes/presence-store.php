<?php
/**
 * Presence entries, as heartbeatd keeps them: read once for a request, written
 * through.
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
const HEARTBEATD_IDLE = 30;

/**
 * How many entries heartbeatd lists at a time, and how many such pages are read.
 */
const HEARTBEATD_PRESENCE_PAGE  = 1000;
const HEARTBEATD_PRESENCE_PAGES = 10;

/**
 * How long a page waits for what it shows of presence, in seconds, and only
 * once: what does not come in time, the page's scripts fill in.
 */
const HEARTBEATD_READ_TIME = 0.15;

/**
 * What this request has read, by question; under '' whether a question stayed
 * without an answer.
 *
 * @return array<string, array>
 */
function &heartbeatd_presence_cache() {
	static $read = array();
	return $read;
}

/**
 * A page of the live entries, by room and the newest first.
 *
 * @param array $query 'room', 'prefix', 'user_id', 'per_page' (1 to 1000) and 'page', as far as they matter.
 * @return array{entries: array[], total: int}|null Null when heartbeatd does not say.
 */
function heartbeatd_presence_page( $query ) {
	$cache = &heartbeatd_presence_cache();
	$path  = '/presence?' . http_build_query( $query, '', '&', PHP_QUERY_RFC3986 );
	$key   = get_current_blog_id() . $path;
	if ( ! array_key_exists( $key, $cache ) ) {
		if ( isset( $cache[''] ) ) {
			return null;
		}
		$headers = array();
		$answer  = heartbeatd_try( 'GET', $path, null, HEARTBEATD_READ_TIME, $headers );
		if ( is_wp_error( $answer ) ) {
			$cache[''] = true;
		}
		$cache[ $key ] = is_wp_error( $answer ) ? null : array(
			'entries' => array_values( array_filter( array_map( 'heartbeatd_presence_entry', $answer ) ) ),
			'total'   => (int) ( $headers['x-wp-total'] ?? count( $answer ) ),
		);
	}
	return $cache[ $key ];
}

/**
 * All live entries that a question means.
 *
 * @param array $query 'room', 'prefix' and 'user_id', as far as they matter.
 * @return array[]|null Null when heartbeatd does not say.
 */
function heartbeatd_presence_all( $query ) {
	$entries = array();
	for ( $page = 1; $page <= HEARTBEATD_PRESENCE_PAGES; $page++ ) {
		$paging = array(
			'per_page' => HEARTBEATD_PRESENCE_PAGE,
			'page'     => $page,
		);
		$read   = heartbeatd_presence_page( $query + $paging );
		if ( null === $read ) {
			return null;
		}
		$entries = array_merge( $entries, $read['entries'] );
		if ( ! $read['entries'] || count( $entries ) >= $read['total'] ) {
			break;
		}
	}
	return $entries;
}

/**
 * An entry with every field of its kind, and 'idle' if a page reports it, or null
 * for what is none.
 *
 * @param mixed $entry What heartbeatd sent.
 * @return array|null
 */
function heartbeatd_presence_entry( $entry ) {
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
 * Whether whoever an entry is of counts as idle: as their page reports it, and
 * without a report by the date.
 *
 * @param array $entry The entry.
 * @return bool
 */
function heartbeatd_presence_is_idle( $entry ) {
	return $entry['idle'] ?? $entry['date_gmt'] < gmdate( 'Y-m-d H:i:s', time() - HEARTBEATD_IDLE );
}

/**
 * Whether something can be a room or a client id. Nothing is ever cut to fit.
 *
 * @param mixed $name The name.
 * @return bool
 */
function heartbeatd_presence_is_name( $name ) {
	return is_string( $name ) && preg_match( '/^[^\p{Cc}]{1,' . HEARTBEATD_MAX_NAME . '}$/Du', $name );
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
function heartbeatd_presence_make( $room, $client_id, $data, $user_id ) {
	$user = get_userdata( $user_id );
	$json = wp_json_encode( (object) $data );
	if ( ! $user || ! heartbeatd_presence_is_name( $room ) || ! heartbeatd_presence_is_name( $client_id ) || ! $json || strlen( $json ) > HEARTBEATD_MAX_ENTRY_DATA ) {
		return null;
	}
	return array(
		'room'         => $room,
		'client_id'    => $client_id,
		'user_id'      => $user->ID,
		'display_name' => mb_substr( $user->display_name, 0, 60 ),
		'avatar_url'   => heartbeatd_avatar( $user ),
		'data'         => (object) $data,
	);
}

/**
 * Writes an entry, which lives for a minute.
 *
 * @param string $room      The room.
 * @param string $client_id The client id.
 * @param array  $data      What the entry says.
 * @param int    $user_id   Whose it is.
 * @return array|WP_Error The entry. Errors: 'bad_request', 'conflict' when it is another user's,
 *                        'too_many' when the user has too many, 'unreachable'.
 */
function heartbeatd_presence_put( $room, $client_id, $data, $user_id ) {
	$entry = heartbeatd_presence_make( $room, $client_id, $data, $user_id );
	if ( null === $entry ) {
		return new WP_Error( 'bad_request', __( 'An entry has a user, a room and a client id of 1 to 191 characters, and data of at most 10,240 bytes.', 'heartbeatd' ) );
	}
	$answer = heartbeatd_try( 'PUT', '/presence', $entry );
	heartbeatd_presence_forget();
	if ( is_wp_error( $answer ) ) {
		return $answer;
	}
	$written = heartbeatd_presence_entry( $answer );
	return null === $written ? heartbeatd_not_heartbeatd( 200 ) : $written;
}

/**
 * Removes entries: one, or all of a user. It is fine when there is none.
 *
 * @param array $query 'room', 'client_id' and, to remove it only if it is theirs, 'user_id'; or 'user_id' alone.
 * @return true|WP_Error Errors: 'forbidden', 'unreachable'.
 */
function heartbeatd_presence_delete( $query ) {
	$answer = heartbeatd_try( 'DELETE', '/presence?' . http_build_query( $query, '', '&', PHP_QUERY_RFC3986 ) );
	heartbeatd_presence_forget();
	return is_wp_error( $answer ) ? $answer : true;
}

/**
 * Forgets what this request has read: it has written.
 */
function heartbeatd_presence_forget() {
	$cache = &heartbeatd_presence_cache();
	$cache = array();
}

/**
 * The entries that were heard of lately.
 *
 * @param array[] $entries Entries.
 * @param int     $timeout Seconds.
 * @return array[]
 */
function heartbeatd_presence_since( $entries, $timeout ) {
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
function heartbeatd_presence_object( $entry ) {
	return (object) array_intersect_key( $entry, array_flip( array( 'room', 'client_id', 'user_id', 'data', 'date_gmt' ) ) );
}

/**
 * The post that a room is of.
 *
 * @param string $room The room.
 * @return int 0 for another room.
 */
function heartbeatd_presence_post_of( $room ) {
	return preg_match( '#^postType/[^:]+:(\d+)$#D', (string) $room, $match ) ? (int) $match[1] : 0;
}
