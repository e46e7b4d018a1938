<?php
/**
 * Synchronization with the table of the Presence API plugin. Every 20 seconds heartbeatd
 * sends the live entries, and gets the entries that PHP has written to the table.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * The most entries of one call, in each direction, and the most rows of one statement.
 */
const HEARTBEATD_MAX_SYNC  = 2000;
const HEARTBEATD_SYNC_ROWS = 100;

/**
 * Registers the route.
 */
function heartbeatd_register_sync_route() {
	$list = array(
		'type'     => 'array',
		'maxItems' => HEARTBEATD_MAX_SYNC,
		'default'  => array(),
	);
	register_rest_route(
		'heartbeatd/v1',
		'/presence/sync',
		array(
			'methods'             => 'POST',
			'callback'            => 'heartbeatd_sync_presence',
			'permission_callback' => 'heartbeatd_sync_check_permission',
			'args'                => array(
				'entries' => $list,
				'left'    => $list,
			),
		)
	);
}

/**
 * Returns the URL that heartbeatd calls.
 *
 * @return string Empty if there is no table to synchronize with.
 */
function heartbeatd_sync_url() {
	return 'other' === heartbeatd_presence_provider() && ! empty( $GLOBALS['wpdb']->presence ) && ! heartbeatd_do_rows_expire() ? rest_url( 'heartbeatd/v1/presence/sync' ) : '';
}

/**
 * Determines whether the caller knows this site's secret.
 *
 * @param WP_REST_Request $request The call.
 * @return true|WP_Error
 */
function heartbeatd_sync_check_permission( $request ) {
	$key = (string) $request->get_header( 'authorization' );
	if ( 0 === strpos( $key, 'Bearer ' ) && heartbeatd_verify_key( substr( $key, 7 ), 'site' ) ) {
		return true;
	}
	return new WP_Error( 'rest_forbidden', __( 'The key is refused.', 'heartbeatd' ), array( 'status' => 401 ) );
}

/**
 * Writes entries to the table, and answers with the entries that PHP has written there.
 *
 * @param WP_REST_Request $request The call.
 * @return WP_REST_Response|WP_Error
 */
function heartbeatd_sync_presence( $request ) {
	if ( '' === heartbeatd_sync_url() ) {
		return new WP_Error( 'rest_presence_unavailable', __( 'There is no presence table.', 'heartbeatd' ), array( 'status' => 503 ) );
	}
	$sent = array();
	foreach ( $request['entries'] as $entry ) {
		$row = heartbeatd_sync_entry_to_row( $entry );
		if ( $row ) {
			$sent[ $row['room'] . "\n" . $row['client_id'] ] = $row;
		}
	}
	$left = array_filter( $request['left'], 'heartbeatd_sync_is_entry_name' );
	foreach ( array_chunk( $sent, HEARTBEATD_SYNC_ROWS ) as $rows ) {
		heartbeatd_sync_write_rows( $rows );
	}
	foreach ( array_chunk( $left, HEARTBEATD_SYNC_ROWS ) as $names ) {
		heartbeatd_sync_delete_rows( $names );
	}
	return new WP_REST_Response( array( 'entries' => heartbeatd_sync_newer_rows( $sent ) ) );
}

/**
 * Determines whether a value contains the name of an entry.
 *
 * @param mixed $entry The value, as {room, client_id}.
 * @return bool
 */
function heartbeatd_sync_is_entry_name( $entry ) {
	return is_array( $entry ) && heartbeatd_presence_is_valid_name( $entry['room'] ?? null ) && heartbeatd_presence_is_valid_name( $entry['client_id'] ?? null );
}

/**
 * Converts an entry to a row.
 *
 * @param mixed $entry The entry.
 * @return array|null Null if it is invalid.
 */
function heartbeatd_sync_entry_to_row( $entry ) {
	if ( ! heartbeatd_sync_is_entry_name( $entry ) || ! is_int( $entry['user_id'] ?? null ) || ! is_array( $entry['data'] ?? null ) ) {
		return null;
	}
	$data = wp_json_encode( (object) $entry['data'] );
	$date = (string) ( $entry['date_gmt'] ?? '' );
	if ( ! $data || strlen( $data ) > HEARTBEATD_MAX_ENTRY_DATA || ! preg_match( '/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/D', $date ) ) {
		return null;
	}
	return array(
		'room'      => $entry['room'],
		'client_id' => $entry['client_id'],
		'user_id'   => $entry['user_id'],
		'data'      => $data,
		'date_gmt'  => min( $date, gmdate( 'Y-m-d H:i:s' ) ),
	);
}

/**
 * Inserts rows, or updates those that are older.
 *
 * @param array[] $rows Rows.
 */
function heartbeatd_sync_write_rows( $rows ) {
	global $wpdb;
	$values = implode( ', ', array_fill( 0, count( $rows ), '(%s, %s, %d, %s, %s)' ) );
	$newer  = 'VALUES(date_gmt) > date_gmt';
	// The date is set last: the other fields compare with the old one.
	$update = "user_id = IF($newer, VALUES(user_id), user_id), data = IF($newer, VALUES(data), data), date_gmt = GREATEST(date_gmt, VALUES(date_gmt))";
	// phpcs:ignore WordPress.DB -- There is no other interface to this table for many rows; the fragments above contain no input.
	$wpdb->query( $wpdb->prepare( "INSERT INTO {$wpdb->presence} (room, client_id, user_id, data, date_gmt) VALUES $values ON DUPLICATE KEY UPDATE $update", array_merge( ...array_map( 'array_values', $rows ) ) ) );
}

/**
 * Deletes rows.
 *
 * @param array[] $names The rows, as {room, client_id}.
 */
function heartbeatd_sync_delete_rows( $names ) {
	global $wpdb;
	$where  = implode( ' OR ', array_fill( 0, count( $names ), '(room = %s AND client_id = %s)' ) );
	$values = array();
	foreach ( $names as $name ) {
		array_push( $values, $name['room'], $name['client_id'] );
	}
	// phpcs:ignore WordPress.DB -- The same as above.
	$wpdb->query( $wpdb->prepare( "DELETE FROM {$wpdb->presence} WHERE $where", $values ) );
}

/**
 * Returns the live rows that are not among the entries that heartbeatd sent, or newer: PHP
 * has written them.
 *
 * @param array[] $sent The entries that heartbeatd sent, by room and client id.
 * @return array[]
 */
function heartbeatd_sync_newer_rows( $sent ) {
	global $wpdb;
	$ttl   = (int) apply_filters( 'wp_presence_default_ttl', defined( 'WP_PRESENCE_DEFAULT_TTL' ) ? WP_PRESENCE_DEFAULT_TTL : MINUTE_IN_SECONDS ); // phpcs:ignore WordPress.NamingConventions.PrefixAllGlobals -- The Presence API's filter.
	$after = gmdate( 'Y-m-d H:i:s', time() - $ttl );
	// phpcs:ignore WordPress.DB -- The same as above.
	$rows = $wpdb->get_results( $wpdb->prepare( "SELECT room, client_id, user_id, data, date_gmt FROM {$wpdb->presence} WHERE date_gmt > %s ORDER BY date_gmt DESC LIMIT %d", $after, 2 * HEARTBEATD_MAX_SYNC ), ARRAY_A );
	$news = array();
	foreach ( (array) $rows as $row ) {
		$known = $sent[ $row['room'] . "\n" . $row['client_id'] ] ?? null;
		if ( ! $known || $row['date_gmt'] > $known['date_gmt'] ) {
			$news[] = $row;
		}
	}
	$news = array_slice( $news, 0, HEARTBEATD_MAX_SYNC );
	cache_users( array_unique( array_map( 'intval', array_column( $news, 'user_id' ) ) ) );
	return array_map( 'heartbeatd_sync_row_to_entry', $news );
}

/**
 * Converts a row to an entry.
 *
 * @param array $row The row.
 * @return array
 */
function heartbeatd_sync_row_to_entry( $row ) {
	$user = get_userdata( (int) $row['user_id'] );
	$data = json_decode( $row['data'], true );
	return array(
		'room'         => (string) $row['room'], // Not every database driver returns a numeric string as a string.
		'client_id'    => (string) $row['client_id'],
		'user_id'      => (int) $row['user_id'],
		'display_name' => $user ? $user->display_name : '',
		'avatar_url'   => $user ? heartbeatd_avatar_url( $user ) : '',
		'data'         => (object) ( is_array( $data ) ? $data : array() ),
		'date_gmt'     => (string) $row['date_gmt'],
	);
}
