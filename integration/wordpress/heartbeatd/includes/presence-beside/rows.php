<?php
/**
 * The rows of open pages, which heartbeatd holds as the push transport of the Presence API
 * plugin. heartbeatd names the rows; PHP writes and removes them with that plugin's functions,
 * and answers with what others can see of the rooms.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * The most rows of a call.
 */
const HEARTBEATD_MAX_ROWS = 500;

/**
 * How many seconds before a page is known to have closed the load of the next page may have
 * written the row: the browser keeps a page until the next one answers.
 */
const HEARTBEATD_NEXT_PAGE_TIME = 5;

/**
 * A row that was written this many seconds ago need not be renewed. The load of a page, which has
 * no connection yet, may have written it.
 */
const HEARTBEATD_RENEWED_ROW_AGE = 10;

/**
 * That plugin shows a user as idle whose row is older than 75 seconds. The row of a user who is
 * idle is given a date so many seconds ago, if rows live so long that until the next renewal the
 * row is not older than its lifetime: functions can leave out older rows.
 */
const HEARTBEATD_IDLE_ROW_AGE      = 80;
const HEARTBEATD_IDLE_ROW_LIFETIME = 150;

/**
 * Registers the route.
 */
function heartbeatd_register_rows_route() {
	$list = array(
		'type'     => 'array',
		'maxItems' => HEARTBEATD_MAX_ROWS,
		'default'  => array(),
	);
	register_rest_route(
		'heartbeatd/v1',
		'/presence/rows',
		array(
			'methods'             => 'POST',
			'callback'            => 'heartbeatd_hold_rows',
			'permission_callback' => 'heartbeatd_check_call',
			'args'                => array(
				'rows'  => $list,
				'left'  => $list,
				'renew' => array(
					'type'    => 'boolean',
					'default' => false,
				),
			),
		)
	);
}

/**
 * Writes and removes rows.
 *
 * @param WP_REST_Request $request The call.
 * @return WP_REST_Response|WP_Error
 */
function heartbeatd_hold_rows( $request ) {
	if ( ! heartbeatd_may_hold_rows() || ( function_exists( 'wp_presence_is_available' ) && ! wp_presence_is_available() ) ) {
		return new WP_Error( 'rest_presence_unavailable', __( 'The Presence API plugin records no presence.', 'heartbeatd' ), array( 'status' => 503 ) );
	}
	$expires_in = heartbeatd_row_lifetime();
	$rows       = array_values( array_filter( $request['rows'], 'heartbeatd_is_held_row' ) );
	$left       = array_values( array_filter( $request['left'], 'heartbeatd_is_held_row' ) );
	cache_users( array_unique( array_column( $rows, 'user_id' ) ) );
	_prime_post_caches( array_filter( array_map( 'heartbeatd_room_post_id', array_unique( array_column( $rows, 'room' ) ) ) ), false, false );
	$rooms   = array_fill_keys( array_unique( array_column( array_merge( $rows, $left ), 'room' ) ), false );
	$entries = array_map( 'heartbeatd_room_entries', array_combine( array_keys( $rooms ), array_keys( $rooms ) ) );
	heartbeatd_ignore_row_changes( true );
	foreach ( $rows as $row ) {
		$entry = $entries[ $row['room'] ][ $row['client_id'] ] ?? null;
		if ( ! $request['renew'] || ! $entry || heartbeatd_entry_time( $entry ) <= time() - HEARTBEATD_RENEWED_ROW_AGE ) {
			heartbeatd_hold_row( $row, $entry, $expires_in );
		}
	}
	wp_set_current_user( 0 );
	foreach ( $left as $row ) {
		heartbeatd_remove_left_row( $row, $entries[ $row['room'] ][ $row['client_id'] ] ?? null );
	}
	heartbeatd_ignore_row_changes( false );
	return new WP_REST_Response(
		array(
			'rooms'      => heartbeatd_describe_rooms( $rooms ),
			'expires_in' => $expires_in,
		)
	);
}

/**
 * Determines whether a value names a row that heartbeatd may hold: that of a user in the admin,
 * or of a post's editor.
 *
 * @param mixed $row The value.
 * @return bool
 */
function heartbeatd_is_held_row( $row ) {
	if ( ! is_array( $row ) || ! is_string( $row['room'] ?? null ) || ! is_int( $row['user_id'] ?? null ) || $row['user_id'] < 1 ) {
		return false;
	}
	$prefix = 'admin/online' === $row['room'] ? 'user-' : 'editor-';
	return ( $row['client_id'] ?? '' ) === $prefix . $row['user_id'] && ( 'user-' === $prefix || heartbeatd_room_post_id( $row['room'] ) );
}

/**
 * Returns for how many seconds a row lives after it was written.
 *
 * @return int
 */
function heartbeatd_row_lifetime() {
	// phpcs:disable WordPress.NamingConventions.PrefixAllGlobals -- The Presence API's filters.
	$ttl = (int) apply_filters( 'wp_presence_default_ttl', defined( 'WP_PRESENCE_DEFAULT_TTL' ) ? WP_PRESENCE_DEFAULT_TTL : 150 );
	return max( 15, min( $ttl, heartbeatd_max_row_lifetime() ) );
	// phpcs:enable
}

/**
 * Returns the longest time for which that plugin lets a row live, in seconds.
 *
 * @return int
 */
function heartbeatd_max_row_lifetime() {
	return (int) apply_filters( 'wp_presence_max_expires_in', HOUR_IN_SECONDS ); // phpcs:ignore WordPress.NamingConventions.PrefixAllGlobals -- The Presence API's filter.
}

/**
 * Returns the entries of a room.
 *
 * @param string $room The room.
 * @return array<string, object> By client id.
 */
function heartbeatd_room_entries( $room ) {
	$entries = array();
	foreach ( (array) wp_get_presence( $room ) as $entry ) {
		$entries[ $entry->client_id ] = $entry;
	}
	return $entries;
}

/**
 * Returns when an entry was written.
 *
 * @param object $entry The entry.
 * @return int Unix seconds.
 */
function heartbeatd_entry_time( $entry ) {
	return (int) strtotime( $entry->date_gmt . ' UTC' );
}

/**
 * Writes the row of a page, if its user may be in the room. It is written as that user, whose
 * presence may not be recorded, and in their language.
 *
 * @param array       $row        The row, as {room, client_id, user_id, where, idle}.
 * @param object|null $entry      The entry that is there.
 * @param int         $expires_in For how many seconds it lives.
 */
function heartbeatd_hold_row( $row, $entry, $expires_in ) {
	wp_set_current_user( $row['user_id'] );
	if ( ! wp_can_access_presence_room( $row['room'], $row['user_id'] ) ) {
		return;
	}
	$switched = function_exists( 'switch_to_user_locale' ) && switch_to_user_locale( $row['user_id'] );
	$state    = heartbeatd_row_state( $row, $entry );
	if ( $switched ) {
		restore_previous_locale();
	}
	if ( $state ) {
		wp_set_presence( $row['room'], $row['client_id'], $state, array( 'user_id' => $row['user_id'] ) + heartbeatd_row_dates( $row, $expires_in ) );
	}
}

/**
 * Returns when a row is dated, and for how many seconds it lives from then on.
 *
 * @param array $row        The row, as {room, client_id, user_id, where, idle}.
 * @param int   $expires_in For how many seconds it lives from now on.
 * @return array{expires_in: int, date_gmt?: string}
 */
function heartbeatd_row_dates( $row, $expires_in ) {
	$life = $expires_in + HEARTBEATD_IDLE_ROW_AGE;
	if ( empty( $row['idle'] ) || $expires_in < HEARTBEATD_IDLE_ROW_LIFETIME || $life > heartbeatd_max_row_lifetime() ) {
		return array( 'expires_in' => $expires_in );
	}
	return array(
		'expires_in' => $life,
		'date_gmt'   => gmdate( 'Y-m-d H:i:s', time() - HEARTBEATD_IDLE_ROW_AGE ),
	);
}

/**
 * Returns the state of a row, as the other plugin builds it. If it does not, because its
 * functions have changed, the row keeps its state while its page stays the same.
 *
 * @param array       $row   The row.
 * @param object|null $entry The entry that is there.
 * @return array Empty if there is none.
 */
function heartbeatd_row_state( $row, $entry ) {
	$is_admin = 'admin/online' === $row['room'];
	$ping     = $is_admin ? heartbeatd_clean_ping( $row['where'] ?? null ) : array();
	if ( $ping && $entry && heartbeatd_does_row_know_more( $entry->data, $ping ) ) {
		return $entry->data;
	}
	try {
		$state = $is_admin
			? ( $ping ? wp_presence_admin_state( $ping, $row['user_id'] ) : array() )
			: wp_presence_editor_state( get_post( heartbeatd_room_post_id( $row['room'] ) ), $row['user_id'] );
	} catch ( Throwable $error ) {
		$state = null;
	}
	$is_page = static function ( $state ) use ( $ping ) {
		return is_array( $state ) && ( $state['screen'] ?? '' ) === ( $ping['screen'] ?? '' );
	};
	if ( $is_admin ? $is_page( $state ) : is_array( $state ) ) {
		return $state;
	}
	return $entry && ( ! $is_admin || $is_page( $entry->data ) ) ? (array) $entry->data : $ping;
}

/**
 * Determines whether a row has the title of its page, which was too long for the ticket: the ping
 * has none then.
 *
 * @param mixed $data The row's state.
 * @param array $ping The ping.
 * @return bool
 */
function heartbeatd_does_row_know_more( $data, $ping ) {
	return is_array( $data ) && ! isset( $ping['title'] ) && ( $data['screen'] ?? '' ) === $ping['screen'] && ! heartbeatd_clean_ping( $data )
		&& ( ! isset( $ping['post_id'] ) || (int) ( $data['post_id'] ?? 0 ) === $ping['post_id'] );
}

/**
 * Removes the row of a user's last page, unless a page that heartbeatd does not know has
 * written it since that page was closed.
 *
 * @param array       $row   The row, as {room, client_id, user_id, where, age}.
 * @param object|null $entry The entry that is there.
 */
function heartbeatd_remove_left_row( $row, $entry ) {
	if ( ! $entry || (int) $entry->user_id !== $row['user_id'] ) {
		return;
	}
	$closed = time() - max( 0, (int) ( $row['age'] ?? 0 ) );
	$moved  = ( $entry->data['screen'] ?? '' ) !== ( $row['where']['screen'] ?? '' ) && 'admin/online' === $row['room'];
	if ( heartbeatd_entry_time( $entry ) <= $closed - ( $moved ? HEARTBEATD_NEXT_PAGE_TIME : 0 ) ) {
		wp_remove_presence( $row['room'], $row['client_id'] );
	}
}
