<?php
/**
 * Leaves nothing behind.
 *
 * @package heartbeatd
 */

defined( 'WP_UNINSTALL_PLUGIN' ) || exit;

/**
 * Deletes what the plugin stored for one site.
 */
function heartbeatd_uninstall_site() {
	delete_option( 'heartbeatd' );
	delete_option( 'heartbeatd_learned' );
	delete_option( 'heartbeatd_unrevoked' );
	delete_option( 'heartbeatd_screen_revisions' );
	delete_transient( 'heartbeatd_failures' );
}

if ( is_multisite() ) {
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
