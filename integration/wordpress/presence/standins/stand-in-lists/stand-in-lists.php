<?php
/**
 * Plugin Name: Presence API stand-in with lists
 * Description: For tests: versions 0.1.14 and 0.15 of the Presence API plugin as far as heartbeatd meets them, written from their description. The option stand_in_version selects the version.
 * Version:     0.15.0
 *
 * @package stand-in-lists
 */

defined( 'ABSPATH' ) || exit;

if ( ! empty( $GLOBALS['wpdb']->presence ) ) {
	return;
}

define( 'WP_PRESENCE_DEFAULT_TTL', 60 );
define( 'STAND_IN_HAS_ACTIONS', version_compare( get_option( 'stand_in_version', '0.1.14' ), '0.15', '>=' ) );
$GLOBALS['wpdb']->presence = $GLOBALS['wpdb']->prefix . 'presence';

require __DIR__ . '/functions.php';
require __DIR__ . '/handlers.php';
require __DIR__ . '/surfaces.php';

add_action( 'admin_init', 'stand_in_create_table' );
add_action( 'init', 'stand_in_support' );
add_filter( 'heartbeat_received', 'stand_in_ping', 10, 2 );
add_filter( 'heartbeat_received', array( 'Stand_In_Widgets', 'active_posts' ), 10, 2 );
add_filter( 'heartbeat_received', 'stand_in_lock', 11, 2 );
add_action( 'rest_api_init', 'stand_in_routes' );
add_action( 'admin_enqueue_scripts', 'stand_in_add_script' );
add_action( 'admin_bar_menu', 'stand_in_add_to_admin_bar', 90 );
add_action( 'wp_dashboard_setup', 'stand_in_add_widget' );
