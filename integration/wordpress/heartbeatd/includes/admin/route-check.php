<?php
/**
 * Checks whether browsers reach heartbeatd: asks through the site's own address, as a browser does.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * The timeout of a request to the site's own address, in seconds.
 */
const HEARTBEATD_ROUTE_TIMEOUT = 3;

/**
 * How many bytes of an answer are read.
 */
const HEARTBEATD_ROUTE_MAX_BYTES = 100000;

/**
 * Sends a handshake for a WebSocket without its key, once in a request: heartbeatd refuses it after it
 * has seen the upgrade.
 *
 * @return array|WP_Error The HTTP status code, the body and the headers.
 */
function heartbeatd_fetch_route() {
	static $answer = null;
	if ( null === $answer ) {
		$headers = array(
			'Connection'             => 'Upgrade',
			'Upgrade'                => 'websocket',
			'Sec-WebSocket-Version'  => '13',
			'Sec-WebSocket-Protocol' => 'heartbeat.v1',
		);
		$answer  = heartbeatd_request_as_page( 'GET', heartbeatd_route_url( '/socket' ), $headers );
	}
	return $answer;
}

/**
 * Returns the name of the web server, if heartbeatd's documentation has recipes for it.
 *
 * @return string 'nginx', 'apache', 'caddy', or empty.
 */
function heartbeatd_web_server() {
	$answer   = heartbeatd_fetch_route();
	$software = is_wp_error( $answer ) ? ( $_SERVER['SERVER_SOFTWARE'] ?? '' ) : implode( ' ', (array) ( $answer[2]['server'] ?? '' ) ); // phpcs:ignore WordPress.Security.ValidatedSanitizedInput -- Only a known name is returned.
	return preg_match( '/nginx|apache|caddy/i', $software, $match ) ? strtolower( $match[0] ) : '';
}

/**
 * Returns the name of the finding for the answer to the handshake.
 *
 * @param array|WP_Error $answer The answer of heartbeatd_fetch_route().
 * @return string Empty if heartbeatd has answered, and the upgrade has reached it.
 */
function heartbeatd_route_finding( $answer ) {
	if ( is_wp_error( $answer ) ) {
		return 'route-unchecked';
	}
	list( $status, $body, $headers ) = $answer;

	$is_html = false !== stripos( $body, '<html' ) || false !== stripos( $body, '<!doctype' );
	if ( false !== strpos( $body, 'Sec-WebSocket-Key' ) ) {
		return '';
	}
	if ( false !== strpos( $body, 'WebSocket protocol violation' ) ) {
		return 'no-upgrade';
	}
	if ( false !== strpos( $body, "not one of the site's allowed origins" ) ) {
		return 'host-changed';
	}
	if ( 400 === $status && '400 Bad Request' === trim( $body ) ) {
		return 'proxy-protocol'; // Go's answer to a request that does not begin as one.
	}
	if ( 404 === $status && '404 page not found' === trim( $body ) ) {
		return 'path-changed';
	}
	if ( $is_html && preg_match( '/captcha|challenge/i', $body ) ) {
		return 'captcha-page';
	}
	if ( $status >= 300 && $status < 400 ) {
		return isset( $headers['x-redirect-by'] ) ? 'plain-permalinks-without-route' : 'redirected';
	}
	$names = array(
		401 => 'password-required',
		403 => 'firewall',
		405 => 'firewall',
		406 => 'firewall',
		429 => 'rate-limited',
		502 => 'wrong-listen-address',
		503 => 'wrong-listen-address',
		504 => 'wrong-listen-address',
	);
	return $names[ $status ] ?? 'no-route';
}

/**
 * Returns the address of a path of heartbeatd, as browsers see it.
 *
 * @param string $path A path below the one of heartbeatd.
 * @return string
 */
function heartbeatd_route_url( $path ) {
	$base = heartbeatd_setting( 'url' );
	return ( '/' === substr( $base, 0, 1 ) ? heartbeatd_url_origin( home_url() ) : '' ) . $base . $path;
}

/**
 * Sends a request through the web server, as a page of this site.
 *
 * @param string   $method  The HTTP method.
 * @param string   $url     The address.
 * @param string[] $headers Headers.
 * @param string   $body    The body.
 * @return array|WP_Error The HTTP status code, the body and the headers.
 */
function heartbeatd_request_as_page( $method, $url, $headers = array(), $body = null ) {
	$headers += array(
		'Origin' => heartbeatd_url_origin( home_url() ),
		'Accept' => '*/*',
	);
	if ( isset( $_SERVER['PHP_AUTH_USER'], $_SERVER['PHP_AUTH_PW'] ) ) {
		$headers['Authorization'] = 'Basic ' . base64_encode( wp_unslash( $_SERVER['PHP_AUTH_USER'] ) . ':' . wp_unslash( $_SERVER['PHP_AUTH_PW'] ) ); // phpcs:ignore WordPress.Security.ValidatedSanitizedInput, WordPress.PHP.DiscouragedPHPFunctions -- As WordPress does for such requests.
	}
	$answer = wp_remote_request(
		$url,
		array(
			'method'              => $method,
			'timeout'             => HEARTBEATD_ROUTE_TIMEOUT,
			'httpversion'         => '1.1',
			'redirection'         => 0,
			'limit_response_size' => HEARTBEATD_ROUTE_MAX_BYTES,
			'user-agent'          => isset( $_SERVER['HTTP_USER_AGENT'] ) ? sanitize_text_field( wp_unslash( $_SERVER['HTTP_USER_AGENT'] ) ) : 'Mozilla/5.0 (heartbeatd)',
			'sslverify'           => apply_filters( 'https_local_ssl_verify', false ), // A hook of WordPress.
			'headers'             => $headers,
			'body'                => $body,
		)
	);
	return is_wp_error( $answer ) ? $answer : array( (int) wp_remote_retrieve_response_code( $answer ), wp_remote_retrieve_body( $answer ), wp_remote_retrieve_headers( $answer ) );
}
