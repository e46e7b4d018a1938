<?php
/**
 * The circuit breaker of the API: calls pause after several failures in a row.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * After this many failures in a row calls pause, for this many seconds.
 */
const HEARTBEATD_MAX_FAILED_CALLS = 2;
const HEARTBEATD_CALL_PAUSE       = 30;

/**
 * How many calls in a row have failed, up to HEARTBEATD_MAX_FAILED_CALLS, and when the last one did.
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
 * Whether the last call of heartbeatd's API got no answer, or had its key refused.
 * It stays so until a call gets one, however long that takes.
 *
 * @return bool
 */
function heartbeatd_last_call_failed() {
	return heartbeatd_failed_calls()['count'] > 0;
}

/**
 * Whether calls pause because the last ones got no answer. After the pause one
 * more failure is enough for the next pause.
 *
 * @return bool
 */
function heartbeatd_is_circuit_open() {
	$failures = heartbeatd_failed_calls();
	return $failures['count'] >= HEARTBEATD_MAX_FAILED_CALLS && abs( time() - $failures['at'] ) < HEARTBEATD_CALL_PAUSE;
}

/**
 * Remembers whether heartbeatd answered a call. It writes the option only when that
 * changes it: a request that fails to revoke many tickets writes it once a second.
 *
 * @param bool $answered Whether it did.
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
