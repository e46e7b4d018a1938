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
		$name = '' === $item['name'] ? 'ok' : $item['name'];
		WP_CLI::line( sprintf( '%-7s  %-18s  %s', $item['severity'], $name, trim( $item['text'] . ' ' . heartbeatd_item_help( $item ) ) ) );
	}
	if ( 'error' === $items[0]['severity'] ) {
		WP_CLI::halt( 1 );
	}
}
