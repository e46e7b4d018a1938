<?php
/**
 * The options that every kind of request reads. They all exist and are autoloaded, so
 * reading one costs no query: a missing option costs one with every request.
 *
 * The options heartbeatd_screen_revisions and heartbeatd_samples are not among them: they are larger. Only
 * screens that can be saved read the first, and one beat in 50 and the settings screen the second.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * Returns the options' names and default values.
 *
 * @return array<string, mixed>
 */
function heartbeatd_default_options() {
	$options = array(
		'heartbeatd'                => array(),
		'heartbeatd_address'        => array(),
		'heartbeatd_learned'        => array(),
		'heartbeatd_failures'       => array(),
		'heartbeatd_link_reports'   => array(),
		'heartbeatd_unrevoked'      => 0,
		'heartbeatd_serial'         => sprintf( '%.0f', 1000 * microtime( true ) ), // After those of an earlier installation.
		'heartbeatd_presence_table' => array(),
		'heartbeatd_screens'        => array(),
		'wp_presence_recording'     => '1', // The Presence API's own name.
	);
	if ( is_multisite() ) {
		$options['heartbeatd_network_recording'] = array();
	}
	return $options;
}

/**
 * Adds the options that are missing: when the plugin is activated, and, for the sites of a
 * network, with the first request of the admin. The Presence API plugin adds its own option
 * itself.
 */
function heartbeatd_add_options() {
	$options = heartbeatd_default_options();
	if ( ! empty( $GLOBALS['wpdb']->presence ) ) {
		unset( $options['wp_presence_recording'] );
	}
	foreach ( array_diff_key( $options, wp_load_alloptions() ) as $name => $value ) {
		if ( HEARTBEATD_SERIAL_OPTION === $name ) {
			heartbeatd_add_site_serial( $value );
		} else {
			add_option( $name, $value, '', true );
		}
	}
}
