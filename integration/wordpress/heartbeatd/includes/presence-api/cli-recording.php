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
 * [--for=<user>]
 * : The choice of one user: their id, login or email address.
 *
 * ## EXAMPLES
 *
 *     wp presence recording get
 *     wp presence recording set off
 *     wp presence recording set off --for=editor
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
	$user = isset( $options['for'] ) ? heartbeatd_presence_cli_find_user( (string) $options['for'] ) : null;
	if ( 'get' === $action ) {
		WP_CLI::line( '0' === heartbeatd_presence_cli_stored_recording( $network, $user ) ? 'off' : 'on' );
		return;
	}
	if ( 'set' !== $action || ! in_array( $value, array( 'on', 'off' ), true ) ) {
		WP_CLI::error( __( 'Use "get", "set on" or "set off".', 'heartbeatd' ) );
	}
	$stored = 'on' === $value ? '1' : '0';
	if ( $user ) {
		update_user_meta( $user->ID, HEARTBEATD_USER_RECORDING_KEY, $stored );
	} elseif ( $network ) {
		update_site_option( HEARTBEATD_NETWORK_RECORDING_OPTION, $stored );
	} else {
		update_option( HEARTBEATD_RECORDING_OPTION, $stored, true );
	}
	/* translators: %s: on or off. */
	WP_CLI::success( sprintf( __( 'Recording is %s.', 'heartbeatd' ), $value ) );
}

/**
 * Returns a user. Exits with an error if there is none.
 *
 * @param string $name The id, login or email address.
 * @return WP_User|null
 */
function heartbeatd_presence_cli_find_user( $name ) {
	$found = array_filter( array( ctype_digit( $name ) ? get_user_by( 'id', $name ) : false, get_user_by( 'login', $name ), get_user_by( 'email', $name ) ) );
	if ( ! $found ) {
		/* translators: %s: what was given as a user. */
		WP_CLI::error( sprintf( __( 'There is no user "%s".', 'heartbeatd' ), $name ) );
	}
	return array_shift( $found );
}

/**
 * Returns what is stored of a switch.
 *
 * @param bool         $network Whether it is the network's.
 * @param WP_User|null $user    The user whose choice it is, if any.
 * @return string '0' if nothing is recorded.
 */
function heartbeatd_presence_cli_stored_recording( $network, $user ) {
	if ( $user ) {
		return (string) get_user_meta( $user->ID, HEARTBEATD_USER_RECORDING_KEY, true );
	}
	return (string) ( $network ? get_site_option( HEARTBEATD_NETWORK_RECORDING_OPTION, '1' ) : get_option( HEARTBEATD_RECORDING_OPTION, '1' ) );
}
