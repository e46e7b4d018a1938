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
	$items = heartbeatd_status_report();
	foreach ( $items as $item ) {
		WP_CLI::line( sprintf( '%-11s  %s', $item['level'], trim( $item['text'] . ' ' . $item['help'] ) ) );
	}
	if ( 'critical' === $items[0]['level'] ) {
		WP_CLI::halt( 1 );
	}
}
