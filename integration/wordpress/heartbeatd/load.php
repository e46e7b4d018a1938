<?php
/**
 * Lists the plugin's hooks, and loads its files in the order of their dependencies: a function
 * calls those of its own file and of earlier ones. A beat loads no files for pages and REST, and
 * adds no hooks that cannot fire in it. Those of presence on pages are in includes/presence-ui/hooks.php.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

// The plugin's settings, calls to heartbeatd, and heartbeatd's calls of this site.
require __DIR__ . '/includes/settings/settings.php';
require __DIR__ . '/includes/api/site-address.php';
require __DIR__ . '/includes/api/jwt.php';
require __DIR__ . '/includes/api/circuit-breaker.php';
require __DIR__ . '/includes/api/client.php';
require __DIR__ . '/includes/api/serials.php';
require __DIR__ . '/includes/api/revoke.php';
require __DIR__ . '/includes/api/queue.php';
require __DIR__ . '/includes/api/addresses.php';
require __DIR__ . '/includes/api/push.php';

// Presence: who is where.
require __DIR__ . '/includes/presence/labels.php';
require __DIR__ . '/includes/presence/rooms.php';
require __DIR__ . '/includes/presence/recording.php';
require __DIR__ . '/includes/presence/lifetime.php';
require __DIR__ . '/includes/presence/entries.php';
require __DIR__ . '/includes/presence/store.php';
require __DIR__ . '/includes/presence/active-posts.php';
require __DIR__ . '/includes/presence/provider.php';
require __DIR__ . '/includes/presence-beside/detect.php';
require __DIR__ . '/includes/presence/own-handles.php';
require __DIR__ . '/includes/presence/beat.php';

/**
 * Loads what tickets say because of another provider of the Presence API.
 */
function heartbeatd_load_presence_beside_claims() {
	require __DIR__ . '/includes/presence/sync.php';
	require __DIR__ . '/includes/presence-beside/ping.php';
}

// Admin screens that are stale because another user has saved what they show.
require __DIR__ . '/includes/screens/keys.php';
require __DIR__ . '/includes/screens/revisions.php';
require __DIR__ . '/includes/screens/saves.php';

// Which beats PHP must answer.
require __DIR__ . '/includes/beats/identity.php';
require __DIR__ . '/includes/beats/callbacks.php';
require __DIR__ . '/includes/beats/nonces.php';
require __DIR__ . '/includes/beats/paces.php';
require __DIR__ . '/includes/beats/levels.php';

/**
 * Loads what observes foreign callbacks and stores what they do, and adds its hooks. A beat needs it
 * only if it has such callbacks, or was not observed before.
 */
function heartbeatd_load_learning() {
	if ( function_exists( 'heartbeatd_learn_effects' ) ) {
		return;
	}
	require __DIR__ . '/includes/beats/effects.php';
	require __DIR__ . '/includes/beats/class-heartbeatd-cache-recorder.php';
	require __DIR__ . '/includes/beats/learned.php';
	require __DIR__ . '/includes/presence/network-recording.php';
	require __DIR__ . '/includes/beats/network-reads.php';

	// Makes a callback unknown again when an option or metadata that it reads has changed.
	foreach ( array( 'update' => 'updated', 'add' => 'added', 'delete' => 'deleted' ) as $verb => $past ) { // phpcs:ignore WordPress.Arrays.ArrayDeclarationSpacing
		add_action( "{$past}_option", 'heartbeatd_forget_readers' );
		add_action( "{$verb}_site_option", 'heartbeatd_on_network_option_change' );
	}
	foreach ( array( 'setted', 'set', 'deleted' ) as $verb ) {
		add_action( "{$verb}_transient", 'heartbeatd_on_transient_change' );
		add_action( "{$verb}_site_transient", 'heartbeatd_on_network_transient_change' );
	}
	foreach ( array( 'post', 'user', 'term', 'comment' ) as $type ) {
		add_action( "added_{$type}_meta", 'heartbeatd_on_metadata_change', 10, 3 );
		add_action( "updated_{$type}_meta", 'heartbeatd_on_metadata_change', 10, 3 );
		add_action( "deleted_{$type}_meta", 'heartbeatd_on_metadata_change', 10, 3 );
	}
}

require __DIR__ . '/includes/beats/observations.php';
require __DIR__ . '/includes/beats/native.php';
require __DIR__ . '/includes/beats/observer.php';
require __DIR__ . '/includes/beats/scheduled-events.php';

// Post locks.
require __DIR__ . '/includes/locks/lock.php';
require __DIR__ . '/includes/locks/changes.php';
require __DIR__ . '/includes/locks/documents.php';

// Tickets: signed statements of who the user of a page is and what they may do.
require __DIR__ . '/includes/tickets/rooms.php';
require __DIR__ . '/includes/tickets/posts.php';
require __DIR__ . '/includes/tickets/ticket.php';
require __DIR__ . '/includes/tickets/tick.php';
require __DIR__ . '/includes/tickets/revocations.php';

/**
 * One beat in this many is measured.
 */
const HEARTBEATD_BEATS_PER_SAMPLE = 50;

/**
 * Loads what measures beats. Beats that are not measured do not need it.
 */
function heartbeatd_load_samples() {
	require_once __DIR__ . '/includes/beats/samples.php';
}

/**
 * Measures the current beat.
 */
function heartbeatd_sample_beat() {
	heartbeatd_load_samples();
	heartbeatd_measure_beat();
}

add_action( 'plugins_loaded', 'heartbeatd_site_serial', PHP_INT_MIN ); // Before the user's rights are loaded.
add_action( 'set_current_user', 'heartbeatd_user_serial', PHP_INT_MIN ); // Reads the serial with the user's meta, which also has the roles.

// Beats that PHP answers: observes the registered callbacks, and sends a fresh ticket.
add_action( 'wp_ajax_heartbeat', 'heartbeatd_observe_before_beat', 0 );
add_action( 'heartbeat_tick', 'heartbeatd_on_heartbeat_tick', PHP_INT_MAX, 2 );
add_action( 'wp_verify_nonce_failed', 'heartbeatd_on_failed_nonce', 10, 2 );
add_action( 'upgrader_process_complete', 'heartbeatd_reset_observations', 10, 2 );

// Revokes tickets when a plugin or theme is activated, deactivated or updated.
add_action( 'update_option_active_plugins', 'heartbeatd_on_code_change' );
add_action( 'update_option_stylesheet', 'heartbeatd_on_code_change' );
add_action( 'upgrader_process_complete', 'heartbeatd_on_code_change', 10, 2 );

// The owner of the site has chosen how often PHP sees beats because of a callback.
add_action( 'update_option_heartbeatd', 'heartbeatd_on_settings_update', 10, 2 );

// Revokes tickets when a session, password, role, user or post changes.
add_action( 'update_user_meta', 'heartbeatd_on_user_meta_update', 10, 4 );
add_action( 'delete_user_meta', 'heartbeatd_on_user_meta_delete', 10, 3 );
add_action( 'wp_logout', 'heartbeatd_on_logout' );
add_action( 'wp_set_password', 'heartbeatd_on_set_password', 10, 2 );
add_action( 'after_password_reset', 'heartbeatd_revoke_user' );
add_action( 'profile_update', 'heartbeatd_on_profile_update', 10, 2 );
add_action( 'set_user_role', 'heartbeatd_on_set_user_role', 10, 3 );
add_action( 'deleted_user', 'heartbeatd_revoke_user' );
add_action( 'post_updated', 'heartbeatd_on_post_updated', 10, 3 );
add_action( 'update_option_' . $GLOBALS['wpdb']->get_blog_prefix() . 'user_roles', 'heartbeatd_revoke_all' );

// Tells pages that show a post when another user takes or releases its lock.
add_action( 'update_post_meta', 'heartbeatd_on_lock_update', 10, 4 );
add_action( 'added_post_meta', 'heartbeatd_on_lock_added', 10, 4 );
add_action( 'delete_post_meta', 'heartbeatd_on_lock_delete', 10, 3 );

// Stores in a post lock which document holds it, so that only this document releases it.
add_filter( 'heartbeat_received', 'heartbeatd_before_lock_renewal', 9, 2 );

// Tells heartbeatd when the next scheduled event is due.
add_action( 'update_option_cron', 'heartbeatd_on_cron_update', 10, 2 );

// Sends the queued calls to heartbeatd after the response.
add_action( 'shutdown', 'heartbeatd_flush', PHP_INT_MAX );

// Presence: its hooks depend on whether another plugin provides the Presence API, which
// is known when all plugins are loaded.
add_action( 'init', 'heartbeatd_add_presence_support' );
add_action( 'plugins_loaded', 'heartbeatd_add_presence_hooks', PHP_INT_MAX - 1 );

if ( ! heartbeatd_is_beat_request() ) {
	heartbeatd_load_learning();
	heartbeatd_load_pages();
} else {
	if ( is_multisite() || heartbeatd_are_callbacks_known() ) {
		heartbeatd_load_learning();
	}
	if ( 1 === random_int( 1, HEARTBEATD_BEATS_PER_SAMPLE ) ) {
		heartbeatd_sample_beat();
	}
}
if ( is_multisite() ) {
	heartbeatd_add_network_hooks();
}

/**
 * Adds the hooks that only a network has.
 */
function heartbeatd_add_network_hooks() {
	add_action( 'wp_ajax_heartbeat', 'heartbeatd_prime_network_recording', 0 );
	add_action( 'update_site_option_active_sitewide_plugins', 'heartbeatd_on_code_change' );
	add_action( 'granted_super_admin', 'heartbeatd_revoke_user' );
	add_action( 'revoked_super_admin', 'heartbeatd_revoke_user' );
	add_action( 'wpmu_delete_user', 'heartbeatd_revoke_user' );
	add_action( 'remove_user_from_blog', 'heartbeatd_revoke_user' );
}

/**
 * Loads what pages need, and adds its hooks.
 */
function heartbeatd_load_pages() {
	// The plugin's options and translations. A tick has no text of the plugin.
	require __DIR__ . '/includes/translations.php';
	require __DIR__ . '/includes/settings/options.php';
	register_activation_hook( HEARTBEATD_PLUGIN_FILE, 'heartbeatd_add_options' );
	register_activation_hook( HEARTBEATD_PLUGIN_FILE, 'heartbeatd_write_recording_copies_on_activation' );
	register_activation_hook( HEARTBEATD_PLUGIN_FILE, 'heartbeatd_forget_samples' );
	add_action( 'admin_init', 'heartbeatd_add_options' );
	add_action( 'admin_init', 'heartbeatd_confirm_address' );
	add_action( 'admin_init', 'heartbeatd_correct_recording_copy' );
	add_action( 'admin_init', 'heartbeatd_record_link_report' );
	add_action( 'update_option_heartbeatd', 'heartbeatd_forget_link_reports' );
	add_action( 'init', 'heartbeatd_load_translations' );

	// Stores in a post lock which document holds it, releases it, and renews it when heartbeatd calls.
	add_action( 'load-post.php', 'heartbeatd_on_editor_load' );
	add_action( 'load-post-new.php', 'heartbeatd_on_editor_load' );
	add_action( 'wp_ajax_wp-remove-post-lock', 'heartbeatd_before_lock_release', 0 );
	require __DIR__ . '/includes/locks/renewal.php';
	add_action( 'rest_api_init', 'heartbeatd_register_locks_route' );

	// What a page carries: scripts and a ticket.
	require __DIR__ . '/includes/page/ticket.php';
	require __DIR__ . '/includes/page/scripts.php';
	require __DIR__ . '/includes/page/link-reports.php';

	// What a page shows of presence.
	require __DIR__ . '/includes/presence-ui/hooks.php';
	add_action( 'plugins_loaded', 'heartbeatd_add_presence_ui_hooks', PHP_INT_MAX );

	// The page: replaces core's script, and adds the address of heartbeatd and a ticket.
	add_action( 'wp_default_scripts', 'heartbeatd_replace_script', PHP_INT_MAX );
	add_filter( 'heartbeat_settings', 'heartbeatd_add_heartbeat_settings' );
	add_filter( 'post_class', 'heartbeatd_record_list_row', 10, 3 );
	add_filter( 'script_loader_tag', 'heartbeatd_print_ticket', PHP_INT_MAX, 2 );
	add_action( 'admin_print_scripts', 'heartbeatd_dequeue_without_heartbeat', 1 );
	add_action( 'admin_enqueue_scripts', 'heartbeatd_enqueue_presence_script' );
	add_action( 'admin_enqueue_scripts', 'heartbeatd_enqueue_link_report_script' );
	add_action( 'wp_enqueue_scripts', 'heartbeatd_add_front_end_beat' );
	add_action( 'wp_enqueue_scripts', 'heartbeatd_add_front_end_push_transport' );
	heartbeatd_load_admin();
}

/**
 * Loads what an administrator sees of the plugin, and adds its hooks: the settings screen, Site
 * Health and WP-CLI.
 */
function heartbeatd_load_admin() {
	require __DIR__ . '/includes/settings/validation.php';
	require __DIR__ . '/includes/admin/findings.php';
	require __DIR__ . '/includes/admin/route-check.php';
	require __DIR__ . '/includes/admin/report-items.php';
	require __DIR__ . '/includes/admin/front-checks.php';
	require __DIR__ . '/includes/admin/report-callbacks.php';
	require __DIR__ . '/includes/admin/status-report.php';
	require __DIR__ . '/includes/admin/callbacks-table.php';
	heartbeatd_load_samples();
	require __DIR__ . '/includes/admin/savings-plot.php';
	require __DIR__ . '/includes/admin/savings.php';
	require __DIR__ . '/includes/admin/setup.php';
	require __DIR__ . '/includes/admin/settings-screen.php';
	require __DIR__ . '/includes/admin/site-health.php';

	add_action( 'admin_menu', 'heartbeatd_add_settings_screen' );
	add_action( 'admin_init', 'heartbeatd_register_setting' );
	add_action( 'admin_notices', 'heartbeatd_print_setup_notice' );
	add_filter( 'plugin_action_links_' . plugin_basename( HEARTBEATD_PLUGIN_FILE ), 'heartbeatd_add_settings_link' );
	add_filter( 'site_status_tests', 'heartbeatd_add_site_health_test' );
	add_action( 'wp_ajax_health-check-heartbeatd', 'heartbeatd_send_site_health_test' );
	if ( defined( 'WP_CLI' ) && WP_CLI ) {
		require __DIR__ . '/includes/admin/cli.php';
		WP_CLI::add_command( 'heartbeatd status', 'heartbeatd_cli_status' );
		add_action( 'wp_loaded', 'heartbeatd_confirm_address_in_cli' );
	}
}

/**
 * Provides the Presence API, or makes that of another plugin live.
 */
function heartbeatd_add_presence_hooks() {
	if ( ! heartbeatd_is_configured() ) {
		return;
	}
	heartbeatd_detect_presence_provider();
	if ( 'heartbeatd' !== heartbeatd_presence_provider() ) {
		heartbeatd_add_presence_beside_hooks();
		return;
	}
	require __DIR__ . '/includes/presence-api/write.php';
	require __DIR__ . '/includes/presence-api/functions.php';
	require __DIR__ . '/includes/presence-api/newer-functions.php';
	add_action( 'rest_api_init', 'heartbeatd_load_rest_api' );
	add_filter( 'extra_plugin_headers', 'heartbeatd_presence_set_table_name' );

	// Answers the handles of this plugin's scripts. Other callbacks do not see them.
	add_action( 'wp_ajax_heartbeat', 'heartbeatd_take_own_handles', PHP_INT_MIN );
	add_action( 'wp_ajax_nopriv_heartbeat', 'heartbeatd_take_own_handles', PHP_INT_MIN );
	add_filter( 'heartbeat_send', 'heartbeatd_answer_presence', PHP_INT_MAX, 2 );
	add_filter( 'heartbeat_send', 'heartbeatd_answer_screen_ping', PHP_INT_MAX );

	// Writes an entry for a log-in, and removes those of users who log out or lose their role.
	add_action( 'wp_login', 'heartbeatd_presence_on_login', 10, 2 );
	add_action( 'wp_logout', 'heartbeatd_presence_on_logout' );
	add_action( 'set_user_role', 'heartbeatd_presence_on_user_change' );
	add_action( 'remove_user_from_blog', 'heartbeatd_presence_on_user_change', PHP_INT_MAX );
	add_action( 'deleted_user', 'heartbeatd_presence_on_user_change' );
	add_action( 'heartbeatd_called', 'heartbeatd_presence_on_called', 10, 3 );

	// The recording switches. Pages learn of a change with their next tickets.
	add_action( 'added_user_meta', 'heartbeatd_on_user_recording_added', 10, 4 );
	add_action( 'add_option_wp_presence_recording', 'heartbeatd_on_recording_added', 10, 2 );
	add_action( 'update_option_wp_presence_recording', 'heartbeatd_revoke_all' );
	add_action( 'delete_option_wp_presence_recording', 'heartbeatd_revoke_all' );
	if ( is_multisite() ) {
		add_action( 'add_site_option_wp_presence_network_recording', 'heartbeatd_on_recording_added', 10, 2 );
		add_action( 'update_site_option_wp_presence_network_recording', 'heartbeatd_revoke_network' );
		add_action( 'delete_site_option_wp_presence_network_recording', 'heartbeatd_revoke_network' );
	}

	// The Presence API's action for a post's new title or status.
	add_action( 'post_updated', 'heartbeatd_presence_on_post_updated', 10, 3 );

	heartbeatd_add_stale_screen_hooks();
	if ( defined( 'WP_CLI' ) && WP_CLI ) {
		require __DIR__ . '/includes/presence-api/cli.php';
		require __DIR__ . '/includes/presence-api/cli-recording.php';
		require __DIR__ . '/includes/presence-api/cli-network.php';
		heartbeatd_presence_cli_add_commands();
	}
	if ( ! heartbeatd_is_beat_request() ) {
		require __DIR__ . '/includes/presence-api/privacy.php';
		add_filter( 'wp_privacy_personal_data_exporters', 'heartbeatd_add_privacy_exporter' );
		add_filter( 'wp_privacy_personal_data_erasers', 'heartbeatd_add_privacy_eraser' );
	}
}

/**
 * Marks a screen as stale when what it shows is saved.
 */
function heartbeatd_add_stale_screen_hooks() {
	if ( ! heartbeatd_is_beat_request() ) {
		add_action( 'updated_option', 'heartbeatd_on_option_saved' );
		add_action( 'added_option', 'heartbeatd_on_option_saved' );
	}
	add_action( 'post_updated', 'heartbeatd_on_post_saved' );
	add_action( 'profile_update', 'heartbeatd_on_user_saved' );
	add_action( 'edited_term', 'heartbeatd_on_term_saved', 10, 3 );
	add_action( 'edit_comment', 'heartbeatd_on_comment_saved' );
}

/**
 * Tells heartbeatd what changes in the rooms of the Presence API plugin.
 */
function heartbeatd_add_presence_beside_hooks() {
	heartbeatd_load_presence_beside_claims();
	require __DIR__ . '/includes/presence-beside/changes.php';
	require __DIR__ . '/includes/presence-beside/rows.php';
	require __DIR__ . '/includes/presence-beside/locks.php';
	add_action( 'set_presence', 'heartbeatd_on_row_changed', 10, 2 );
	add_action( 'set_presence', 'heartbeatd_on_row_written', 10, 3 );
	add_action( 'removed_presence', 'heartbeatd_on_row_removed', 10, 2 );
	add_action( 'removed_user_presence', 'heartbeatd_on_admin_room_changed' );
	add_action( 'wp_presence_admin_room_changed', 'heartbeatd_on_admin_room_changed' );
	add_action( 'wp_presence_room_changed', 'heartbeatd_on_room_changed' );
	add_action( 'post_updated', 'heartbeatd_on_post_shown_changed', 10, 3 );
	add_action( 'added_user_meta', 'heartbeatd_on_user_recording_added', 10, 4 );
	add_filter( 'wp_presence_recording_enabled', 'heartbeatd_filter_recording', PHP_INT_MAX, 2 );
	if ( heartbeatd_is_push_transport() ) {
		add_action( 'rest_api_init', 'heartbeatd_register_rows_route' );
		add_filter( 'query', 'heartbeatd_on_removal_query' );
	} else {
		add_action( 'rest_api_init', 'heartbeatd_register_sync_route' );
		add_filter( 'rest_pre_dispatch', 'heartbeatd_before_rest_request', 10, 3 );
		if ( ! empty( $GLOBALS['wpdb']->presence ) ) {
			add_filter( 'query', 'heartbeatd_on_query' );
		}
	}

	// Locks that the Presence API plugin has in its table.
	add_filter( 'update_post_metadata', 'heartbeatd_before_lock_change', 1, 3 );
	add_filter( 'delete_post_metadata', 'heartbeatd_before_lock_change', 1, 3 );
	add_filter( 'update_post_metadata', 'heartbeatd_after_lock_change', PHP_INT_MAX, 3 );
	add_filter( 'delete_post_metadata', 'heartbeatd_after_lock_change', PHP_INT_MAX, 3 );
	add_action( 'heartbeatd_lock_changed', 'heartbeatd_on_lock_announced', 10, 2 );
	add_action( 'shutdown', 'heartbeatd_report_changed_rooms', PHP_INT_MAX - 1 );
}

/**
 * Loads the REST routes of the Presence API and that for tickets, and registers them.
 */
function heartbeatd_load_rest_api() {
	require_once __DIR__ . '/includes/presence-api/class-heartbeatd-presence-items.php';
	require_once __DIR__ . '/includes/presence-api/rest-routes.php';
	require_once __DIR__ . '/includes/presence-api/rest-checks.php';
	require_once __DIR__ . '/includes/presence-api/rest-callbacks.php';
	require_once __DIR__ . '/includes/tickets/rest.php';
	heartbeatd_register_rest_routes();
	heartbeatd_register_ticket_route();
}
