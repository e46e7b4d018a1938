<?php
/**
 * Plugin Name:       heartbeatd
 * Description:       Makes the Heartbeat API real-time: beats travel over WebSocket or long-poll, news arrives at once, and PHP runs only when PHP alone knows the answer.
 * Version:           0.1.0
 * Requires at least: 6.2
 * Requires PHP:      7.4
 * Author:            The heartbeatd contributors
 * License:           MIT
 * License URI:       https://opensource.org/license/mit
 * Text Domain:       heartbeatd
 * Domain Path:       /languages
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

define( 'HEARTBEATD_PLUGIN_VERSION', '0.1.0' );
define( 'HEARTBEATD_PLUGIN_FILE', __FILE__ );

require __DIR__ . '/includes/options.php';
require __DIR__ . '/includes/settings.php';
require __DIR__ . '/includes/rooms.php';
require __DIR__ . '/includes/labels.php';
require __DIR__ . '/includes/learning.php';
require __DIR__ . '/includes/ticket.php';
require __DIR__ . '/includes/script.php';
require __DIR__ . '/includes/beat.php';
require __DIR__ . '/includes/api.php';
require __DIR__ . '/includes/address.php';
require __DIR__ . '/includes/queue.php';
require __DIR__ . '/includes/cron.php';
require __DIR__ . '/includes/revoke.php';
require __DIR__ . '/includes/locks.php';
require __DIR__ . '/includes/lock-documents.php';
require __DIR__ . '/includes/presence.php';
require __DIR__ . '/includes/presence-store.php';
require __DIR__ . '/includes/presence-beat.php';
require __DIR__ . '/includes/presence-posts.php';
require __DIR__ . '/includes/presence-screens.php';
require __DIR__ . '/includes/presence-saves.php';
require __DIR__ . '/includes/presence-rest.php';
require __DIR__ . '/includes/presence-routes.php';
require __DIR__ . '/includes/presence-sync.php';
require __DIR__ . '/includes/report.php';
require __DIR__ . '/includes/settings-screen.php';
require __DIR__ . '/includes/site-health.php';
require __DIR__ . '/includes/ui.php';

register_activation_hook( __FILE__, 'heartbeatd_add_options' );
add_action( 'admin_init', 'heartbeatd_add_options' );

// The page: our script in the place of core's, the address and the ticket beside core's settings.
add_action( 'wp_default_scripts', 'heartbeatd_replace_script', PHP_INT_MAX );
add_filter( 'heartbeat_settings', 'heartbeatd_add_settings' );
add_filter( 'post_class', 'heartbeatd_see_row', 10, 3 );
add_filter( 'script_loader_tag', 'heartbeatd_print_ticket', PHP_INT_MAX, 2 );
add_action( 'admin_print_scripts', 'heartbeatd_dequeue_without_heartbeat', 1 );
add_action( 'admin_enqueue_scripts', 'heartbeatd_enqueue_presence' );
add_action( 'wp_enqueue_scripts', 'heartbeatd_prepare_front_end' );
add_action( 'init', 'heartbeatd_load_translations' );
add_action( 'init', 'heartbeatd_add_presence_support' );

// Who is where: the Presence API, or what keeps somebody else's live.
add_action( 'plugins_loaded', 'heartbeatd_presence_init', PHP_INT_MAX - 1 );
add_action( 'plugins_loaded', 'heartbeatd_ui_init', PHP_INT_MAX );

// The beats that PHP answers: look at what is hooked, and send a fresh ticket.
add_action( 'wp_ajax_heartbeat', 'heartbeatd_look_before_beat', 0 );
add_action( 'heartbeat_tick', 'heartbeatd_send_ticket', PHP_INT_MAX, 2 );
add_action( 'wp_verify_nonce_failed', 'heartbeatd_on_failed_nonce', 10, 2 );
add_action( 'upgrader_process_complete', 'heartbeatd_forget_learned' );

// Whoever loses a log-in, a password, a role or a post loses the tickets that speak of it.
add_action( 'update_user_meta', 'heartbeatd_on_user_meta_update', 10, 4 );
add_action( 'delete_user_meta', 'heartbeatd_on_user_meta_delete', 10, 3 );
add_action( 'wp_logout', 'heartbeatd_on_logout' );
add_action( 'wp_set_password', 'heartbeatd_on_password', 10, 2 );
add_action( 'after_password_reset', 'heartbeatd_revoke_user' );
add_action( 'profile_update', 'heartbeatd_on_profile_update', 10, 2 );
add_action( 'set_user_role', 'heartbeatd_on_role', 10, 3 );
add_action( 'granted_super_admin', 'heartbeatd_revoke_user' );
add_action( 'revoked_super_admin', 'heartbeatd_revoke_user' );
add_action( 'deleted_user', 'heartbeatd_revoke_user' );
add_action( 'wpmu_delete_user', 'heartbeatd_revoke_user' );
add_action( 'remove_user_from_blog', 'heartbeatd_revoke_user' );
add_action( 'post_updated', 'heartbeatd_revoke_post', 10, 3 );
add_action( 'update_option_' . $GLOBALS['wpdb']->get_blog_prefix() . 'user_roles', 'heartbeatd_revoke_everybody' );

// A post lock that changes hands wakes whoever has the post, or a list with it, open.
add_action( 'update_post_meta', 'heartbeatd_on_lock_update', 10, 4 );
add_action( 'added_post_meta', 'heartbeatd_on_lock_added', 10, 4 );
add_action( 'delete_post_meta', 'heartbeatd_on_lock_delete', 10, 3 );

// A post lock names the document that holds it, so that this one alone can release it.
add_action( 'load-post.php', 'heartbeatd_on_editor_load' );
add_action( 'load-post-new.php', 'heartbeatd_on_editor_load' );
add_filter( 'heartbeat_received', 'heartbeatd_before_lock_renewal', 9, 2 );
add_action( 'wp_ajax_wp-remove-post-lock', 'heartbeatd_before_lock_release', 0 );

// Events that are due need a request.
add_action( 'update_option_cron', 'heartbeatd_on_cron_update', 10, 2 );

// Calls to heartbeatd go out when everything else is done and the visitor has the page.
add_action( 'shutdown', 'heartbeatd_flush', PHP_INT_MAX );

// What people see of it.
add_action( 'admin_menu', 'heartbeatd_add_settings_screen' );
add_action( 'admin_init', 'heartbeatd_register_setting' );
add_filter( 'plugin_action_links_' . plugin_basename( __FILE__ ), 'heartbeatd_add_settings_link' );
add_filter( 'site_status_tests', 'heartbeatd_add_site_health_test' );

if ( defined( 'WP_CLI' ) && WP_CLI ) {
	require __DIR__ . '/includes/cli.php';
	WP_CLI::add_command( 'heartbeatd status', 'heartbeatd_cli_status' );
}
