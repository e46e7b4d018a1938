<?php
/**
 * Checks what a front does to requests and answers of pages: a web server, cache or firewall between
 * browsers and heartbeatd. They run only if the front passes requests on to heartbeatd.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * No check begins later than this after the first one, in seconds.
 */
const HEARTBEATD_FRONT_CHECKS_TIME = 5;

/**
 * The size of the largest beat over a link, in bytes.
 */
const HEARTBEATD_LARGEST_BEAT = 65536;

/**
 * The least bytes of a ticket that is of use.
 */
const HEARTBEATD_SMALLEST_TICKET = 1024;

/**
 * The code with which heartbeatd refuses a ticket.
 */
const HEARTBEATD_BYE_TICKET = 4003;

/**
 * Reports what the front does.
 *
 * @return array[] Items as of heartbeatd_finding().
 */
function heartbeatd_report_front() {
	$until  = microtime( true ) + HEARTBEATD_FRONT_CHECKS_TIME;
	$items  = array();
	$checks = array( 'static_rule', 'body_limit', 'cache', 'streams', 'foreign_cookie', 'drop_in', 'header_buffer' );
	foreach ( $checks as $check ) {
		$name = microtime( true ) < $until ? call_user_func( "heartbeatd_check_$check" ) : '';
		if ( '' !== $name ) {
			$items[] = heartbeatd_finding( $name );
		}
	}
	return $items;
}

/**
 * Checks whether a rule for static files answers in place of heartbeatd.
 *
 * @return string The name of a finding, or empty.
 */
function heartbeatd_check_static_rule() {
	$answer = heartbeatd_request_as_page( 'GET', heartbeatd_route_url( '/heartbeat.js' ) );
	if ( is_wp_error( $answer ) ) {
		return '';
	}
	list( $status, , $headers ) = $answer;

	$is_script = false !== strpos( implode( ',', (array) $headers['content-type'] ), 'javascript' );
	return 404 === $status || ( 200 === $status && ! $is_script ) ? 'static-rule' : '';
}

/**
 * Checks whether the front accepts the largest beat. heartbeatd refuses it, because it has no ticket.
 *
 * @return string The name of a finding, or empty.
 */
function heartbeatd_check_body_limit() {
	$type   = array( 'Content-Type' => 'application/x-www-form-urlencoded; charset=UTF-8' );
	$answer = heartbeatd_request_as_page( 'POST', heartbeatd_route_url( '/beat' ), $type, str_pad( 'action=heartbeat&data[a]=', HEARTBEATD_LARGEST_BEAT, 'a' ) );
	return ! is_wp_error( $answer ) && 413 === $answer[0] && false === strpos( $answer[1], 'a beat has at most' ) ? 'small-body-limit' : '';
}

/**
 * Checks whether a cache says that it has answered the second of two polls.
 *
 * @return string The name of a finding, or empty.
 */
function heartbeatd_check_cache() {
	for ( $i = 0; $i < 2; $i++ ) {
		$answer = heartbeatd_request_as_page( 'GET', heartbeatd_route_url( '/poll?id=' . wp_rand() ), array( 'Heartbeat-Session' => 'none' ) );
	}
	return ! is_wp_error( $answer ) && heartbeatd_is_stored( $answer[2] ) ? 'cache-in-front' : '';
}

/**
 * Checks whether the beginning of an event stream arrives while heartbeatd still writes it. If not, the
 * request times out. Without cURL, WordPress waits for the end of a stream: nothing is known.
 *
 * @return string The name of a finding, or empty.
 */
function heartbeatd_check_streams() {
	$is_held = false;
	$curl    = null;
	$watch   = static function ( &$handle ) use ( &$curl ) {
		$curl = $handle;
		$end  = static function () {
			return 0; // Ends the request.
		};
		curl_setopt( $handle, CURLOPT_WRITEFUNCTION, $end ); // phpcs:ignore WordPress.WP.AlternativeFunctions.curl_curl_setopt
	};
	$note    = static function () use ( &$curl, &$is_held ) {
		$is_held = CURLE_OPERATION_TIMEDOUT === curl_errno( $curl ) && in_array( curl_getinfo( $curl, CURLINFO_RESPONSE_CODE ), array( 0, 200 ), true ); // phpcs:ignore WordPress.WP.AlternativeFunctions
	};
	add_action( 'requests-curl.before_send', $watch );
	add_action( 'requests-curl.after_send', $note );
	heartbeatd_request_as_page( 'GET', heartbeatd_route_url( '/events?test=1&id=' . wp_rand() ), array( 'Accept' => 'text/event-stream' ) );
	remove_action( 'requests-curl.before_send', $watch );
	remove_action( 'requests-curl.after_send', $note );
	return $is_held ? 'streams-held-back' : '';
}

/**
 * Checks whether a browser can connect that is also logged in to another WordPress on this host. If
 * not, heartbeatd refuses its ticket.
 *
 * @return string The name of a finding, or empty.
 */
function heartbeatd_check_foreign_cookie() {
	$cookie = array( 'Cookie' => 'wordpress_logged_in_' . str_repeat( 'a', 32 ) . '=bob%7C1999999999%7Cx%7C0' );
	$answer = heartbeatd_open_session( $cookie );
	return HEARTBEATD_BYE_TICKET === ( $answer['code'] ?? 0 ) && isset( heartbeatd_open_session( array() )['session'] ) ? 'foreign-cookie' : '';
}

/**
 * Opens a session as a page does, and closes it. Its user does not exist, and enters no room.
 *
 * @param string[] $headers More headers.
 * @return array heartbeatd's frame: a welcome or a bye. Empty if it did not answer.
 */
function heartbeatd_open_session( $headers ) {
	$claims   = array(
		'sub'         => (string) ( 2 ** 52 + wp_rand() ),
		'sid'         => hash( 'sha256', wp_generate_password() ),
		'cookie'      => substr( hash( 'sha256', wp_generate_password() ), 0, 8 ),
		'nonce'       => hash( 'sha256', wp_generate_password() ),
		'iat'         => time(),
		'exp'         => time() + MINUTE_IN_SECONDS,
		'fresh_until' => time() + MINUTE_IN_SECONDS,
	);
	$hello    = array(
		'type'   => 'hello',
		'conn'   => md5( wp_generate_password() ),
		'ticket' => heartbeatd_sign_jwt( $claims ),
	);
	$headers += array( 'Content-Type' => 'application/x-www-form-urlencoded; charset=UTF-8' );
	$answer   = heartbeatd_request_as_page( 'POST', heartbeatd_route_url( '/open?id=' . wp_rand() ), $headers, http_build_query( $hello, '', '&' ) );
	$frame    = is_wp_error( $answer ) ? null : json_decode( $answer[1], true );
	if ( isset( $frame['session'] ) && is_string( $frame['session'] ) ) {
		heartbeatd_request_as_page( 'POST', heartbeatd_route_url( '/close' ), $headers, 'session=' . rawurlencode( $frame['session'] ) );
	}
	return is_array( $frame ) ? $frame : array();
}

/**
 * Checks whether browsers get the plugin's own version of the drop-in.
 *
 * @return string The name of a finding, or empty.
 */
function heartbeatd_check_drop_in() {
	$url    = add_query_arg( 'ver', heartbeatd_asset_version( 'heartbeat.js' ), heartbeatd_asset_url( 'heartbeat.js' ) );
	$answer = heartbeatd_request_as_page( 'GET', $url );
	if ( is_wp_error( $answer ) || 200 !== $answer[0] ) {
		return '';
	}
	return substr( md5( $answer[1] ), 0, 12 ) === heartbeatd_asset_version( 'heartbeat.js' ) ? '' : 'old-drop-in';
}

/**
 * Checks whether the answer to a beat has room for a ticket in its headers.
 *
 * @return string The name of a finding, or empty.
 */
function heartbeatd_check_header_buffer() {
	$type   = array( 'Content-Type' => 'application/x-www-form-urlencoded; charset=UTF-8' );
	$answer = heartbeatd_request_as_page( 'POST', admin_url( 'admin-ajax.php' ), $type, 'action=heartbeat' );
	if ( is_wp_error( $answer ) ) {
		return '';
	}
	$size = strlen( "HTTP/1.1 200 OK\r\nX-Heartbeatd-Ticket: \r\n\r\n" );
	foreach ( $answer[2] as $name => $values ) {
		foreach ( (array) $values as $value ) {
			$size += strlen( "$name: $value\r\n" );
		}
	}
	return HEARTBEATD_MAX_RESPONSE_HEADERS - $size < HEARTBEATD_SMALLEST_TICKET ? 'small-header-buffer' : '';
}
