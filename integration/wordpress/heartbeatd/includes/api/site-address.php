<?php
/**
 * The address at which heartbeatd calls this site. A site may take its own address from the Host
 * header of the request, which the visitor chooses: tickets and keys have the address that an
 * administrator uses, or that of the option home.
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
 * Stores the site's address as it is in the request of an administrator, if it differs from the
 * known one. Runs when a page of the admin is loaded: a browser sends the log-in cookie only to
 * the site.
 */
function heartbeatd_confirm_address() {
	$origin = wp_doing_ajax() || ! current_user_can( 'manage_options' ) ? '' : heartbeatd_url_origin( rest_url() );
	if ( '' !== $origin && heartbeatd_site_origin() !== $origin ) {
		update_option( 'heartbeatd_address', $origin, true );
	}
}

/**
 * Returns the known address of the site.
 *
 * @return string As 'https://example.org'.
 */
function heartbeatd_site_origin() {
	$confirmed = get_option( 'heartbeatd_address' );
	if ( is_string( $confirmed ) && '' !== $confirmed ) {
		return $confirmed;
	}
	// get_option() returns WP_HOME, which wp-config.php may take from the request.
	$home = (string) ( wp_load_alloptions()['home'] ?? '' );
	return heartbeatd_url_origin( is_ssl() ? set_url_scheme( $home, 'https' ) : $home );
}

/**
 * Returns the URL at which heartbeatd calls a route of the REST API.
 *
 * @param string $route The route.
 * @return string Empty if the site's address is not known.
 */
function heartbeatd_call_url( $route ) {
	$url    = rest_url( $route );
	$origin = heartbeatd_site_origin();
	return '' === $origin ? '' : $origin . substr( $url, strlen( heartbeatd_url_origin( $url ) ) );
}

/**
 * Determines whether a key was signed for a call of this site's route. The scheme may differ: a
 * web server in front of WordPress may end TLS.
 *
 * @param mixed  $url   The URL in the key.
 * @param string $route The route.
 * @return bool
 */
function heartbeatd_is_call_url( $url, $route ) {
	$address = static function ( $url ) {
		return preg_replace( '#^https?://#i', '', heartbeatd_url_origin( $url ) );
	};
	return is_string( $url ) && '' !== $address( $url ) && $address( $url ) === $address( heartbeatd_site_origin() )
		&& false !== strpos( rawurldecode( $url ), $route );
}
