<?php
/**
 * The option that the settings screen saves: its registration and validation.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * Registers the option.
 */
function heartbeatd_register_setting() {
	register_setting(
		'heartbeatd',
		'heartbeatd',
		array(
			'type'              => 'array',
			'sanitize_callback' => 'heartbeatd_sanitize_settings',
			'show_in_rest'      => false,
		)
	);
}

/**
 * Validates the values that the settings screen sends, and reports those it rejects.
 *
 * @param mixed $given The values that were sent.
 * @return array<string, string>
 */
function heartbeatd_sanitize_settings( $given ) {
	$stored = get_option( 'heartbeatd', array() );
	$stored = is_array( $stored ) ? array_intersect_key( $stored, heartbeatd_default_settings() + array( 'paces' => true ) ) : array();
	if ( ! is_array( $given ) ) {
		return $stored;
	}
	if ( isset( $given['paces'] ) && is_array( $given['paces'] ) ) {
		$stored['paces'] = heartbeatd_sanitize_paces( $given['paces'], $stored['paces'] ?? array() );
	}
	// The screen never shows the secret, so an empty field does not change it. The line of /etc/heartbeatd.secret is taken, too.
	$secret = is_string( $given['secret'] ?? null ) ? trim( preg_replace( '/^HEARTBEATD_SITE_SECRET=/', '', trim( $given['secret'] ) ) ) : '';
	if ( ! empty( $given['forget_secret'] ) ) {
		unset( $stored['secret'] );
	} elseif ( '' !== $secret ) {
		$stored['secret'] = $secret;
	}
	$valid = array(
		'url'  => '#^(/[\w./-]*|https?://[^\s?\#]+)$#',
		'api'  => '#^https?://[^\s?\#]+$#',
		'site' => '#^[\w.-]{1,64}$#',
	);
	foreach ( $valid as $name => $pattern ) {
		$value = isset( $given[ $name ] ) && is_string( $given[ $name ] ) ? untrailingslashit( trim( $given[ $name ] ) ) : '';
		if ( '' === $value ) {
			unset( $stored[ $name ] );
		} elseif ( preg_match( $pattern, $value ) ) {
			$stored[ $name ] = $value;
		} else {
			/* translators: %s: the value that was entered. */
			add_settings_error( 'heartbeatd', $name, sprintf( __( '“%s” is not a valid value for this setting.', 'heartbeatd' ), esc_html( mb_substr( $value, 0, 200 ) ) ) ); // Core prints it as HTML.
		}
	}
	return $stored;
}

/**
 * Validates the choices for callbacks. Those for callbacks that the screen does not show stay.
 *
 * @param array<string, mixed> $given  The choices that were sent.
 * @param array<string, int>   $stored The choices that are stored.
 * @return array<string, int>
 */
function heartbeatd_sanitize_paces( $given, $stored ) {
	foreach ( $given as $key => $pace ) {
		if ( ! preg_match( '/^[0-9a-f]{12}$/D', $key ) || ! is_numeric( $pace ) || ! in_array( (int) $pace, HEARTBEATD_PACES, true ) ) {
			continue;
		}
		unset( $stored[ $key ] );
		if ( HEARTBEATD_PACE_ALL_BEATS !== (int) $pace ) {
			$stored[ $key ] = (int) $pace; // The last one: the oldest choices are dropped.
		}
	}
	return array_slice( $stored, -HEARTBEATD_MAX_CHOSEN_PACES, null, true );
}
