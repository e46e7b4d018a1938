<?php
/**
 * Beside the Presence API plugin: heartbeatd brings the live entries into its
 * table, and takes back what PHP wrote there, with one call every 20 seconds.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * The most entries of one call, each way, and rows of one statement.
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
 * Where heartbeatd calls, if there is a table to bring entries to.
 *
 * @return string '' if there is none.
 */
function heartbeatd_sync_url() {
	return 'beside' === heartbeatd_presence_provider() && ! empty( $GLOBALS['wpdb']->presence ) ? rest_url( 'heartbeatd/v1/presence/sync' ) : '';
}

/**
 * Whether a call comes from whoever knows this site's secret.
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
 * Brings entries into the table, and answers with what PHP wrote there.
 *
 * @param WP_REST_Request $request The call.
 * @return WP_REST_Response|WP_Error
 */
function heartbeatd_sync_presence( $request ) {
	if ( '' === heartbeatd_sync_url() ) {
		return new WP_Error( 'rest_presence_unavailable', __( 'There is no table of presence.', 'heartbeatd' ), array( 'status' => 503 ) );
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
 * Whether something names an entry.
 *
 * @param mixed $entry As {room, client_id}.
 * @return bool
 */
function heartbeatd_sync_is_entry_name( $entry ) {
	return is_array( $entry ) && heartbeatd_presence_is_valid_name( $entry['room'] ?? null ) && heartbeatd_presence_is_valid_name( $entry['client_id'] ?? null );
}

/**
 * An entry as a row, or null for what is none.
 *
 * @param mixed $entry The entry.
 * @return array|null
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
 * Writes rows, each if it is newer than what is there.
 *
 * @param array[] $rows Rows.
 */
function heartbeatd_sync_write_rows( $rows ) {
	global $wpdb;
	$values = implode( ', ', array_fill( 0, count( $rows ), '(%s, %s, %d, %s, %s)' ) );
	$newer  = 'VALUES(date_gmt) > date_gmt';
	// The date is set last: the fields before it compare with the old one.
	$update = "user_id = IF($newer, VALUES(user_id), user_id), data = IF($newer, VALUES(data), data), date_gmt = GREATEST(date_gmt, VALUES(date_gmt))";
	// phpcs:ignore WordPress.DB -- Somebody else's table has no other interface for many rows; the fragments are made above, of nothing that was sent.
	$wpdb->query( $wpdb->prepare( "INSERT INTO {$wpdb->presence} (room, client_id, user_id, data, date_gmt) VALUES $values ON DUPLICATE KEY UPDATE $update", array_merge( ...array_map( 'array_values', $rows ) ) ) );
}

/**
 * Deletes rows.
 *
 * @param array[] $names As {room, client_id}.
 */
function heartbeatd_sync_delete_rows( $names ) {
	global $wpdb;
	$where  = implode( ' OR ', array_fill( 0, count( $names ), '(room = %s AND client_id = %s)' ) );
	$values = array();
	foreach ( $names as $name ) {
		array_push( $values, $name['room'], $name['client_id'] );
	}
	// phpcs:ignore WordPress.DB -- As above.
	$wpdb->query( $wpdb->prepare( "DELETE FROM {$wpdb->presence} WHERE $where", $values ) );
}

/**
 * The live rows that heartbeatd does not know: PHP wrote them.
 *
 * @param array[] $sent What heartbeatd sent, by room and client id.
 * @return array[]
 */
function heartbeatd_sync_newer_rows( $sent ) {
	global $wpdb;
	$ttl   = (int) apply_filters( 'wp_presence_default_ttl', defined( 'WP_PRESENCE_DEFAULT_TTL' ) ? WP_PRESENCE_DEFAULT_TTL : MINUTE_IN_SECONDS ); // phpcs:ignore WordPress.NamingConventions.PrefixAllGlobals -- The Presence API's filter.
	$after = gmdate( 'Y-m-d H:i:s', time() - $ttl );
	// phpcs:ignore WordPress.DB -- As above.
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
 * A row as an entry.
 *
 * @param array $row The row.
 * @return array
 */
function heartbeatd_sync_row_to_entry( $row ) {
	$user = get_userdata( (int) $row['user_id'] );
	$data = json_decode( $row['data'], true );
	return array(
		'room'         => (string) $row['room'], // not every database driver says text of digits as text
		'client_id'    => (string) $row['client_id'],
		'user_id'      => (int) $row['user_id'],
		'display_name' => $user ? $user->display_name : '',
		'avatar_url'   => $user ? heartbeatd_avatar_url( $user ) : '',
		'data'         => (object) ( is_array( $data ) ? $data : array() ),
		'date_gmt'     => (string) $row['date_gmt'],
	);
}
