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
		$is_revocation = '/revoke' === $path; // It is tried even if calls pause.
		if ( $is_revocation ) {
			$body = heartbeatd_revocation( $body, $now, heartbeatd_flush_serial( (int) ( $body['user'] ?? 0 ) ) );
		}
		$left = $deadline - microtime( true );
		if ( $left < 0.01 || ( ! $is_revocation && heartbeatd_is_circuit_open() ) ) {
			heartbeatd_record_failed_revocation( $path, $body );
			continue;
		}
		$timeout = min( HEARTBEATD_CALL_TIMEOUT, $left );
		$answer  = $is_revocation ? heartbeatd_send_revocation( $body, $timeout ) : heartbeatd_call_api( heartbeatd_call_method( $path ), $path, $body ? $body : null, $timeout );
		if ( ! is_wp_error( $answer ) ) {
			heartbeatd_retry_revocation();
		} else {
			heartbeatd_record_failed_revocation( $path, $body );
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
	heartbeatd_forget_flush_serials();
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
 * Forgets the serials of the revocations that were sent. Removes them from the object cache once more:
 * another request may have read an earlier one, and stored it after the increase.
 */
function heartbeatd_forget_flush_serials() {
	$serials = &heartbeatd_flush_serials();
	foreach ( $serials as list( $site, $user_id ) ) {
		heartbeatd_switch_site( $site );
		heartbeatd_forget_cached_serial( $user_id );
	}
	$serials = array();
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
