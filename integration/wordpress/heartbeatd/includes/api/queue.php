<?php
/**
 * Calls to heartbeatd that a request makes along the way. They wait until the
 * response has been sent, and are dropped rather than let anybody wait.
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
 * The calls that wait, by what they are: the same one twice is one.
 *
 * @return array<string, array{0: string, 1: array, 2: int}> What is called, with what, and for which site of a network.
 */
function &heartbeatd_queue() {
	static $calls = array();
	return $calls;
}

/**
 * Queues a call of the API.
 *
 * @param string $path What comes after /api/v1.
 * @param array  $body What is sent.
 * @return bool False when there is no room for it, or nobody to send it to.
 */
function heartbeatd_enqueue_call( $path, $body ) {
	if ( ! heartbeatd_is_configured() ) {
		return false;
	}
	$calls = &heartbeatd_queue();
	// Nobody waits for a command: it may send as much as it likes. What must end does
	// so when the change is written.
	if ( count( $calls ) >= HEARTBEATD_MAX_CALLS && 'cli' === PHP_SAPI && '/revoke' !== $path ) {
		heartbeatd_flush();
	}
	$site = get_current_blog_id();
	$key  = md5( $site . $path . heartbeatd_json_encode( $body ) );
	if ( ! isset( $calls[ $key ] ) && count( $calls ) >= HEARTBEATD_MAX_CALLS ) {
		if ( '/revoke' !== $path ) {
			return false;
		}
		// What must end does end: with everybody's tickets, if need be.
		$body = array( 'all' => true );
		$key  = "everybody's $site";
	}
	unset( $calls[ $key ] );
	$calls[ $key ] = array( $path, $body, $site );
	return true;
}

/**
 * Sends the response, if that can be done from here, and then the calls.
 */
function heartbeatd_flush() {
	$calls = &heartbeatd_queue();
	if ( ! $calls ) {
		return;
	}
	$waiting  = $calls;
	$calls    = array();
	$now      = floor( 1000 * microtime( true ) ); // Pages that ask after the response get tickets that stay.
	$deadline = microtime( true ) + ( heartbeatd_finish_request() ? HEARTBEATD_QUEUE_TIMEOUT : HEARTBEATD_CALL_TIMEOUT );
	foreach ( $waiting as list( $path, $body, $site ) ) {
		heartbeatd_switch_site( $site );
		$left = $deadline - microtime( true );
		$try  = 'heartbeatd_call_api';
		if ( '/revoke' === $path ) {
			$try              = 'heartbeatd_send_call'; // What must end is tried whatever became of the last calls.
			$body['until_ms'] = $now;
		}
		if ( $left < 0.01 || ( '/revoke' !== $path && heartbeatd_is_circuit_open() ) ) {
			heartbeatd_record_failed_revocation( $path, $now );
			continue;
		}
		$answer = $try( heartbeatd_call_method( $path ), $path, $body ? $body : null, min( HEARTBEATD_CALL_TIMEOUT, $left ) );
		if ( ! is_wp_error( $answer ) ) {
			heartbeatd_retry_revocation();
		} else {
			heartbeatd_record_failed_revocation( $path, $now );
		}
		/**
		 * Fires after a call to heartbeatd, when the visitor already has the page.
		 *
		 * @param string         $path   '/push', '/nudge', '/revoke', '/cron' or '/presence', the last with a query when it removes.
		 * @param array          $body   What was sent.
		 * @param array|WP_Error $answer What came back.
		 */
		do_action( 'heartbeatd_called', $path, $body, $answer );
	}
	heartbeatd_switch_site( 0 );
}

/**
 * Makes a site of a network the current one.
 *
 * @param int $site The site; 0 goes back to where it began.
 */
function heartbeatd_switch_site( $site ) {
	static $away = false;
	if ( $away ) {
		restore_current_blog();
		$away = false;
	}
	if ( $site && is_multisite() && get_current_blog_id() !== $site ) {
		$away = switch_to_blog( $site );
	}
}

/**
 * Remembers that something could not be revoked: heartbeatd was not there, and
 * may be back before the tickets are over.
 *
 * @param string $path What was to be called.
 * @param float  $time When, in Unix milliseconds.
 */
function heartbeatd_record_failed_revocation( $path, $time ) {
	if ( '/revoke' === $path ) {
		update_option( 'heartbeatd_unrevoked', $time, true );
	}
}

/**
 * As soon as heartbeatd is back, ends all tickets that are older than those that
 * should have ended before.
 */
function heartbeatd_retry_revocation() {
	$until = (float) get_option( 'heartbeatd_unrevoked' );
	$all   = array(
		'all'      => true,
		'until_ms' => $until,
	);
	if ( $until && ! is_wp_error( heartbeatd_call_api( 'POST', '/revoke', $all ) ) ) {
		update_option( 'heartbeatd_unrevoked', 0, true );
	}
}

/**
 * Calls heartbeatd when the last call failed, to find out whether it is back: the
 * request may have no call of its own to make.
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
 * How a call is made: presence is put, or removed by what stands in the query.
 *
 * @param string $path What comes after /api/v1.
 * @return string
 */
function heartbeatd_call_method( $path ) {
	if ( 0 === strpos( $path, '/presence?' ) ) {
		return 'DELETE';
	}
	return '/presence' === $path ? 'PUT' : 'POST';
}

/**
 * Sends the response to the visitor and goes on without them.
 *
 * @return bool Whether nobody waits any more.
 */
function heartbeatd_finish_request() {
	if ( 'cli' === PHP_SAPI ) {
		return true;
	}
	if ( PHP_SESSION_ACTIVE === session_status() ) {
		session_write_close(); // The visitor's next request would wait for it.
	}
	if ( function_exists( 'fastcgi_finish_request' ) ) {
		return fastcgi_finish_request();
	}
	if ( function_exists( 'litespeed_finish_request' ) ) {
		return litespeed_finish_request();
	}
	return false;
}
