<?php
/**
 * JSON Web Tokens, the signed form of tickets and API keys.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * The most bytes of a token: tickets travel in headers.
 */
const HEARTBEATD_MAX_JWT = 2048;

/**
 * Signs claims as a token of this site (HS256).
 *
 * @param array $claims The claims.
 * @return string
 */
function heartbeatd_sign_jwt( $claims ) {
	$header = array(
		'alg' => 'HS256',
		'typ' => 'JWT',
		'kid' => heartbeatd_setting( 'site' ),
	);
	$signed = heartbeatd_base64url( heartbeatd_json_encode( $header ) ) . '.' . heartbeatd_base64url( heartbeatd_json_encode( $claims ) );
	return $signed . '.' . heartbeatd_base64url( hash_hmac( 'sha256', $signed, heartbeatd_setting( 'secret' ), true ) );
}

/**
 * Encodes a value as JSON without optional escapes, which only cost bytes.
 *
 * @param mixed $value The value.
 * @return string|false
 */
function heartbeatd_json_encode( $value ) {
	return wp_json_encode( $value, JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE );
}

/**
 * Encodes bytes as base64url without padding.
 *
 * @param string $bytes The bytes.
 * @return string
 */
function heartbeatd_base64url( $bytes ) {
	// phpcs:ignore WordPress.PHP.DiscouragedPHPFunctions.obfuscation_base64_encode -- Part of the JWT format.
	return rtrim( strtr( base64_encode( $bytes ), '+/', '-_' ), '=' );
}

/**
 * Determines whether a token is a valid key of a call: signed for this site, for the given
 * audience, with a lifetime of at most a minute. A key that names the URL to which it is sent, as
 * heartbeatd's do, is valid for the route at the address of this site only.
 *
 * @param string $jwt      The token.
 * @param string $audience The required audience.
 * @param string $route    The route that is called.
 * @return bool
 */
function heartbeatd_verify_key( $jwt, $audience, $route ) {
	$parts = explode( '.', $jwt );
	if ( 3 !== count( $parts ) || strlen( $jwt ) > HEARTBEATD_MAX_JWT ) {
		return false;
	}
	$signed = false;
	foreach ( heartbeatd_accepted_secrets() as $secret ) {
		$signature = heartbeatd_base64url( hash_hmac( 'sha256', "$parts[0].$parts[1]", $secret, true ) );
		$signed    = hash_equals( $signature, $parts[2] ) || $signed;
	}
	// phpcs:disable WordPress.PHP.DiscouragedPHPFunctions.obfuscation_base64_decode -- Part of the JWT format.
	$header = json_decode( (string) base64_decode( strtr( $parts[0], '-_', '+/' ) ), true );
	$claims = json_decode( (string) base64_decode( strtr( $parts[1], '-_', '+/' ) ), true );
	// phpcs:enable
	if ( ! $signed || 'HS256' !== ( $header['alg'] ?? '' ) || heartbeatd_setting( 'site' ) !== ( $header['kid'] ?? '' ) ) {
		return false;
	}
	$issued  = (int) ( $claims['iat'] ?? 0 );
	$expires = (int) ( $claims['exp'] ?? 0 );
	return array( $audience ) === (array) ( $claims['aud'] ?? '' ) && ( ! isset( $claims['url'] ) || heartbeatd_is_call_url( $claims['url'], $route ) )
		&& $expires - $issued <= MINUTE_IN_SECONDS && $expires > time() && $issued <= time() + MINUTE_IN_SECONDS;
}

/**
 * Returns the secrets that a key may be signed with: the current one, and the old one while
 * it is being replaced.
 *
 * @return string[]
 */
function heartbeatd_accepted_secrets() {
	$old = defined( 'HEARTBEATD_OLD_SECRET' ) ? (string) HEARTBEATD_OLD_SECRET : '';
	return array_filter( array( heartbeatd_setting( 'secret' ), $old ), 'strlen' );
}

/**
 * Determines whether the caller of a REST route knows this site's secret.
 *
 * @param WP_REST_Request $request The call.
 * @return true|WP_Error
 */
function heartbeatd_check_call( $request ) {
	$key = (string) $request->get_header( 'authorization' );
	if ( 0 === strpos( $key, 'Bearer ' ) && heartbeatd_verify_key( substr( $key, 7 ), 'site', $request->get_route() ) ) {
		return true;
	}
	return new WP_Error( 'rest_forbidden', __( 'The key is refused.', 'heartbeatd' ), array( 'status' => 401 ) );
}
