<?php
/**
 * Adds the hooks of what pages show of presence, and loads its files.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * Loads what both the admin and the site's front end need to show presence.
 */
function heartbeatd_load_presence_ui() {
	require_once __DIR__ . '/people.php';
	require_once __DIR__ . '/admin-bar.php';
	require_once __DIR__ . '/scripts.php';
}

/**
 * Shows presence on a page of the site's front end, if it has the admin bar and the user may see
 * presence.
 */
function heartbeatd_load_front_end() {
	if ( ! current_user_can( 'edit_posts' ) ) {
		return;
	}
	heartbeatd_load_presence_ui();
	require_once __DIR__ . '/front-end.php';
	heartbeatd_front_add_hooks();
}

/**
 * Shows presence. Another provider of the Presence API has its own widgets and columns: beside
 * it, only the editors show who else is there, and users choose whether they are recorded.
 */
function heartbeatd_add_presence_ui_hooks() {
	$provider = heartbeatd_presence_provider();
	if ( '' === $provider ) {
		return;
	}
	if ( ! is_admin() ) {
		if ( 'heartbeatd' === $provider ) {
			add_action( 'admin_bar_init', 'heartbeatd_load_front_end' );
		}
		return;
	}
	heartbeatd_load_presence_ui();
	require __DIR__ . '/editors.php';
	require __DIR__ . '/profile.php';
	add_action( 'admin_enqueue_scripts', 'heartbeatd_ui_enqueue_scripts', 11 );
	add_action( 'post_submitbox_misc_actions', 'heartbeatd_ui_print_classic_editor' );
	add_action( 'personal_options', 'heartbeatd_ui_print_recording_choice' );
	add_action( 'personal_options_update', 'heartbeatd_ui_save_recording_choice' );
	add_action( 'edit_user_profile_update', 'heartbeatd_ui_save_recording_choice' );

	if ( 'heartbeatd' !== $provider ) {
		return;
	}
	require __DIR__ . '/dashboard.php';
	require __DIR__ . '/posts-list.php';
	require __DIR__ . '/users-list.php';
	add_action( 'wp_dashboard_setup', 'heartbeatd_ui_add_widgets' );
	add_action( 'admin_bar_menu', 'heartbeatd_ui_add_to_admin_bar', 20 );

	add_filter( 'manage_posts_columns', 'heartbeatd_ui_add_posts_column', 10, 2 );
	add_filter( 'manage_pages_columns', 'heartbeatd_ui_add_pages_column' );
	add_action( 'manage_posts_custom_column', 'heartbeatd_ui_print_posts_column', 10, 2 );
	add_action( 'manage_pages_custom_column', 'heartbeatd_ui_print_posts_column', 10, 2 );

	add_filter( 'views_users', 'heartbeatd_ui_add_users_view' );
	add_filter( 'users_list_table_query_args', 'heartbeatd_ui_filter_users_query' );
	add_filter( 'manage_users_columns', 'heartbeatd_ui_add_users_column' );
	add_filter( 'manage_users_custom_column', 'heartbeatd_ui_filter_users_column', 10, 3 );
}
