<?php
/**
 * The queue of calls to heartbeatd. A request queues calls and sends them after the
 * response, so that no visitor waits for them. Calls that take too long are dropped.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * How many calls one request may queue.
 */
const HEARTBEATD_MAX_CALLS = 50;

/**
 * How long sending all queued calls may take, in seconds. Where the response cannot be
 * sent first, the visitor waits: then all calls share the time of one.
 */
const HEARTBEATD_QUEUE_TIMEOUT = 5.0;

/**
 * Returns the queued calls. Calls with the same key replace each other.
 *
 * @return array<string, array{0: string, 1: array, 2: int}> By key: path, body, and site of a network.
 */
function &heartbeatd_queue() {
	static $calls = array();
	return $calls;
}

/**
 * Queues a call of the API.
 *
 * @param string $path The path below /api/v1.
 * @param array  $body The body.
 * @return bool False if the queue is full or the plugin is not configured.
 */
function heartbeatd_enqueue_call( $path, $body ) {
	if ( ! heartbeatd_is_configured() ) {
		return false;
	}
	$calls = &heartbeatd_queue();
	// Nobody waits for a command, so it may send any number of calls. Revocations wait
	// until the change is written.
	if ( count( $calls ) >= HEARTBEATD_MAX_CALLS && 'cli' === PHP_SAPI && '/revoke' !== $path ) {
		heartbeatd_flush();
	}
	$site = get_current_blog_id();
	$key  = md5( $site . $path . heartbeatd_json_encode( $body ) );
	if ( ! isset( $calls[ $key ] ) && count( $calls ) >= HEARTBEATD_MAX_CALLS ) {
		if ( '/revoke' !== $path ) {
			return false;
		}
		// A revocation is never dropped. If the queue is full, all tickets are revoked.
		$body = array( 'all' => true );
		$key  = "revoke all $site";
	}
	unset( $calls[ $key ] );
	$calls[ $key ] = array( $path, $body, $site );
	return true;
}

/**
 * Finishes the response, if the server allows it, and sends the queued calls.
 */
function heartbeatd_flush() {
	$calls = &heartbeatd_queue();
	if ( ! $calls ) {
		return;
	}
	$waiting  = $calls;
	$calls    = array();
	$now      = floor( 1000 * microtime( true ) ); // Pages that beat after the response get tickets that stay valid.
	$deadline = microtime( true ) + ( heartbeatd_finish_request() ? HEARTBEATD_QUEUE_TIMEOUT : HEARTBEATD_CALL_TIMEOUT );
	foreach ( $waiting as list( $path, $body, $site ) ) {
		heartbeatd_switch_site( $site );
		$left = $deadline - microtime( true );
		$try  = 'heartbeatd_call_api';
		if ( '/revoke' === $path ) {
			$try  = 'heartbeatd_send_call'; // A revocation is tried even if calls pause.
			$body = heartbeatd_revocation( $body, $now );
		}
		if ( $left < 0.01 || ( '/revoke' !== $path && heartbeatd_is_circuit_open() ) ) {
			heartbeatd_record_failed_revocation( $path );
			continue;
		}
		$answer = $try( heartbeatd_call_method( $path ), $path, $body ? $body : null, min( HEARTBEATD_CALL_TIMEOUT, $left ) );
		if ( ! is_wp_error( $answer ) ) {
			heartbeatd_retry_revocation();
		} else {
			heartbeatd_record_failed_revocation( $path );
		}
		/**
		 * Fires after a call to heartbeatd, when the response has been sent.
		 *
		 * @param string         $path   '/push', '/nudge', '/answer', '/revoke', '/cron', '/presence/changed' or '/presence', the last with a query if it removes entries.
		 * @param array          $body   The body of the call.
		 * @param array|WP_Error $answer The answer.
		 */
		do_action( 'heartbeatd_called', $path, $body, $answer );
	}
	heartbeatd_switch_site( 0 );
}

/**
 * Switches to a site of a network.
 *
 * @param int $site The site; 0 switches back to the original site.
 */
function heartbeatd_switch_site( $site ) {
	static $is_switched = false;
	if ( $is_switched ) {
		restore_current_blog();
		$is_switched = false;
	}
	if ( $site && is_multisite() && get_current_blog_id() !== $site ) {
		$is_switched = switch_to_blog( $site );
	}
}

/**
 * Returns the body of a revocation of the tickets that were issued until now.
 *
 * @param array $body What is revoked.
 * @param float $time The time until which tickets without serials are revoked, in Unix milliseconds.
 * @return array
 */
function heartbeatd_revocation( $body, $time ) {
	$serial = heartbeatd_next_serial( (int) ( $body['user'] ?? 0 ) );
	return $body + array( 'until_ms' => $time ) + array_filter( array( 'serial' => $serial ) );
}

/**
 * Records that a revocation failed, with a serial for all tickets: heartbeatd may be back before
 * they expire.
 *
 * @param string $path The path of the failed call.
 */
function heartbeatd_record_failed_revocation( $path ) {
	if ( '/revoke' === $path ) {
		update_option( 'heartbeatd_unrevoked', heartbeatd_next_serial( 0 ) ?? floor( 1000 * microtime( true ) ), true );
	}
}

/**
 * Revokes all tickets that are older than the last failed revocation, if there was one. Its serial
 * is its time, unless the clock was set back since.
 */
function heartbeatd_retry_revocation() {
	$serial = (float) get_option( 'heartbeatd_unrevoked' );
	$all    = array(
		'all'      => true,
		'until_ms' => min( $serial, floor( 1000 * microtime( true ) ) ),
		'serial'   => $serial,
	);
	if ( $serial && ! is_wp_error( heartbeatd_call_api( 'POST', '/revoke', $all ) ) ) {
		update_option( 'heartbeatd_unrevoked', 0, true );
	}
}

/**
 * Calls heartbeatd after a failed call, to find out whether it is back: the request may have
 * no call of its own.
 */
function heartbeatd_probe_api() {
	if ( ! heartbeatd_last_call_failed() || heartbeatd_is_circuit_open() ) {
		return;
	}
	heartbeatd_finish_request();
	if ( ! is_wp_error( heartbeatd_call_api( 'GET', '/status' ) ) ) {
		heartbeatd_retry_revocation();
	}
}

/**
 * Returns the HTTP method of a queued call. Presence is written with PUT, and removed with
 * DELETE and a query.
 *
 * @param string $path The path below /api/v1.
 * @return string
 */
function heartbeatd_call_method( $path ) {
	if ( 0 === strpos( $path, '/presence?' ) ) {
		return 'DELETE';
	}
	return '/presence' === $path ? 'PUT' : 'POST';
}

/**
 * Sends the response to the visitor; the request continues.
 *
 * @return bool Whether the visitor has the response.
 */
function heartbeatd_finish_request() {
	static $finished = false;

	$finished = $finished || heartbeatd_send_response();
	return $finished;
}

/**
 * Sends the response to the visitor, if the server can do so before the request ends.
 *
 * @return bool Whether the visitor has the response.
 */
function heartbeatd_send_response() {
	if ( 'cli' === PHP_SAPI ) {
		return true;
	}
	if ( PHP_SESSION_ACTIVE === session_status() ) {
		session_write_close(); // An open session would block the visitor's next request.
	}
	if ( function_exists( 'fastcgi_finish_request' ) ) {
		return fastcgi_finish_request();
	}
	if ( function_exists( 'litespeed_finish_request' ) ) {
		return litespeed_finish_request();
	}
	return false;
}
