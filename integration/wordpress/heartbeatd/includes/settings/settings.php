<?php
/**
 * Where the settings come from: constants in wp-config.php, else one option.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * The setting's names, with what holds when nobody sets them.
 *
 * @return array<string, string>
 */
function heartbeatd_default_settings() {
	return array(
		'secret' => '',
		'url'    => '/heartbeat',
		'api'    => 'http://127.0.0.1:8081',
		'site'   => 'default',
	);
}

/**
 * One setting. A constant, as HEARTBEATD_SECRET, wins over the settings screen.
 *
 * @param string $name One of heartbeatd_default_settings().
 * @return string
 */
function heartbeatd_setting( $name ) {
	if ( heartbeatd_is_setting_constant( $name ) ) {
		$value = (string) constant( 'HEARTBEATD_' . strtoupper( $name ) );
	} else {
		$stored = heartbeatd_is_network_configured() ? array() : get_option( 'heartbeatd', array() );
		if ( is_array( $stored ) && isset( $stored[ $name ] ) && '' !== $stored[ $name ] ) {
			return (string) $stored[ $name ];
		}
		$value = heartbeatd_default_settings()[ $name ];
	}
	if ( 'site' === $name ) {
		return $value . heartbeatd_site_suffix();
	}
	return 'secret' === $name ? $value : untrailingslashit( $value );
}

/**
 * Whether the settings are a whole network's. Then nobody who manages one of its
 * sites only may change them: with the network's secret they would speak for others.
 *
 * @return bool
 */
function heartbeatd_is_network_configured() {
	return is_multisite() && heartbeatd_is_setting_constant( 'secret' );
}

/**
 * What sets the sites of a network apart, whose posts have the same numbers:
 * heartbeatd takes 'default-3' for the third site of 'default'.
 *
 * @return string
 */
function heartbeatd_site_suffix() {
	return is_multisite() && ! ( is_main_network() && is_main_site() ) ? '-' . get_current_blog_id() : '';
}

/**
 * Whether wp-config.php fixes a setting.
 *
 * @param string $name One of heartbeatd_default_settings().
 * @return bool
 */
function heartbeatd_is_setting_constant( $name ) {
	return defined( 'HEARTBEATD_' . strtoupper( $name ) );
}

/**
 * Without a secret nothing can be signed, and the site stays as it is without the plugin.
 *
 * @return bool
 */
function heartbeatd_is_configured() {
	return '' !== heartbeatd_setting( 'secret' );
}
