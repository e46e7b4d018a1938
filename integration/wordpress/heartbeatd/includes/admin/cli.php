<?php
/**
 * WP-CLI.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * Says whether heartbeatd works for this site. Ends with 1 when it does not.
 *
 * ## EXAMPLES
 *
 *     wp heartbeatd status
 */
function heartbeatd_cli_status() {
	$findings = heartbeatd_status_report();
	foreach ( $findings as $finding ) {
		WP_CLI::line( sprintf( '%-11s  %s', $finding['level'], trim( $finding['text'] . ' ' . $finding['help'] ) ) );
	}
	if ( 'critical' === $findings[0]['level'] ) {
		WP_CLI::halt( 1 );
	}
}
