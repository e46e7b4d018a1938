<?php
/**
 * The address at which heartbeatd calls this site. A site may take its own address from the Host
 * header of the request, which the visitor chooses: tickets and keys have the addresses that
 * administrators use, or the configured one.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * Returns the scheme, the host and the port of a URL.
 *
 * @param string $url The URL.
 * @return string As 'https://example.org'; empty if it is not a URL.
 */
function heartbeatd_url_origin( $url ) {
	return preg_match( '#^https?://[^/?\#\s]+#i', $url, $match ) ? $match[0] : '';
}

/**
 * How many confirmed addresses are kept. Administrators may use several hosts, or both schemes.
 */
const HEARTBEATD_MAX_ADDRESSES = 5;

/**
 * Stores the site's address as it is in the request of an administrator, if it is not known. Runs
 * when a page of the admin is loaded: a browser sends the log-in cookie only to the site.
 */
function heartbeatd_confirm_address() {
	if ( ! wp_doing_ajax() && current_user_can( 'manage_options' ) ) {
		heartbeatd_add_address( heartbeatd_url_origin( rest_url() ) );
	}
}

/**
 * Stores the site's address as WP-CLI knows it, unless an administrator has confirmed one. No
 * visitor chooses it.
 */
function heartbeatd_confirm_address_in_cli() {
	if ( ! heartbeatd_confirmed_origins() ) {
		heartbeatd_add_address( heartbeatd_url_origin( rest_url() ) );
	}
}

/**
 * Stores an address of the site, if it is not known. The oldest one is dropped.
 *
 * @param string $origin As 'https://example.org'; may be empty.
 */
function heartbeatd_add_address( $origin ) {
	if ( '' !== $origin && ! in_array( $origin, heartbeatd_known_origins(), true ) ) {
		$origins = array_merge( array( $origin ), heartbeatd_confirmed_origins() );
		update_option( 'heartbeatd_address', array_slice( $origins, 0, HEARTBEATD_MAX_ADDRESSES ), true );
	}
}

/**
 * Returns the confirmed addresses of the site, the newest first.
 *
 * @return string[]
 */
function heartbeatd_confirmed_origins() {
	$confirmed = array_filter( (array) get_option( 'heartbeatd_address' ), 'is_string' );
	return array_values( array_filter( $confirmed, 'strlen' ) );
}

/**
 * Returns the URL of the site that no visitor chooses: that of the option home, or WP_HOME if
 * wp-config.php has its value as a literal. Otherwise WP_HOME may contain the Host header.
 *
 * @return string
 */
function heartbeatd_configured_home() {
	static $is_literal = null;
	$home              = (string) ( wp_load_alloptions()['home'] ?? '' ); // get_option() returns WP_HOME.
	if ( ! defined( 'WP_HOME' ) || untrailingslashit( WP_HOME ) === untrailingslashit( $home ) ) {
		return $home;
	}
	if ( null === $is_literal ) {
		$file       = file_exists( ABSPATH . 'wp-config.php' ) ? ABSPATH . 'wp-config.php' : dirname( ABSPATH ) . '/wp-config.php';
		$code       = is_readable( $file ) ? php_strip_whitespace( $file ) : ''; // Without comments.
		$is_literal = 1 === preg_match( '#\bdefine\s*\(\s*([\'"])WP_HOME\1\s*,\s*([\'"])' . preg_quote( WP_HOME, '#' ) . '\2\s*\)#', $code );
	}
	return $is_literal ? WP_HOME : $home;
}

/**
 * Returns the known addresses of the site: the confirmed ones, or else the configured one.
 *
 * @return string[] As 'https://example.org'.
 */
function heartbeatd_known_origins() {
	$confirmed = heartbeatd_confirmed_origins();
	if ( $confirmed ) {
		return $confirmed;
	}
	$home = heartbeatd_configured_home();
	return array_filter( array( heartbeatd_url_origin( is_ssl() ? set_url_scheme( $home, 'https' ) : $home ) ), 'strlen' );
}

/**
 * Returns the URL at which heartbeatd calls a route of the REST API: at the address of this request
 * if that is a known one. Only one of several may be a --site-origin of heartbeatd.
 *
 * @param string $route The route.
 * @return string Empty if the site's address is not known.
 */
function heartbeatd_call_url( $route ) {
	$url   = rest_url( $route );
	$own   = heartbeatd_url_origin( $url );
	$known = heartbeatd_known_origins();
	if ( ! $known ) {
		return '';
	}
	return ( in_array( $own, $known, true ) ? $own : $known[0] ) . substr( $url, strlen( $own ) );
}

/**
 * Determines whether a key was signed for a call of this site's route, at any of its known
 * addresses. The scheme may differ: a web server in front of WordPress may end TLS.
 *
 * @param mixed  $url   The URL in the key.
 * @param string $route The route.
 * @return bool
 */
function heartbeatd_is_call_url( $url, $route ) {
	$address = static function ( $url ) {
		return preg_replace( '#^https?://#i', '', heartbeatd_url_origin( $url ) );
	};
	return is_string( $url ) && '' !== $address( $url ) && false !== strpos( rawurldecode( $url ), $route )
		&& in_array( $address( $url ), array_map( $address, heartbeatd_known_origins() ), true );
}
