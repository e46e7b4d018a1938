<?php
/**
 * Access to the presence entries in heartbeatd. A request reads each list once.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * How many entries heartbeatd lists on one page, and how many pages are read at most.
 */
const HEARTBEATD_PRESENCE_PER_PAGE  = 1000;
const HEARTBEATD_MAX_PRESENCE_PAGES = 10;

/**
 * The part of a query for lists that need only what users see of the entries' data: the screen,
 * its label and the title.
 */
const HEARTBEATD_PRESENCE_SHORT = array( 'data' => 'short' );

/**
 * The timeout for reading a list, in seconds. After the first timeout the request reads no
 * more lists, and the page's scripts fill in what is missing.
 */
const HEARTBEATD_LIST_TIMEOUT = 0.15;

/**
 * Returns the lists that this request has read, by query. The key '' is set after a failure.
 *
 * @return array<string, array>
 */
function &heartbeatd_presence_cache() {
	static $read = array();
	return $read;
}

/**
 * Returns one page of the live entries, sorted by room and then from newest to oldest. With 'after'
 * instead of 'page' they are sorted by room and client id, and the next page comes after 'next'.
 *
 * @param array $query Any of 'room', 'prefix', 'user_id', 'data', 'per_page' (1 to 1000), 'page' and 'after'.
 * @return array{entries: array[], total: int, next: string}|null Null if heartbeatd does not answer.
 */
function heartbeatd_presence_list_page( $query ) {
	$cache = &heartbeatd_presence_cache();
	$path  = '/presence?' . http_build_query( $query, '', '&', PHP_QUERY_RFC3986 );
	$key   = get_current_blog_id() . $path;
	if ( ! array_key_exists( $key, $cache ) ) {
		if ( isset( $cache[''] ) ) {
			return null;
		}
		$headers = array();
		$answer  = heartbeatd_call_api( 'GET', $path, null, HEARTBEATD_LIST_TIMEOUT, $headers );
		if ( is_wp_error( $answer ) ) {
			$cache[''] = true;
		}
		$cache[ $key ] = is_wp_error( $answer ) ? null : array(
			'entries' => array_values( array_filter( array_map( 'heartbeatd_presence_read_entry', $answer ) ) ),
			'total'   => (int) ( $headers['x-wp-total'] ?? count( $answer ) ),
			'next'    => (string) ( $headers['x-heartbeatd-next'] ?? '' ),
		);
	}
	return $cache[ $key ];
}

/**
 * Returns all live entries that match a query, sorted by room and then from newest to oldest. An
 * entry that is renewed between two calls is neither missing nor there twice.
 *
 * @param array $query Any of 'room', 'prefix', 'user_id' and 'data'.
 * @return array[]|null Null if heartbeatd does not answer.
 */
function heartbeatd_presence_list_all( $query ) {
	$entries = array();
	$after   = '';
	for ( $page = 1; $page <= HEARTBEATD_MAX_PRESENCE_PAGES; $page++ ) {
		$paging = array(
			'per_page' => HEARTBEATD_PRESENCE_PER_PAGE,
			'after'    => $after,
		);
		$read   = heartbeatd_presence_list_page( $query + $paging );
		if ( null === $read ) {
			return null;
		}
		$entries = array_merge( $entries, $read['entries'] );
		$after   = $read['next'];
		if ( '' === $after ) {
			break;
		}
	}
	usort(
		$entries,
		static function ( $a, $b ) {
			$by_date = strcmp( $b['date_gmt'], $a['date_gmt'] );
			return strcmp( $a['room'], $b['room'] ) ?: $by_date ?: strcmp( $a['client_id'], $b['client_id'] );
		}
	);
	return $entries;
}

/**
 * Writes an entry.
 *
 * @param string       $room       The room.
 * @param string       $client_id  The client id.
 * @param array|object $data       The entry's data.
 * @param int          $user_id    The entry's user; 0 for none.
 * @param mixed        $date_gmt   The entry's date, as '2026-11-23 05:20:00' in UTC; null for now.
 * @param mixed        $expires_in How many seconds after its date the entry expires; null for the TTL.
 * @return array|WP_Error The entry. Errors: 'recording_disabled', 'bad_request', 'invalid_date_gmt',
 *                        'invalid_expires_in', 'conflict' if the entry belongs to another user, 'too_many' if the
 *                        user has too many entries, 'limit_reached' if the site's entries use up its budget, 'unreachable'.
 */
function heartbeatd_presence_put( $room, $client_id, $data, $user_id, $date_gmt = null, $expires_in = null ) {
	if ( ! heartbeatd_presence_is_recording( $user_id ) ) {
		return new WP_Error( 'recording_disabled', __( 'Presence is not recorded on this site.', 'heartbeatd' ) );
	}
	$entry = heartbeatd_presence_create_entry( $room, $client_id, $data, $user_id );
	if ( null === $entry ) {
		return new WP_Error( 'bad_request', __( 'An entry needs an existing user or none, a room and a client id of 1 to 191 characters, the client id not beginning with "_", and data of at most 10,240 bytes and 500 values, nested at most 16 levels deep.', 'heartbeatd' ) );
	}
	$lifetime = heartbeatd_presence_lifetime( $date_gmt, $expires_in );
	if ( is_wp_error( $lifetime ) ) {
		return $lifetime;
	}
	if ( isset( $lifetime['expires_in'] ) && $lifetime['expires_in'] < 1 ) {
		// The entry has expired already. Another user's entry stays.
		$mine   = $user_id ? array( 'user_id' => $user_id ) : array();
		$answer = heartbeatd_presence_delete( compact( 'room', 'client_id' ) + $mine );
		return is_wp_error( $answer ) ? $answer : heartbeatd_presence_read_entry( $lifetime + $entry );
	}
	$answer = heartbeatd_call_api( 'PUT', '/presence', $lifetime + $entry + heartbeatd_presence_post_title_field( $room ) );
	heartbeatd_presence_clear_cache();
	if ( is_wp_error( $answer ) ) {
		return $answer;
	}
	$written = heartbeatd_presence_read_entry( $answer );
	return null === $written ? heartbeatd_unknown_answer_error( 200 ) : $written;
}

/**
 * Removes one entry, or all entries of a user. It is no error if there are none.
 *
 * @param array $query Either 'room' and 'client_id', with 'user_id' to remove only an entry of that user; or 'user_id' alone.
 * @return int|WP_Error How many entries there were. Errors: 'forbidden', 'unreachable'.
 */
function heartbeatd_presence_delete( $query ) {
	$answer = heartbeatd_call_api( 'DELETE', '/presence?' . http_build_query( $query, '', '&', PHP_QUERY_RFC3986 ) );
	heartbeatd_presence_clear_cache();
	return is_wp_error( $answer ) ? $answer : (int) ( $answer['removed'] ?? 1 );
}

/**
 * Clears the cache after a write.
 */
function heartbeatd_presence_clear_cache() {
	$cache = &heartbeatd_presence_cache();
	$cache = array();
}
