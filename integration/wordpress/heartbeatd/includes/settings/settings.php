<?php
/**
 * The plugin's settings: constants in wp-config.php, otherwise one option.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * Returns the settings' names and default values.
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
 * Returns a setting. A constant, as HEARTBEATD_SECRET, takes precedence over the settings
 * screen.
 *
 * @param string $name A key of heartbeatd_default_settings().
 * @return string
 */
function heartbeatd_setting( $name ) {
	$constant = 'HEARTBEATD_' . strtoupper( $name );
	if ( defined( $constant ) ) {
		$value = (string) constant( $constant );
	} else {
		$stored = heartbeatd_is_network_setting( $name ) ? array() : get_option( 'heartbeatd', array() );
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
 * Returns a URL as it is shown: without a user name and a password.
 *
 * @param string $url The URL.
 * @return string
 */
function heartbeatd_shown_url( $url ) {
	return preg_replace( '#//.*@#s', '//', $url );
}

/**
 * Determines whether constants configure all sites of a network. An administrator of a
 * single site may then not change the settings: with the network's secret they could sign
 * for other sites.
 *
 * @return bool
 */
function heartbeatd_is_network_configured() {
	return is_multisite() && heartbeatd_is_setting_constant( 'secret' );
}

/**
 * Determines whether only constants define a setting. On a network these are, besides all settings
 * of a network that constants configure, the addresses: an administrator of a single site must not
 * make the network's servers or other users' browsers call any address.
 *
 * @param string $name A key of heartbeatd_default_settings().
 * @return bool
 */
function heartbeatd_is_network_setting( $name ) {
	return heartbeatd_is_network_configured() || ( is_multisite() && in_array( $name, array( 'url', 'api' ), true ) );
}

/**
 * Returns the saved value of a setting that has no effect, because only a constant defines the
 * setting on a network and there is none.
 *
 * @param string $name A key of heartbeatd_default_settings().
 * @return string Empty if there is no such value, or it is the default.
 */
function heartbeatd_ignored_setting( $name ) {
	$stored = get_option( 'heartbeatd', array() );
	$value  = is_array( $stored ) && isset( $stored[ $name ] ) ? (string) $stored[ $name ] : '';
	return heartbeatd_is_network_setting( $name ) && ! heartbeatd_is_setting_constant( $name ) && heartbeatd_default_settings()[ $name ] !== $value ? $value : '';
}

/**
 * Returns the suffix that distinguishes the sites of a network, whose posts have the same
 * ids: 'default-3' is the third site of 'default'.
 *
 * @return string
 */
function heartbeatd_site_suffix() {
	return is_multisite() && ! ( is_main_network() && is_main_site() ) ? '-' . get_current_blog_id() : '';
}

/**
 * Determines whether a constant in wp-config.php defines a setting.
 *
 * @param string $name A key of heartbeatd_default_settings().
 * @return bool
 */
function heartbeatd_is_setting_constant( $name ) {
	return defined( 'HEARTBEATD_' . strtoupper( $name ) );
}

/**
 * Determines whether the plugin has a secret. Without one it cannot sign anything, and the
 * site works as it does without the plugin.
 *
 * @return bool
 */
function heartbeatd_is_configured() {
	return '' !== heartbeatd_setting( 'secret' );
}
