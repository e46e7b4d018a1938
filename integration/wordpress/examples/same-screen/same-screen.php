<?php
/**
 * Plugin Name: Same screen
 * Description: Says at the top of a screen of the admin who else has it open. An example for heartbeatd.
 * Requires PHP: 7.4
 * License: MIT
 */

add_action( 'admin_enqueue_scripts', function () {
	if ( current_user_can( 'edit_posts' ) ) {
		wp_enqueue_script( 'same-screen', plugins_url( 'same-screen.js', __FILE__ ), array( 'jquery', 'heartbeat', 'wp-hooks' ), '1', true );
	}
} );
