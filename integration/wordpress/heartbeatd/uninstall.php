<?php
/**
 * Deletes the options of the plugin when it is uninstalled.
 *
 * @package heartbeatd
 */

defined( 'WP_UNINSTALL_PLUGIN' ) || exit;

require_once __DIR__ . '/includes/settings/options.php';

/**
 * Deletes the options of one site.
 */
function heartbeatd_uninstall_site() {
	$names = array_keys( heartbeatd_default_options() );
	if ( ! empty( $GLOBALS['wpdb']->presence ) ) {
		$names = array_diff( $names, array( 'wp_presence_recording' ) ); // The Presence API plugin uses it.
	}
	array_map( 'delete_option', $names );
	delete_option( 'heartbeatd_screen_revisions' );
}

if ( is_multisite() ) {
	delete_site_option( 'heartbeatd_network_reads' );
	$heartbeatd_sites = get_sites(
		array(
			'fields' => 'ids',
			'number' => 0,
		)
	);
	foreach ( $heartbeatd_sites as $heartbeatd_site ) {
		switch_to_blog( $heartbeatd_site );
		heartbeatd_uninstall_site();
		restore_current_blog();
	}
} else {
	heartbeatd_uninstall_site();
}
