<?php
/**
 * Sends revocations to heartbeatd, and repeats those that failed.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * Of how many users of a network failed revocations are repeated one by one.
 */
const HEARTBEATD_MAX_UNREVOKED_USERS = 50;

/**
 * Returns the serials of the revocations that heartbeatd_flush() sends: one for each user and site.
 * The changes were written before it began.
 *
 * @return array<string, array{0: int, 1: int, 2: float|int|null}> By key: site, user or 0, and serial.
 */
function &heartbeatd_flush_serials() {
	static $serials = array();
	return $serials;
}

/**
 * Returns the serial of a revocation.
 *
 * @param int $user_id The user whose tickets are revoked; 0 for a revocation of the current site.
 * @return float|int|null Null if the database refuses it.
 */
function heartbeatd_flush_serial( $user_id ) {
	$serials = &heartbeatd_flush_serials();
	$site    = get_current_blog_id();
	$key     = $user_id ? "user $user_id" : "site $site";
	if ( ! isset( $serials[ $key ] ) ) {
		$serials[ $key ] = array( $site, $user_id, heartbeatd_next_serial( $user_id ) );
	}
	return $serials[ $key ][2];
}

/**
 * Returns the body of a revocation of the tickets that were issued until now.
 *
 * @param array          $body   What is revoked.
 * @param float          $time   The time until which tickets without serials are revoked, in Unix milliseconds.
 * @param float|int|null $serial The serial; null: heartbeatd compares times.
 * @return array
 */
function heartbeatd_revocation( $body, $time, $serial ) {
	$body += array( 'until_ms' => heartbeatd_whole_number( $time ) );
	return $serial ? $body + array( 'serial' => heartbeatd_whole_number( $serial ) ) : $body;
}

/**
 * Sends a revocation. An older heartbeatd does not know serials: it gets the revocation without.
 *
 * @param array $body    The body.
 * @param float $timeout The timeout in seconds.
 * @return array|WP_Error The same as heartbeatd_send_call().
 */
function heartbeatd_send_revocation( $body, $timeout ) {
	$answer = heartbeatd_send_call( 'POST', '/revoke', $body, $timeout );
	if ( is_wp_error( $answer ) && isset( $body['serial'] ) && 400 === ( $answer->get_error_data()['status'] ?? 0 ) ) {
		unset( $body['serial'] );
		$answer = heartbeatd_send_call( 'POST', '/revoke', $body, $timeout );
	}
	return $answer;
}

/**
 * Records that a revocation failed, with a serial for all tickets: heartbeatd may be back before
 * they expire. The tickets of a user of a network are valid on other sites, too.
 *
 * @param string $path The path of the failed call.
 * @param array  $body The body of the call.
 */
function heartbeatd_record_failed_revocation( $path, $body ) {
	if ( '/revoke' !== $path ) {
		return;
	}
	$users = heartbeatd_unrevoked()['users'];
	if ( is_multisite() && isset( $body['user'] ) ) {
		$users = array_slice( array_unique( array_merge( $users, array( $body['user'] ) ) ), -HEARTBEATD_MAX_UNREVOKED_USERS );
	}
	$serial = heartbeatd_flush_serial( 0 ) ?? floor( 1000 * microtime( true ) );
	heartbeatd_set_unrevoked( $serial, $users );
}

/**
 * Returns the failed revocations of the site.
 *
 * @return array{serial: float, users: int[]} The serial for all tickets of the site, or 0, and the
 *                                            users whose tickets are valid on other sites, too.
 */
function heartbeatd_unrevoked() {
	$value = get_option( 'heartbeatd_unrevoked' );
	return array(
		'serial' => (float) ( is_array( $value ) ? $value['serial'] : $value ),
		'users'  => is_array( $value ) ? $value['users'] : array(),
	);
}

/**
 * Stores the failed revocations of the site.
 *
 * @param float $serial The serial for all tickets of the site, or 0.
 * @param int[] $users  The users whose tickets are valid on other sites, too.
 */
function heartbeatd_set_unrevoked( $serial, $users ) {
	update_option( 'heartbeatd_unrevoked', $users ? compact( 'serial', 'users' ) : $serial, true );
}

/**
 * Repeats revocations that failed: of all tickets of the site that are older than the last one, and
 * of users of a network.
 */
function heartbeatd_retry_revocation() {
	list( 'serial' => $serial, 'users' => $users ) = heartbeatd_unrevoked();
	if ( ! $serial || is_wp_error( heartbeatd_send_revocation( heartbeatd_failed_revocation( $serial ), HEARTBEATD_CALL_TIMEOUT ) ) ) {
		return;
	}
	while ( $users ) {
		$revocation = heartbeatd_revocation( array( 'user' => $users[0] ), 1000 * microtime( true ), heartbeatd_next_serial( $users[0] ) );
		if ( is_wp_error( heartbeatd_send_revocation( $revocation, HEARTBEATD_CALL_TIMEOUT ) ) ) {
			heartbeatd_set_unrevoked( $serial, $users );
			return;
		}
		array_shift( $users );
	}
	heartbeatd_set_unrevoked( 0, array() );
}

/**
 * Returns the body of the revocation of all tickets that are older than the last failed one. Its
 * serial is its time, unless the clock was set back since. A version of the plugin without serials
 * has stored a time, and so has a request whose serial the database refused: new tickets have lower
 * serials. Then heartbeatd compares times.
 *
 * @param float $serial The stored serial.
 * @return array
 */
function heartbeatd_failed_revocation( $serial ) {
	$is_older = $serial <= (float) get_option( HEARTBEATD_SERIAL_OPTION );
	return heartbeatd_revocation( array( 'all' => true ), min( $serial, 1000 * microtime( true ) ), $is_older ? $serial : null );
}
