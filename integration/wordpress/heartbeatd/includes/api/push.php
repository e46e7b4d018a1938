<?php
/**
 * The public functions that send data to open pages and ask them to beat.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * The most bytes of a push's data as JSON.
 */
const HEARTBEATD_MAX_PUSH_DATA = 65536;

/**
 * Sends data to open pages. There it triggers the event heartbeat-push and the action
 * heartbeat.push, with {room, data}.
 *
 * @param string $to   A room, which contains a '/', as 'postType/post:42'; or 'user:7', 'can:edit_posts' or 'all'.
 * @param mixed  $data A value that can be encoded as JSON, at most 64 KiB.
 * @return bool Whether the push was queued: false if the address or the data is invalid, or the queue is full.
 */
function heartbeatd_push( $to, $data ) {
	$json = heartbeatd_json_encode( $data );
	if ( false === $json || strlen( $json ) > HEARTBEATD_MAX_PUSH_DATA ) {
		return false;
	}
	return heartbeatd_enqueue_message( '/push', $to, array( 'data' => $data ), __FUNCTION__ );
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
 * Queues a push or a nudge.
 *
 * @param string $path   The path of the API, '/push' or '/nudge'.
 * @param string $to     The address.
 * @param array  $body   The rest of the call's body.
 * @param string $called The public function that was called.
 * @return bool
 */
function heartbeatd_enqueue_message( $path, $to, $body, $called ) {
	$address = heartbeatd_check_address( $to, $called );
	return null !== $address && heartbeatd_enqueue_call( $path, array( 'to' => $address ) + $body );
}
