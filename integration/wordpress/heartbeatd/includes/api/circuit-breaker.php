<?php
/**
 * The circuit breaker for calls to heartbeatd's API: after several failed calls in a row,
 * calls pause.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * Calls pause after this many failures in a row, for this many seconds.
 */
const HEARTBEATD_MAX_FAILED_CALLS = 2;
const HEARTBEATD_CALL_PAUSE       = 30;

/**
 * Returns how many calls in a row have failed, at most HEARTBEATD_MAX_FAILED_CALLS, and the
 * time of the last failure.
 *
 * @return array{count: int, at: int}
 */
function heartbeatd_failed_calls() {
	$failures = get_option( 'heartbeatd_failures' );
	return ( is_array( $failures ) ? $failures : array() ) + array(
		'count' => 0,
		'at'    => 0,
	);
}

/**
 * Determines whether the last call got no answer, or an answer that refused the key. This
 * stays true until a call succeeds, however long that takes.
 *
 * @return bool
 */
function heartbeatd_last_call_failed() {
	return heartbeatd_failed_calls()['count'] > 0;
}

/**
 * Determines whether calls pause. After the pause a single failure starts the next one.
 *
 * @return bool
 */
function heartbeatd_is_circuit_open() {
	$failures = heartbeatd_failed_calls();
	return $failures['count'] >= HEARTBEATD_MAX_FAILED_CALLS && abs( time() - $failures['at'] ) < HEARTBEATD_CALL_PAUSE;
}

/**
 * Records whether heartbeatd answered a call. Writes the option only when the value changes:
 * a request that fails to revoke many tickets writes it once a second.
 *
 * @param bool $answered Whether heartbeatd answered.
 */
function heartbeatd_record_call( $answered ) {
	$count = heartbeatd_failed_calls()['count'];
	if ( ! $answered ) {
		$failures = array(
			'count' => min( $count + 1, HEARTBEATD_MAX_FAILED_CALLS ),
			'at'    => time(),
		);
		update_option( 'heartbeatd_failures', $failures, true );
	} elseif ( $count ) {
		update_option( 'heartbeatd_failures', array(), true );
	}
}
