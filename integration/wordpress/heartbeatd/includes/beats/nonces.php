<?php
/**
 * The nonces of beats.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * Returns the nonce of the page's next beat: the one in the tick, or else the nonce of this
 * beat.
 *
 * @param array $response The tick.
 * @return string Empty if that nonce is not in the first half of its lifetime.
 */
function heartbeatd_next_nonce( $response ) {
	if ( isset( $response['heartbeat_nonce'] ) && is_string( $response['heartbeat_nonce'] ) ) {
		$nonce = $response['heartbeat_nonce'];
	} else {
		// phpcs:ignore WordPress.Security.NonceVerification.Missing, WordPress.Security.ValidatedSanitizedInput -- It is verified below.
		$nonce = isset( $_POST['_nonce'] ) && is_string( $_POST['_nonce'] ) ? wp_unslash( $_POST['_nonce'] ) : '';
	}
	return 1 === wp_verify_nonce( $nonce, 'heartbeat-nonce' ) ? $nonce : '';
}

/**
 * Determines whether nonces expire as core's do. Another plugin may have replaced them.
 *
 * @return bool
 */
function heartbeatd_are_nonces_standard() {
	$left = heartbeatd_nonce_fresh_until() - time();
	// phpcs:ignore WordPress.NamingConventions.PrefixAllGlobals.NonPrefixedHooknameFound -- Core's filter.
	return $left >= 0 && $left <= apply_filters( 'nonce_life', DAY_IN_SECONDS, 'heartbeat-nonce' ) / 2;
}

/**
 * Returns when a nonce that is created now leaves the first half of its lifetime.
 *
 * @return int Unix seconds.
 */
function heartbeatd_nonce_fresh_until() {
	// phpcs:ignore WordPress.NamingConventions.PrefixAllGlobals.NonPrefixedHooknameFound -- Core's filter.
	$life = apply_filters( 'nonce_life', DAY_IN_SECONDS, 'heartbeat-nonce' );
	return (int) floor( wp_nonce_tick( 'heartbeat-nonce' ) * $life / 2 );
}
