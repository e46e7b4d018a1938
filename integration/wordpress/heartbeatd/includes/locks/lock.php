<?php
/**
 * The value of a post lock.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * For how many seconds a lock lives.
 *
 * @return int
 */
function heartbeatd_lock_window() {
	/** This filter is documented in wp-admin/includes/ajax-actions.php */
	return (int) apply_filters( 'wp_check_post_lock_window', 150 ); // phpcs:ignore WordPress.NamingConventions.PrefixAllGlobals.NonPrefixedHooknameFound
}

/**
 * Reads a lock.
 *
 * @param mixed $lock The meta value, or what an editor says that it is.
 * @return array{time: int, user: int, document: int|null, left: bool} The document is null where none is named.
 */
function heartbeatd_parse_lock( $lock ) {
	$parts = is_string( $lock ) ? explode( ':', $lock ) : array();
	return array(
		'time'     => (int) ( $parts[0] ?? 0 ),
		'user'     => (int) ( $parts[1] ?? 0 ),
		'document' => isset( $parts[2] ) ? absint( $parts[2] ) : null,
		'left'     => isset( $parts[3] ),
	);
}

/**
 * Who holds a lock, and for how long.
 *
 * @param mixed $lock The meta value, as 'ts:uid'.
 * @return array{0: int, 1: int} The user or 0, and seconds.
 */
function heartbeatd_lock_holder( $lock ) {
	$parts = heartbeatd_parse_lock( $lock );
	$left  = $parts['time'] + heartbeatd_lock_window() - time();
	return $left > 0 && $parts['user'] ? array( $parts['user'], $left ) : array( 0, 0 );
}
