<?php
/**
 * The value of a post lock, the post meta _edit_lock.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * Returns how long a lock is valid after it was renewed, in seconds.
 *
 * @return int
 */
function heartbeatd_lock_window() {
	/** This filter is documented in wp-admin/includes/ajax-actions.php */
	return (int) apply_filters( 'wp_check_post_lock_window', 150 ); // phpcs:ignore WordPress.NamingConventions.PrefixAllGlobals.NonPrefixedHooknameFound
}

/**
 * Parses a lock.
 *
 * @param mixed $lock The meta value, or the value that an editor sends.
 * @return array{time: int, user: int, document: int|null, released: bool} The document is null if the lock names none.
 */
function heartbeatd_parse_lock( $lock ) {
	$parts = is_string( $lock ) ? explode( ':', $lock ) : array();
	return array(
		'time'     => (int) ( $parts[0] ?? 0 ),
		'user'     => (int) ( $parts[1] ?? 0 ),
		'document' => isset( $parts[2] ) ? absint( $parts[2] ) : null,
		'released' => isset( $parts[3] ),
	);
}

/**
 * Returns the user who holds a lock, and for how long.
 *
 * @param mixed $lock The meta value.
 * @return array{0: int, 1: int} The user, or 0, and seconds.
 */
function heartbeatd_lock_holder( $lock ) {
	$parts = heartbeatd_parse_lock( $lock );
	$left  = $parts['time'] + heartbeatd_lock_window() - time();
	return $left > 0 && $parts['user'] ? array( $parts['user'], $left ) : array( 0, 0 );
}
