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
 * A key of a WebSocket that heartbeatd refuses: it is not base64. HAProxy passes on keys of 24 characters only.
 */
const HEARTBEATD_INVALID_KEY = 'heartbeatd-checks-routes';

/**
 * Sends a handshake for a WebSocket with an invalid key, once in a request: heartbeatd refuses it after it
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
			'Sec-WebSocket-Key'      => HEARTBEATD_INVALID_KEY,
			'Sec-WebSocket-Protocol' => 'heartbeat.v1',
		);
		$answer  = heartbeatd_request_as_page( 'GET', heartbeatd_route_url( '/socket?id=' . wp_rand() ), $headers ); // A cache has no answer to it.
	}
	return $answer;
}

/**
 * Determines whether WordPress reaches its own address.
 *
 * @return bool
 */
function heartbeatd_does_site_answer() {
	return ! is_wp_error( heartbeatd_request_as_page( 'GET', admin_url( 'images/wordpress-logo.svg' ) ) );
}

/**
 * Returns the name of the web server, if heartbeatd's documentation has recipes for it. Varnish is in
 * front of another one.
 *
 * @return string 'varnish', 'nginx', 'apache', 'caddy', 'lighttpd', or empty.
 */
function heartbeatd_web_server() {
	$answer = heartbeatd_fetch_route();
	if ( is_wp_error( $answer ) ) {
		$software = $_SERVER['SERVER_SOFTWARE'] ?? ''; // phpcs:ignore WordPress.Security.ValidatedSanitizedInput -- Only a known name is returned.
	} else {
		$software = implode( ' ', array_merge( (array) ( $answer[2]['via'] ?? '' ), (array) ( $answer[2]['server'] ?? '' ) ) );
	}
	return preg_match( '/varnish|nginx|apache|caddy|lighttpd/i', $software, $match ) ? strtolower( $match[0] ) : '';
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

	$own = heartbeatd_own_answer( $status, $body );
	if ( null !== $own ) {
		return heartbeatd_is_stored( $headers ) ? 'cache-in-front' : $own; // A stored one may be of another request.
	}
	if ( heartbeatd_is_challenge( $body, $headers ) ) {
		return 'captcha-page';
	}
	if ( $status >= 300 && $status < 400 ) {
		return isset( $headers['x-redirect-by'] ) ? 'plain-permalinks-without-route' : 'redirected';
	}
	if ( 400 === $status && preg_match( '/header.*large/is', $body ) ) {
		return 'small-request-headers';
	}
	$names = array(
		200 => 'no-route',
		401 => 'password-required',
		403 => 'firewall',
		404 => 'no-route',
		405 => 'firewall',
		406 => 'firewall',
		429 => 'rate-limited',
		431 => 'small-request-headers',
		494 => 'small-request-headers', // Of nginx.
		502 => 'wrong-listen-address',
		503 => 'wrong-listen-address',
		504 => 'wrong-listen-address',
	);
	return $names[ $status ] ?? 'other-answer';
}

/**
 * Returns the name of the finding for an answer of heartbeatd itself.
 *
 * @param int    $status The status.
 * @param string $body   The body.
 * @return string|null Empty if the upgrade has reached it; null if the answer is not of heartbeatd.
 */
function heartbeatd_own_answer( $status, $body ) {
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
	return null;
}

/**
 * Determines whether a cache says that it had stored an answer.
 *
 * @param mixed[] $headers The headers.
 * @return bool
 */
function heartbeatd_is_stored( $headers ) {
	if ( (int) ( $headers['age'] ?? 0 ) > 0 ) {
		return true;
	}
	foreach ( array( 'x-cache', 'x-cache-status', 'x-proxy-cache', 'cf-cache-status', 'x-fastcgi-cache' ) as $name ) {
		if ( preg_match( '/(^|[^a-z])(refresh)?hit([^a-z]|$)/i', implode( ',', (array) ( $headers[ $name ] ?? '' ) ) ) ) {
			return true;
		}
	}
	return false;
}

/**
 * Determines whether an answer asks for a captcha or the like. Pages of WordPress may have a captcha
 * in a form.
 *
 * @param string  $body    The body.
 * @param mixed[] $headers The headers.
 * @return bool
 */
function heartbeatd_is_challenge( $body, $headers ) {
	if ( isset( $headers['cf-mitigated'] ) || isset( $headers['x-amzn-waf-action'] ) || isset( $headers['sg-captcha'] ) ) {
		return true;
	}
	$type = implode( ',', (array) ( $headers['content-type'] ?? '' ) );
	return false !== stripos( $type, 'html' ) && ! preg_match( '#/wp-(includes|content)/#i', $body )
		&& preg_match( '/captcha|challenge-platform|cf-chl|checking your browser|verify you are human|not a robot|are you human/i', $body );
}

/**
 * Returns the origin of the pages of the admin: that of the site's home may be another one.
 *
 * @return string As 'https://example.org'.
 */
function heartbeatd_page_origin() {
	return heartbeatd_url_origin( admin_url() );
}

/**
 * Returns the address of a path of heartbeatd, as browsers see it.
 *
 * @param string $path A path below the one of heartbeatd.
 * @return string
 */
function heartbeatd_route_url( $path ) {
	$base = heartbeatd_setting( 'url' );
	return ( '/' === substr( $base, 0, 1 ) ? heartbeatd_page_origin() : '' ) . $base . $path;
}

/**
 * Sends a request through the web server, as a page of this site. Only the site itself gets the
 * password of HTTP authentication, and only its certificate may be one that is not trusted.
 *
 * @param string   $method  The HTTP method.
 * @param string   $url     The address.
 * @param string[] $headers Headers.
 * @param string   $body    The body.
 * @return array|WP_Error The HTTP status code, the body and the headers.
 */
function heartbeatd_request_as_page( $method, $url, $headers = array(), $body = null ) {
	$is_own   = strtolower( heartbeatd_url_origin( $url ) ) === strtolower( heartbeatd_page_origin() );
	$headers += array(
		'Origin' => heartbeatd_page_origin(),
		'Accept' => '*/*',
	);
	if ( $is_own && isset( $_SERVER['PHP_AUTH_USER'], $_SERVER['PHP_AUTH_PW'] ) ) {
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
			'sslverify'           => $is_own ? apply_filters( 'https_local_ssl_verify', false ) : true, // A hook of WordPress.
			'headers'             => $headers,
			'body'                => $body,
		)
	);
	return is_wp_error( $answer ) ? $answer : array( (int) wp_remote_retrieve_response_code( $answer ), wp_remote_retrieve_body( $answer ), wp_remote_retrieve_headers( $answer ) );
}
