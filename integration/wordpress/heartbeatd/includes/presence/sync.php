<?php
/**
 * Synchronization with the table of older versions of the Presence API plugin, whose rows
 * expire after the same time. Every 20 seconds heartbeatd sends the live entries, and gets
 * the entries that PHP has written to the table. The state of a row belongs to that plugin:
 * a row that exists is renewed, and of its state only where its user is changes. Rows with
 * reserved client ids, which begin with an underscore, are left alone.
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
 * The most bytes of an entry's data that is always sent in full, and of all larger data in an answer.
 */
const HEARTBEATD_SMALL_DATA    = 512;
const HEARTBEATD_MAX_SYNC_DATA = 131072;

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
			'permission_callback' => 'heartbeatd_check_call',
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
	return 'other' === heartbeatd_presence_provider() && ! empty( $GLOBALS['wpdb']->presence ) && ! heartbeatd_do_rows_expire() ? heartbeatd_call_url( 'heartbeatd/v1/presence/sync' ) : '';
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
	$left = array_filter( $request['left'], 'heartbeatd_sync_is_departure' );
	if ( ! function_exists( 'wp_presence_recording_enabled' ) || wp_presence_recording_enabled() ) {
		heartbeatd_sync_move_users( $sent );
		foreach ( array_chunk( $sent, HEARTBEATD_SYNC_ROWS ) as $rows ) {
			heartbeatd_sync_write_rows( $rows );
		}
	}
	foreach ( array_chunk( $left, HEARTBEATD_SYNC_ROWS ) as $departures ) {
		heartbeatd_sync_delete_rows( $departures );
	}
	return new WP_REST_Response( array( 'entries' => heartbeatd_sync_newer_rows( $sent ) ) );
}

/**
 * Determines whether a value contains the name and the user of an entry.
 *
 * @param mixed $entry The value, as {room, client_id, user_id}.
 * @return bool
 */
function heartbeatd_sync_is_entry_name( $entry ) {
	return is_array( $entry ) && heartbeatd_presence_is_valid_name( $entry['room'] ?? null ) && heartbeatd_presence_is_valid_name( $entry['client_id'] ?? null )
		&& '_' !== $entry['client_id'][0] && is_int( $entry['user_id'] ?? null );
}

/**
 * Determines whether a value contains an entry that left.
 *
 * @param mixed $entry The value, as {room, client_id, user_id, age}.
 * @return bool
 */
function heartbeatd_sync_is_departure( $entry ) {
	return heartbeatd_sync_is_entry_name( $entry ) && is_int( $entry['age'] ?? null ) && $entry['age'] >= 0;
}

/**
 * Determines whether a value is a date as the table has it.
 *
 * @param mixed $date The value.
 * @return bool
 */
function heartbeatd_sync_is_date( $date ) {
	return is_string( $date ) && preg_match( '/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/D', $date );
}

/**
 * Converts an entry to a row.
 *
 * @param mixed $entry The entry.
 * @return array|null Null if it is invalid.
 */
function heartbeatd_sync_entry_to_row( $entry ) {
	if ( ! heartbeatd_sync_is_entry_name( $entry ) || ! is_array( $entry['data'] ?? null ) ) {
		return null;
	}
	$data = $entry['data'];
	if ( 'admin/online' === $entry['room'] && "user-{$entry['user_id']}" === $entry['client_id'] ) {
		unset( $data['screen_label'] ); // That plugin's row has none: with one, its state would change with the next beat that PHP answers.
	}
	$data = heartbeatd_presence_encode_data( $data );
	if ( null === $data || ! heartbeatd_sync_is_date( $entry['date_gmt'] ?? null ) || ! heartbeatd_sync_is_date( $entry['beat_gmt'] ?? null ) ) {
		return null;
	}
	return array(
		'room'      => $entry['room'],
		'client_id' => $entry['client_id'],
		'user_id'   => $entry['user_id'],
		'data'      => $data,
		'date_gmt'  => min( $entry['date_gmt'], gmdate( 'Y-m-d H:i:s' ) ),
		'beat_gmt'  => $entry['beat_gmt'],
	);
}

/**
 * Changes where users are, if heartbeatd has answered a beat from another screen since PHP has
 * written the row. The rest of the state stays as it is.
 *
 * @param array[] $sent The entries that heartbeatd sent.
 */
function heartbeatd_sync_move_users( $sent ) {
	global $wpdb;
	$in_admin = array_column( wp_list_filter( $sent, array( 'room' => 'admin/online' ) ), null, 'client_id' );
	foreach ( array_chunk( $in_admin, HEARTBEATD_SYNC_ROWS ) as $users ) {
		$in = implode( ', ', array_fill( 0, count( $users ), '%s' ) );
		// phpcs:ignore WordPress.DB -- There is no other interface to this table for many rows; the fragments contain no input.
		$rows = $wpdb->get_results( $wpdb->prepare( "SELECT client_id, user_id, data, date_gmt FROM {$wpdb->presence} WHERE room = 'admin/online' AND client_id IN ($in)", array_column( $users, 'client_id' ) ), ARRAY_A );
		foreach ( (array) $rows as $row ) {
			$entry = $in_admin[ $row['client_id'] ] ?? null;
			$data  = $entry && (int) $row['user_id'] === $entry['user_id'] && $row['date_gmt'] < $entry['beat_gmt'] ? heartbeatd_sync_moved_state( $row['data'], $entry['data'] ) : $row['data'];
			if ( $data !== $row['data'] ) {
				// Unless PHP has written the row in between.
				$wpdb->update( $wpdb->presence, compact( 'data' ), array( 'room' => 'admin/online' ) + $row ); // phpcs:ignore WordPress.DB -- The same as above.
			}
		}
	}
}

/**
 * Returns the state of a user's row with the screen, title and post of an entry.
 *
 * @param string $json  The state in the row, as JSON.
 * @param string $entry The entry's data, as JSON.
 * @return string The same string if the user is on the same screen.
 */
function heartbeatd_sync_moved_state( $json, $entry ) {
	$state = json_decode( $json, true );
	$state = is_array( $state ) ? $state : array();
	$where = array_intersect_key( (array) json_decode( $entry, true ), array_flip( array( 'screen', 'title', 'post_id' ) ) );
	$moved = false;
	foreach ( $where as $name => $value ) {
		$moved = $moved || ( isset( $state[ $name ] ) && is_scalar( $value ) && is_scalar( $state[ $name ] ) && (string) $state[ $name ] !== (string) $value );
	}
	return $moved ? wp_json_encode( $where + array_diff_key( $state, array_flip( array( 'screen', 'screen_label', 'title', 'post_id' ) ) ) ) : $json;
}

/**
 * Inserts rows, or renews those that exist.
 *
 * @param array[] $rows Rows.
 */
function heartbeatd_sync_write_rows( $rows ) {
	global $wpdb;
	$list   = implode( ', ', array_fill( 0, count( $rows ), '(%s, %s, %d, %s, %s)' ) );
	$values = array();
	foreach ( $rows as $row ) {
		array_push( $values, $row['room'], $row['client_id'], $row['user_id'], $row['data'], $row['date_gmt'] );
	}
	// phpcs:ignore WordPress.DB -- The same as above.
	$wpdb->query( $wpdb->prepare( "INSERT INTO {$wpdb->presence} (room, client_id, user_id, data, date_gmt) VALUES $list ON DUPLICATE KEY UPDATE date_gmt = IF(user_id = VALUES(user_id), GREATEST(date_gmt, VALUES(date_gmt)), date_gmt)", $values ) );
}

/**
 * Deletes rows of pages that were closed, unless PHP has written them since.
 *
 * @param array[] $departures The rows, as {room, client_id, user_id, age}: age is for how many seconds the page has been closed.
 */
function heartbeatd_sync_delete_rows( $departures ) {
	global $wpdb;
	$where  = implode( ' OR ', array_fill( 0, count( $departures ), '(room = %s AND client_id = %s AND user_id = %d AND date_gmt <= %s)' ) );
	$values = array();
	foreach ( $departures as $one ) {
		array_push( $values, $one['room'], $one['client_id'], $one['user_id'], gmdate( 'Y-m-d H:i:s', time() - $one['age'] ) );
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
	$rows = $wpdb->get_results( $wpdb->prepare( "SELECT room, client_id, user_id, data, date_gmt FROM {$wpdb->presence} WHERE date_gmt > %s AND client_id NOT LIKE %s ORDER BY date_gmt DESC LIMIT %d", $after, '\\_%', 2 * HEARTBEATD_MAX_SYNC ), ARRAY_A );
	$news = array();
	foreach ( (array) $rows as $row ) {
		$known = $sent[ $row['room'] . "\n" . $row['client_id'] ] ?? null;
		if ( ! $known || $row['date_gmt'] > $known['date_gmt'] ) {
			$news[] = $row;
		}
	}
	$news = array_slice( $news, 0, HEARTBEATD_MAX_SYNC );
	cache_users( array_unique( array_map( 'intval', array_column( $news, 'user_id' ) ) ) );
	_prime_post_caches( array_unique( array_filter( array_map( 'heartbeatd_room_post_id', array_column( $news, 'room' ) ) ) ), false, false );
	$has_room = static function ( $row ) {
		return ! heartbeatd_is_room_of_no_post( (string) $row['room'] );
	};
	return heartbeatd_sync_rows_to_entries( array_filter( $news, $has_room ) );
}

/**
 * Converts rows to entries. heartbeatd reads an answer of at most 1 MiB: large data beyond
 * HEARTBEATD_MAX_SYNC_DATA has only what pages show, like data that no entry may have.
 *
 * @param array[] $rows The rows.
 * @return array[]
 */
function heartbeatd_sync_rows_to_entries( $rows ) {
	$left    = HEARTBEATD_MAX_SYNC_DATA;
	$entries = array();
	foreach ( $rows as $row ) {
		$data = json_decode( $row['data'], true );
		$data = is_array( $data ) ? $data : array();
		$size = strlen( $row['data'] );
		if ( ( $size > HEARTBEATD_SMALL_DATA && $size > $left ) || null === heartbeatd_presence_encode_data( $data ) || heartbeatd_presence_has_nul_name( $data ) ) {
			$data = array_map( 'heartbeatd_presence_text', array_intersect_key( $data, array_flip( array( 'screen', 'screen_label', 'title' ) ) ) );
		} elseif ( $size > HEARTBEATD_SMALL_DATA ) {
			$left -= $size;
		}
		$entries[] = heartbeatd_sync_row_to_entry( $row, $data );
	}
	return $entries;
}

/**
 * Converts a row to an entry.
 *
 * @param array $row  The row.
 * @param array $data The entry's data.
 * @return array
 */
function heartbeatd_sync_row_to_entry( $row, $data ) {
	$user = get_userdata( (int) $row['user_id'] );
	return heartbeatd_presence_post_title_field( (string) $row['room'] ) + array(
		'room'         => (string) $row['room'], // Not every database driver returns a numeric string as a string.
		'client_id'    => (string) $row['client_id'],
		'user_id'      => (int) $row['user_id'],
		'display_name' => $user ? $user->display_name : '',
		'avatar_url'   => $user ? heartbeatd_avatar_url( $user ) : '',
		'data'         => (object) $data,
		'date_gmt'     => (string) $row['date_gmt'],
	);
}
