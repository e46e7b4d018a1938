<?php
/**
 * The public functions that send data to open pages, ask them to beat, and deposit answers
 * to their beats.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * The most bytes of a push's data as JSON.
 */
const HEARTBEATD_MAX_PUSH_DATA = 65536;

/**
 * The most bytes of a deposited value as JSON.
 */
const HEARTBEATD_MAX_ANSWER = 16384;

/**
 * The most values in a push's data and in a deposited value.
 */
const HEARTBEATD_MAX_VALUES = 10000;

/**
 * How deep objects and lists may be nested in an entry's data, in the data of a push and in a
 * deposited value.
 */
const HEARTBEATD_MAX_DEPTH = 16;

/**
 * The pattern of a handle for which a value can be deposited. The API refuses handles of
 * WordPress and of this plugin too.
 */
const HEARTBEATD_ANSWER_HANDLE = '#^[A-Za-z_][A-Za-z0-9_./:-]{0,99}$#D';

/**
 * Sends data to open pages. There it triggers the event heartbeat-push and the action
 * heartbeat.push, with {room, data}.
 *
 * @param string $to   A room, which contains a '/', as 'postType/post:42'; or 'user:7', 'can:edit_posts' or 'all'.
 * @param mixed  $data A value that can be encoded as JSON, at most 64 KiB and 10,000 values, nested at most 16
 *                     levels deep.
 * @return bool Whether the push was queued: false if the address or the data is invalid, or the queue is full.
 */
function heartbeatd_push( $to, $data ) {
	$json = wp_json_encode( $data, JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE, HEARTBEATD_MAX_DEPTH );
	return heartbeatd_check_size( $json, HEARTBEATD_MAX_PUSH_DATA, __FUNCTION__ ) && heartbeatd_enqueue_message( '/push', $to, array( 'data' => $data ), __FUNCTION__ );
}

/**
 * Asks open pages to beat now.
 *
 * @param string $to        The address, as for heartbeatd_push().
 * @param int    $spread_ms The time over which the pages spread their beats, in milliseconds.
 * @return bool Whether the nudge was queued.
 */
function heartbeatd_nudge( $to, $spread_ms = 2000 ) {
	return heartbeatd_enqueue_message( '/nudge', $to, array( 'spread_ms' => max( 0, min( 60000, (int) $spread_ms ) ) ), __FUNCTION__ );
}

/**
 * Asks open pages to beat for news of this plugin. A page whose beats PHP answers beats at
 * most once in its own interval because of such nudges.
 *
 * @param string $room      The room.
 * @param int    $spread_ms The time over which the pages spread their beats, in milliseconds.
 */
function heartbeatd_nudge_paced( $room, $spread_ms ) {
	$body = array(
		'spread_ms' => $spread_ms,
		'paced'     => true,
	);
	heartbeatd_enqueue_message( '/nudge', $room, $body, __FUNCTION__ );
}

/**
 * Deposits the answer to a handle: heartbeatd answers the beats of open pages with it, until
 * the time is over or a newer value is deposited. Pages that wait for a new value beat at
 * once. Without heartbeatd, and after the time, PHP answers.
 *
 * @param string $to     The address, as for heartbeatd_push(). If several values are for a
 *                       page, that for the user counts, then that for a room, for a
 *                       capability, for all.
 * @param string $handle The handle, in the beat and in the tick.
 * @param mixed  $value  What a callback on heartbeat_received would add to the tick, at most
 *                       16 KiB as JSON and 10,000 values, nested at most 16 levels deep; null
 *                       withdraws the value.
 * @param int    $ttl    For how many seconds, 1 to 3600.
 * @return bool Whether the deposit was queued: false if an argument is invalid, or the queue is full.
 */
function heartbeatd_answer( $to, $handle, $value, $ttl ) {
	$json = wp_json_encode( $value, 0, HEARTBEATD_MAX_DEPTH );
	if ( ! is_string( $handle ) || ! preg_match( HEARTBEATD_ANSWER_HANDLE, $handle ) || ! heartbeatd_check_size( $json, HEARTBEATD_MAX_ANSWER, __FUNCTION__ ) ) {
		return false;
	}
	$body = array(
		'handle' => $handle,
		'value'  => $value,
		'ttl'    => max( 1, min( HOUR_IN_SECONDS, (int) $ttl ) ),
	);
	return heartbeatd_enqueue_message( '/answer', $to, $body, __FUNCTION__ );
}

/**
 * Determines whether a value can be sent. If not, warns the caller of the public function.
 *
 * @param string|false $json      The value as JSON; false if it cannot be encoded.
 * @param int          $max_bytes The most bytes that it may have.
 * @param string       $called    The public function that was called.
 * @return bool
 */
function heartbeatd_check_size( $json, $max_bytes, $called ) {
	if ( false !== $json && strlen( $json ) <= $max_bytes && heartbeatd_count_values( $json ) <= HEARTBEATD_MAX_VALUES ) {
		return true;
	}
	/* translators: 1: a number of bytes, 2: a number of values, 3: a number of levels. */
	$message = sprintf( __( 'The data is not sent. It must be a value that can be encoded as JSON, with at most %1$d bytes and %2$d values, and be nested at most %3$d levels deep.', 'heartbeatd' ), $max_bytes, HEARTBEATD_MAX_VALUES, HEARTBEATD_MAX_DEPTH );
	_doing_it_wrong( esc_html( $called ), esc_html( $message ), '0.1.0' );
	return false;
}

/**
 * Counts the values in JSON, as heartbeatd does.
 *
 * @param string $json The JSON.
 * @return int
 */
function heartbeatd_count_values( $json ) {
	return strlen( (string) preg_replace( '/"(?:[^"\\\\]++|\\\\.)*+"|[^,{\[]/s', '', $json ) );
}

/**
 * Queues a push, a nudge or a deposit.
 *
 * @param string $path   The path of the API, '/push', '/nudge' or '/answer'.
 * @param string $to     The address.
 * @param array  $body   The rest of the call's body.
 * @param string $called The public function that was called.
 * @return bool
 */
function heartbeatd_enqueue_message( $path, $to, $body, $called ) {
	$address = heartbeatd_check_address( $to, $called );
	return null !== $address && heartbeatd_enqueue_call( $path, array( 'to' => $address ) + $body );
}
