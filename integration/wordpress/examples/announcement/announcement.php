<?php
/**
 * Plugin Name: Announcement
 * Description: Shows an announcement on every open page of the admin: do_action( 'announce', 'Lunch!' ). An example for heartbeatd.
 * Requires PHP: 7.4
 * License: MIT
 */

add_action( 'announce', function ( $text ) {
	$last = array( 'id' => wp_generate_uuid4(), 'text' => $text );
	update_option( 'announcement', $last, false ); // A push is not stored.
	if ( function_exists( 'heartbeatd_push' ) ) {
		heartbeatd_push( 'all', array( 'announcement' => $last ) );
	}
} );

// A page that may have missed a push asks with one beat.
function announcement_received( $response, $data ) {
	if ( isset( $data['announcement'] ) ) {
		$response['announcement'] = get_option( 'announcement' );
	}
	return $response;
}
add_filter( 'heartbeat_received', 'announcement_received', 10, 2 );
add_filter( 'heartbeatd_known_callbacks', function ( $known ) {
	$known['heartbeat_received'][] = 'announcement_received';
	return $known;
} );

add_action( 'admin_enqueue_scripts', function () {
	wp_enqueue_script( 'announcement', plugins_url( 'announcement.js', __FILE__ ), array( 'jquery', 'heartbeat', 'wp-hooks' ), '1', true );
} );
