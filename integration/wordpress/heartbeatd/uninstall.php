<?php
/**
 * Deletes the options of the plugin when it is uninstalled.
 *
 * @package heartbeatd
 */

defined( 'WP_UNINSTALL_PLUGIN' ) || exit;

require_once __DIR__ . '/includes/settings/options.php';

// If the plugin was deactivated in this request, its hooks are still there, and calls are queued.
// They would store what cannot be sent to heartbeatd.
if ( function_exists( 'heartbeatd_flush' ) ) {
	heartbeatd_flush();
}
remove_action( 'delete_option_wp_presence_recording', 'heartbeatd_revoke_all' );
remove_action( 'delete_site_option_wp_presence_network_recording', 'heartbeatd_revoke_network' );
remove_action( 'delete_site_option', 'heartbeatd_on_network_option_change' );
remove_action( 'delete_user_meta', 'heartbeatd_on_user_meta_delete' );

/**
 * Deletes the options of one site. Those of the Presence API stay if the plugin of that name is
 * installed, active or not: its table has a version then.
 *
 * @return bool Whether it is installed on the site.
 */
function heartbeatd_uninstall_site() {
	$names = array_keys( heartbeatd_default_options() );
	$other = ! empty( $GLOBALS['wpdb']->presence ) || false !== get_option( 'wp_presence_db_version' );
	if ( $other ) {
		$names = array_diff( $names, array( 'wp_presence_recording' ) );
	}
	array_map( 'delete_option', $names );
	delete_option( 'heartbeatd_screen_revisions' );
	delete_option( 'heartbeatd_samples' );
	return $other;
}

if ( is_multisite() ) {
	delete_site_option( 'heartbeatd_network_reads' );
	$heartbeatd_sites = get_sites(
		array(
			'fields' => 'ids',
			'number' => 0,
		)
	);
	$heartbeatd_other = false;
	foreach ( $heartbeatd_sites as $heartbeatd_site ) {
		switch_to_blog( $heartbeatd_site );
		$heartbeatd_other = heartbeatd_uninstall_site() || $heartbeatd_other;
		restore_current_blog();
	}
	if ( ! $heartbeatd_other ) {
		delete_site_option( 'wp_presence_network_recording' );
	}
} else {
	$heartbeatd_other = heartbeatd_uninstall_site();
	delete_option( 'heartbeatd_network_reads' );
}
if ( ! $heartbeatd_other ) {
	delete_metadata( 'user', 0, 'wp_presence_recording', '', true );
}
delete_metadata( 'user', 0, 'heartbeatd_serial', '', true );
