<?php
/**
 * Serials of revocations. A ticket names the serials of the last revocations before it. heartbeatd
 * compares serials instead of times: a clock may be set back, or differ between web servers.
 *
 * The serials of a user are for revocations of the user's tickets, on all sites of a network. Those
 * of a site are for revocations of a room, and of all tickets of the site. A serial is at least the
 * time in milliseconds, so that the next revocation after a database was restored has a higher serial
 * than all before. Until then the tickets have the restored serial, and may be refused (docs/operate.md).
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * The option and the user meta key with the last serial.
 */
const HEARTBEATD_SERIAL_OPTION = 'heartbeatd_serial';
const HEARTBEATD_SERIAL_KEY    = 'heartbeatd_serial';

/**
 * The maximum of a serial. A revocation with it revokes all tickets.
 */
const HEARTBEATD_MAX_SERIAL = 9007199254740992;

/**
 * Returns the serials for a ticket of the current user.
 *
 * @return array<float|int> Of the user, and of the site.
 */
function heartbeatd_last_serials() {
	return array( heartbeatd_whole_number( heartbeatd_user_serial() ), heartbeatd_whole_number( heartbeatd_site_serial() ) );
}

/**
 * Returns a number for JSON. The setting serialize_precision of PHP can round floats, and write them
 * with an exponent.
 *
 * @param float|int $number The number.
 * @return float|int An integer, if PHP has integers of 64 bits.
 */
function heartbeatd_whole_number( $number ) {
	return PHP_INT_SIZE >= 8 ? (int) $number : floor( $number );
}

/**
 * Returns the serial of the current user as it was when the request set the user. It is read with
 * the user's meta, which also has the roles: a revocation after that also ends the ticket. A command
 * may run for long: there it is the current one.
 *
 * @return float
 */
function heartbeatd_user_serial() {
	static $at_start = array();

	$user_id = get_current_user_id();
	if ( $user_id && ( 'cli' === PHP_SAPI || ! isset( $at_start[ $user_id ] ) ) ) {
		$at_start[ $user_id ] = (float) max( array_merge( array( 0 ), (array) get_user_meta( $user_id, HEARTBEATD_SERIAL_KEY ) ) );
	}
	return $at_start[ $user_id ] ?? 0.0;
}

/**
 * Returns the serial of the site as it was when the request began, as with that of the user.
 *
 * @return float
 */
function heartbeatd_site_serial() {
	static $at_start = array();

	$site = get_current_blog_id();
	if ( 'cli' === PHP_SAPI || ! isset( $at_start[ $site ] ) ) {
		$at_start[ $site ] = (float) get_option( HEARTBEATD_SERIAL_OPTION );
	}
	return $at_start[ $site ];
}

/**
 * Returns the serial for a revocation that is sent now, after the change was written.
 *
 * @param int $user_id The user whose tickets are revoked; 0 for a revocation of the site.
 * @return float|int|null Null if the database refuses it: then heartbeatd compares times.
 */
function heartbeatd_next_serial( $user_id ) {
	global $wpdb;

	if ( ! $user_id ) {
		return heartbeatd_increase_site_serial();
	}
	// A query that fails does not tell that the user is deleted.
	// phpcs:ignore WordPress.DB.DirectDatabaseQuery -- Core tells a failed query from a missing user in no other way.
	if ( ! get_userdata( $user_id ) && '0' === $wpdb->get_var( $wpdb->prepare( "SELECT COUNT(*) FROM $wpdb->users WHERE ID = %d", $user_id ) ) ) {
		return HEARTBEATD_MAX_SERIAL;
	}
	return heartbeatd_increase_user_serial( $user_id );
}

/**
 * Adds the serial of the site, unless there is one. add_option() would replace it if a cache does not
 * have it.
 *
 * @param string $serial The serial.
 */
function heartbeatd_add_site_serial( $serial ) {
	global $wpdb;

	// phpcs:ignore WordPress.DB.DirectDatabaseQuery -- See above.
	$wpdb->query( $wpdb->prepare( "INSERT IGNORE INTO $wpdb->options ( option_name, option_value, autoload ) VALUES ( %s, %s, 'yes' )", HEARTBEATD_SERIAL_OPTION, $serial ) );
	wp_cache_delete( 'notoptions', 'options' );
	heartbeatd_forget_cached_serial( 0 );
}

/**
 * Increases the serial of the site, in one statement: several requests may do so at once.
 *
 * @return float|null Null if the database refuses it.
 */
function heartbeatd_increase_site_serial() {
	global $wpdb;

	// phpcs:disable WordPress.DB.DirectDatabaseQuery, WordPress.DB.PreparedSQL.NotPrepared -- Core has no function that increases a value.
	$update  = $wpdb->prepare( "UPDATE $wpdb->options SET option_value = GREATEST( option_value + 1, %s + 0 ) WHERE option_name = %s", heartbeatd_time_in_ms(), HEARTBEATD_SERIAL_OPTION );
	$changed = $wpdb->query( $update );
	if ( 0 === $changed ) {
		heartbeatd_add_site_serial( '0' );
		$changed = $wpdb->query( $update );
	}
	$serial = $wpdb->get_var( $wpdb->prepare( "SELECT option_value FROM $wpdb->options WHERE option_name = %s", HEARTBEATD_SERIAL_OPTION ) );
	// phpcs:enable
	heartbeatd_forget_cached_serial( 0 );
	return $changed && $serial ? (float) $serial : null;
}

/**
 * Increases the serial of a user. Two requests that add the first one at once add two rows, which
 * are increased together: the higher one counts.
 *
 * @param int $user_id The user.
 * @return float|null Null if the database refuses it.
 */
function heartbeatd_increase_user_serial( $user_id ) {
	global $wpdb;

	// phpcs:disable WordPress.DB.DirectDatabaseQuery, WordPress.DB.PreparedSQL.NotPrepared -- Core has no function that increases a value.
	$update  = $wpdb->prepare( "UPDATE $wpdb->usermeta SET meta_value = GREATEST( meta_value + 1, %s + 0 ) WHERE user_id = %d AND meta_key = %s", heartbeatd_time_in_ms(), $user_id, HEARTBEATD_SERIAL_KEY );
	$changed = $wpdb->query( $update );
	if ( 0 === $changed && add_user_meta( $user_id, HEARTBEATD_SERIAL_KEY, 0 ) ) {
		$changed = $wpdb->query( $update );
	}
	$serial = $wpdb->get_var( $wpdb->prepare( "SELECT MAX( meta_value + 0 ) FROM $wpdb->usermeta WHERE user_id = %d AND meta_key = %s", $user_id, HEARTBEATD_SERIAL_KEY ) );
	// phpcs:enable
	heartbeatd_forget_cached_serial( $user_id );
	return $changed && $serial ? (float) $serial : null;
}

/**
 * Removes a serial from the object cache.
 *
 * @param int $user_id The user; 0 for the serial of the site.
 */
function heartbeatd_forget_cached_serial( $user_id ) {
	if ( $user_id ) {
		wp_cache_delete( $user_id, 'user_meta' );
		return;
	}
	wp_cache_delete( 'alloptions', 'options' );
	wp_cache_delete( HEARTBEATD_SERIAL_OPTION, 'options' );
}

/**
 * Returns the current time in Unix milliseconds, as a text for a query.
 *
 * @return string
 */
function heartbeatd_time_in_ms() {
	return sprintf( '%.0f', 1000 * microtime( true ) );
}
