<?php
/**
 * The WP-CLI command wp presence network.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * The most sites that the command lists.
 */
const HEARTBEATD_MAX_SITES_LISTED = 1000;

/**
 * Counts the users and the entries on each site of the network, of those sites that have any.
 *
 * ## OPTIONS
 *
 * [--format=<format>]
 * : table, json, csv or count.
 * ---
 * default: table
 * ---
 *
 * ## EXAMPLES
 *
 *     wp presence network --format=json
 *
 * @param string[] $args    Unused.
 * @param string[] $options The options.
 */
function heartbeatd_presence_cli_network( $args, $options ) {
	unset( $args );
	if ( ! is_multisite() ) {
		WP_CLI::error( __( 'This site is not part of a network.', 'heartbeatd' ) );
	}
	$sites = get_sites(
		array(
			'network_id' => get_current_network_id(),
			'number'     => HEARTBEATD_MAX_SITES_LISTED,
		)
	);
	$items = array();
	foreach ( $sites as $site ) {
		switch_to_blog( (int) $site->blog_id );
		$entries = heartbeatd_presence_cli_read( array() );
		if ( $entries ) {
			$items[] = array(
				'blog_id' => (int) $site->blog_id,
				'url'     => home_url( '/' ),
				'users'   => count( array_unique( array_filter( array_column( $entries, 'user_id' ) ) ) ),
				'entries' => count( $entries ),
			);
		}
		restore_current_blog();
	}
	WP_CLI\Utils\format_items( $options['format'] ?? 'table', $items, array( 'blog_id', 'url', 'users', 'entries' ) );
}
