<?php
/**
 * Plugin Name: Presence API stand-in with fragments
 * Description: For tests: versions 0.17 and 0.18 of the Presence API plugin as far as heartbeatd meets them, written from their description. The option stand_in_version selects the version.
 * Version:     0.18.0
 *
 * @package stand-in-fragments
 */

defined( 'ABSPATH' ) || exit;

if ( ! empty( $GLOBALS['wpdb']->presence ) ) {
	return;
}

$GLOBALS['wpdb']->presence = $GLOBALS['wpdb']->prefix . 'presence';

define( 'WP_PRESENCE_DEFAULT_TTL', 150 );

// What 0.18 adds: room versions, session hashes and the functions and hooks for push transports.
define( 'STAND_IN_HAS_TRANSPORT_HOOKS', version_compare( get_option( 'stand_in_version', '0.18' ), '0.18', '>=' ) );

require __DIR__ . '/rows.php';
require __DIR__ . '/functions.php';
require __DIR__ . '/rooms.php';
require __DIR__ . '/locks.php';
require __DIR__ . '/states.php';
require __DIR__ . '/surfaces.php';
require __DIR__ . '/beats.php';
require __DIR__ . '/rest.php';
if ( STAND_IN_HAS_TRANSPORT_HOOKS ) {
	require __DIR__ . '/transport-hooks.php';
}

register_activation_hook( __FILE__, 'stand_in_create_table' );
add_action( 'init', 'stand_in_add_support' );
add_filter( 'map_meta_cap', 'stand_in_map_location', 10, 4 );

// Pages write the first rows.
add_action( 'admin_enqueue_scripts', 'stand_in_on_admin_page' );
add_action( 'wp_enqueue_scripts', 'stand_in_on_front_page' );
add_action( 'wp_login', 'stand_in_on_login', 10, 2 );
add_action( 'wp_logout', 'stand_in_on_logout' );

// Beats.
add_filter( 'heartbeat_received', 'stand_in_answer_beat', 10, 2 );
add_filter( 'wp_refresh_nonces', 'stand_in_refresh_token', 10, 2 );

// Surfaces.
add_action( 'admin_bar_menu', 'stand_in_add_to_admin_bar', 90 );
add_action( 'wp_dashboard_setup', 'stand_in_add_widget' );
add_filter( 'manage_posts_columns', 'stand_in_add_column' );
add_action( 'manage_posts_custom_column', 'stand_in_print_column', 10, 2 );

// Post locks are in the table.
add_filter( 'get_post_metadata', 'stand_in_get_lock', 10, 4 );
add_filter( 'update_post_metadata', 'stand_in_update_lock', 10, 5 );
add_filter( 'add_post_metadata', 'stand_in_add_lock', 10, 4 );
add_filter( 'delete_post_metadata', 'stand_in_delete_lock', 10, 3 );

add_action( 'rest_api_init', 'stand_in_add_routes' );
