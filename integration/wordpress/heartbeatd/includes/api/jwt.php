<?php
/**
 * JSON Web Tokens: the signed form of tickets and of API keys.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * The most bytes a ticket may have: it travels in headers.
 */
const HEARTBEATD_MAX_JWT = 2048;

/**
 * Signs claims as a JWT (HS256) of this site.
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
 * JSON without the escapes that only cost bytes.
 *
 * @param mixed $value The value.
 * @return string|false
 */
function heartbeatd_json_encode( $value ) {
	return wp_json_encode( $value, JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE );
}

/**
 * Base64 as a JWT has it.
 *
 * @param string $bytes The bytes.
 * @return string
 */
function heartbeatd_base64url( $bytes ) {
	// phpcs:ignore WordPress.PHP.DiscouragedPHPFunctions.obfuscation_base64_encode -- A JWT is written so.
	return rtrim( strtr( base64_encode( $bytes ), '+/', '-_' ), '=' );
}

/**
 * Whether a JWT is one of this site's, for one purpose, and of a minute's life at most.
 *
 * @param string $jwt      The JWT.
 * @param string $audience What it must be for.
 * @return bool
 */
function heartbeatd_verify_key( $jwt, $audience ) {
	$parts = explode( '.', $jwt );
	if ( 3 !== count( $parts ) || strlen( $jwt ) > HEARTBEATD_MAX_JWT ) {
		return false;
	}
	$signed = false;
	foreach ( heartbeatd_accepted_secrets() as $secret ) {
		$signature = heartbeatd_base64url( hash_hmac( 'sha256', "$parts[0].$parts[1]", $secret, true ) );
		$signed    = hash_equals( $signature, $parts[2] ) || $signed;
	}
	// phpcs:disable WordPress.PHP.DiscouragedPHPFunctions.obfuscation_base64_decode -- A JWT is written so.
	$header = json_decode( (string) base64_decode( strtr( $parts[0], '-_', '+/' ) ), true );
	$claims = json_decode( (string) base64_decode( strtr( $parts[1], '-_', '+/' ) ), true );
	// phpcs:enable
	if ( ! $signed || 'HS256' !== ( $header['alg'] ?? '' ) || heartbeatd_setting( 'site' ) !== ( $header['kid'] ?? '' ) ) {
		return false;
	}
	$issued  = (int) ( $claims['iat'] ?? 0 );
	$expires = (int) ( $claims['exp'] ?? 0 );
	return array( $audience ) === (array) ( $claims['aud'] ?? '' )
		&& $expires - $issued <= MINUTE_IN_SECONDS && $expires > time() && $issued <= time() + MINUTE_IN_SECONDS;
}

/**
 * The secrets that a key may be signed with: this site's, and while it is being
 * changed the one before.
 *
 * @return string[]
 */
function heartbeatd_accepted_secrets() {
	$old = defined( 'HEARTBEATD_OLD_SECRET' ) ? (string) HEARTBEATD_OLD_SECRET : '';
	return array_filter( array( heartbeatd_setting( 'secret' ), $old ), 'strlen' );
}
