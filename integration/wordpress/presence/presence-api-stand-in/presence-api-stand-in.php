<?php
/**
 * Plugin Name: Presence API stand-in
 * Description: For tests: the table, functions, handlers and a REST route as the Presence API describes them, written from that description.
 * Version:     0.1.0
 *
 * @package presence-api-stand-in
 */

defined( 'ABSPATH' ) || exit;

if ( ! empty( $GLOBALS['wpdb']->presence ) ) {
	return;
}

define( 'WP_PRESENCE_DEFAULT_TTL', 60 );
$GLOBALS['wpdb']->presence = $GLOBALS['wpdb']->prefix . 'presence';

require __DIR__ . '/functions.php';
require __DIR__ . '/handlers.php';

add_action( 'admin_init', 'stand_in_create_table' );
add_action( 'init', 'stand_in_support' );
add_filter( 'heartbeat_received', 'stand_in_ping', 10, 2 );
add_filter( 'heartbeat_received', array( 'Stand_In_Widgets', 'active_posts' ), 10, 2 );
add_filter( 'heartbeat_received', 'stand_in_lock', 11, 2 );
add_action( 'rest_api_init', 'stand_in_routes' );
