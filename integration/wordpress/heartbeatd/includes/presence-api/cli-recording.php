<?php
/**
 * The WP-CLI command wp presence recording.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * Reads or sets the recording switch.
 *
 * ## OPTIONS
 *
 * <action>
 * : get or set.
 *
 * [<value>]
 * : on or off, for set.
 *
 * [--network]
 * : The switch of the network, instead of the site's.
 *
 * ## EXAMPLES
 *
 *     wp presence recording get
 *     wp presence recording set off
 *
 * @param string[] $args    The action, and the value.
 * @param string[] $options The options.
 */
function heartbeatd_presence_cli_recording( $args, $options ) {
	$network = ! empty( $options['network'] );
	$action  = $args[0] ?? '';
	$value   = $args[1] ?? '';
	if ( $network && ! is_multisite() ) {
		WP_CLI::error( __( 'This site is not part of a network.', 'heartbeatd' ) );
	}
	if ( 'get' === $action ) {
		$stored = $network ? get_site_option( HEARTBEATD_NETWORK_RECORDING_OPTION, '1' ) : get_option( HEARTBEATD_RECORDING_OPTION, '1' );
		WP_CLI::line( '0' === (string) $stored ? 'off' : 'on' );
		return;
	}
	if ( 'set' !== $action || ! in_array( $value, array( 'on', 'off' ), true ) ) {
		WP_CLI::error( __( 'Use "get", "set on" or "set off".', 'heartbeatd' ) );
	}
	$stored = 'on' === $value ? '1' : '0';
	if ( $network ) {
		update_site_option( HEARTBEATD_NETWORK_RECORDING_OPTION, $stored );
	} else {
		update_option( HEARTBEATD_RECORDING_OPTION, $stored, true );
	}
	/* translators: %s: on or off. */
	WP_CLI::success( sprintf( __( 'Recording is %s.', 'heartbeatd' ), $value ) );
}
