<?php
/**
 * What the Presence API plugin beside this one has. Older versions share one lifetime for all
 * rows of their table: this plugin synchronizes the table with heartbeatd. In newer versions
 * each row has its own expiry: heartbeatd is that plugin's push transport, and reads and
 * writes rows only with that plugin's functions.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * Determines whether heartbeatd is the push transport of another plugin's presence.
 *
 * @return bool
 */
function heartbeatd_is_push_transport() {
	return 'other' === heartbeatd_presence_provider() && heartbeatd_do_rows_expire();
}

/**
 * Determines whether each row of the other plugin's table has its own expiry. The columns are
 * read once for each version of the table.
 *
 * @return bool
 */
function heartbeatd_do_rows_expire() {
	global $wpdb;
	static $missing = ''; // The version of a table that does not exist.
	if ( empty( $wpdb->presence ) ) {
		return false;
	}
	$version = $wpdb->presence . ' ' . (string) get_option( 'wp_presence_db_version', '' );
	if ( $missing === $version ) {
		return false;
	}
	$known = get_option( 'heartbeatd_presence_table' );
	if ( ! is_array( $known ) || ( $known['version'] ?? '' ) !== $version ) {
		$quiet   = $wpdb->suppress_errors( true );
		$columns = $wpdb->get_col( "SHOW COLUMNS FROM {$wpdb->presence}" ); // phpcs:ignore WordPress.DB -- The option is the cache.
		$wpdb->suppress_errors( $quiet );
		if ( ! $columns ) {
			$missing = $version;
			return false; // The table does not exist yet.
		}
		$known = array(
			'version' => $version,
			'expires' => in_array( 'expires_gmt', $columns, true ),
		);
		update_option( 'heartbeatd_presence_table', $known, true );
	}
	return (bool) ( $known['expires'] ?? false );
}

/**
 * Determines whether the other plugin lets a push transport hold the rows of its pages.
 *
 * @return bool
 */
function heartbeatd_may_hold_rows() {
	return heartbeatd_is_push_transport() && function_exists( 'wp_presence_admin_state' );
}

/**
 * Returns the URL at which heartbeatd holds rows.
 *
 * @return string Empty if it holds none.
 */
function heartbeatd_rows_url() {
	return heartbeatd_may_hold_rows() ? heartbeatd_call_url( 'heartbeatd/v1/presence/rows' ) : '';
}
