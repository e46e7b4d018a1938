<?php
/**
 * The WP-CLI command wp heartbeatd.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * Reports whether heartbeatd works for this site. Exits with 1 if it does not.
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
