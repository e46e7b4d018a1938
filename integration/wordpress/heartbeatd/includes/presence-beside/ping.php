<?php
/**
 * Where a page is, in the terms of the Presence API plugin: the screen, and the title and the
 * post if it has them. The ticket says so, for the row that heartbeatd holds for the page.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * The most bytes of a ping in a ticket, as JSON. A ticket has little room.
 */
const HEARTBEATD_MAX_PING = 600;

/**
 * Returns the ping of the request's page, as the state that the page's load has written.
 *
 * @param array|null $state Sets it.
 * @return array
 */
function heartbeatd_written_ping( $state = null ) {
	static $written = array();
	if ( null !== $state ) {
		$written = $state;
	}
	return $written;
}

/**
 * Remembers what the request writes to the current user's row.
 *
 * @param string $room      The room.
 * @param string $client_id The client id.
 * @param mixed  $state     The state.
 */
function heartbeatd_on_row_written( $room, $client_id, $state ) {
	if ( 'admin/online' === $room && 'user-' . get_current_user_id() === $client_id && is_array( $state ) ) {
		heartbeatd_written_ping( $state );
	}
}

/**
 * Returns where the request's page is.
 *
 * @param string $screen_id The page's screen.
 * @return array{screen?: string, title?: string, post_id?: int, object_id?: int} Empty if that is not known.
 */
function heartbeatd_page_ping( $screen_id ) {
	$data  = heartbeatd_beat_data();
	$state = $data['presence-ping'] ?? heartbeatd_written_ping();
	if ( ! $state && ! $data ) {
		// The row that the page's load did not write again, because it was the same.
		foreach ( (array) wp_get_presence( 'admin/online', array( 'client_prefix' => 'user-' . get_current_user_id() ) ) as $entry ) {
			if ( 'user-' . get_current_user_id() === $entry->client_id && is_string( $entry->data['screen'] ?? null ) && sanitize_key( $entry->data['screen'] ) === $screen_id ) {
				$state = $entry->data;
			}
		}
	}
	return heartbeatd_clean_ping( $state );
}

/**
 * Returns a ping with values of the right types.
 *
 * @param mixed $ping The ping, or a state.
 * @return array Empty if it has no screen or is too long.
 */
function heartbeatd_clean_ping( $ping ) {
	$ping  = is_array( $ping ) ? $ping : array();
	$clean = array();
	foreach ( array( 'screen', 'title' ) as $name ) {
		if ( isset( $ping[ $name ] ) && is_string( $ping[ $name ] ) && '' !== $ping[ $name ] ) {
			$clean[ $name ] = $ping[ $name ];
		}
	}
	foreach ( array( 'post_id', 'object_id' ) as $name ) {
		if ( isset( $ping[ $name ] ) && is_numeric( $ping[ $name ] ) && $ping[ $name ] > 0 ) {
			$clean[ $name ] = (int) $ping[ $name ];
		}
	}
	$json = heartbeatd_json_encode( $clean );
	return isset( $clean['screen'] ) && $json && strlen( $json ) <= HEARTBEATD_MAX_PING ? $clean : array();
}

/**
 * Returns the claims of a ticket about the Presence API plugin beside this one: the rows that
 * heartbeatd holds for the page, and whether its user may not see where others are.
 *
 * @param string $screen_id The page's screen.
 * @return array{rows?: string, ping?: array, no_locations?: true}
 */
function heartbeatd_push_transport_claims( $screen_id ) {
	$url = heartbeatd_rows_url();
	return array_filter(
		array(
			'rows'         => $url,
			'ping'         => '' === $url ? array() : heartbeatd_page_ping( $screen_id ),
			'no_locations' => heartbeatd_is_push_transport() && ! heartbeatd_can_see_locations(),
		)
	);
}

/**
 * Determines whether the current user may see where others are. Versions of that plugin without
 * the capability for it show it to everybody.
 *
 * @return bool
 */
function heartbeatd_can_see_locations() {
	$capability = 'view_presence_location';
	// 0 is any other user: everybody has the capability for themselves.
	return array( $capability ) === map_meta_cap( $capability, get_current_user_id(), 0 ) || current_user_can( $capability, 0 );
}
