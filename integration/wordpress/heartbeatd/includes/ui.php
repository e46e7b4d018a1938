<?php
/**
 * What the admin shows of presence. Everything is printed by PHP first and kept
 * up to date by small scripts; a page without them is complete.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

require __DIR__ . '/ui-people.php';
require __DIR__ . '/ui-dashboard.php';
require __DIR__ . '/ui-admin-bar.php';
require __DIR__ . '/ui-posts.php';
require __DIR__ . '/ui-users.php';
require __DIR__ . '/ui-editors.php';

/**
 * Hooks it all up, when it is known who provides the Presence API. Beside
 * another provider its own widgets are enough, and only the editors get faces.
 */
function heartbeatd_ui_init() {
	if ( ! is_admin() || '' === heartbeatd_presence_mode() ) {
		return;
	}
	add_action( 'admin_enqueue_scripts', 'heartbeatd_ui_enqueue', 11 );
	add_action( 'post_submitbox_misc_actions', 'heartbeatd_ui_print_classic' );

	if ( 'alone' !== heartbeatd_presence_mode() ) {
		return;
	}
	add_action( 'wp_dashboard_setup', 'heartbeatd_ui_add_widgets' );
	add_action( 'admin_bar_menu', 'heartbeatd_ui_add_to_admin_bar', 20 );

	add_filter( 'manage_posts_columns', 'heartbeatd_ui_posts_columns', 10, 2 );
	add_filter( 'manage_pages_columns', 'heartbeatd_ui_pages_columns' );
	add_action( 'manage_posts_custom_column', 'heartbeatd_ui_print_posts_column', 10, 2 );
	add_action( 'manage_pages_custom_column', 'heartbeatd_ui_print_posts_column', 10, 2 );

	add_filter( 'views_users', 'heartbeatd_ui_users_view' );
	add_filter( 'users_list_table_query_args', 'heartbeatd_ui_users_query' );
	add_filter( 'manage_users_columns', 'heartbeatd_ui_users_columns' );
	add_filter( 'manage_users_custom_column', 'heartbeatd_ui_users_column', 10, 3 );
}

/**
 * Whether the current user sees anything of presence.
 *
 * @return bool
 */
function heartbeatd_ui_may() {
	return current_user_can( 'edit_posts' );
}

/**
 * Loads the scripts that this page has use for.
 */
function heartbeatd_ui_enqueue() {
	$screen = get_current_screen();
	if ( ! heartbeatd_ui_may() || ! $screen ) {
		return;
	}
	$alone   = 'alone' === heartbeatd_presence_mode();
	$room    = heartbeatd_ui_room_of_editor( $screen );
	$state   = $alone && function_exists( 'heartbeatd_screen_state' ) ? heartbeatd_screen_state() : null;
	$scripts = array_keys(
		array_filter(
			array(
				'ui-online'  => $alone,
				'ui-posts'   => $alone && in_array( $screen->base, array( 'dashboard', 'edit' ), true ),
				'ui-editors' => '' !== $room,
				'ui-stale'   => null !== $state,
			)
		)
	);
	if ( ! $scripts ) {
		return;
	}
	heartbeatd_ui_script( 'people', array( 'jquery', 'heartbeat' ) );
	heartbeatd_ui_script( 'faces', array( 'wp-i18n', 'heartbeatd-people' ) );
	foreach ( $scripts as $name ) {
		heartbeatd_ui_script( $name, heartbeatd_ui_dependencies( $name, $screen ) );
	}
	$config = array(
		'me'     => heartbeatd_ui_me( $screen->id ),
		'now'    => (int) ( 1000 * microtime( true ) ),
		'room'   => $room,
		'screen' => $state,
	);
	wp_add_inline_script( 'heartbeatd-people', 'window.heartbeatdUi = ' . wp_json_encode( $config, JSON_HEX_TAG ) . ';', 'before' );
	wp_enqueue_style( 'heartbeatd-people', heartbeatd_asset_url( 'people.css' ), array(), heartbeatd_asset_version( 'people.css' ) );
}

/**
 * Loads one script, with the words it says.
 *
 * @param string   $name         The file's name, without '.js'.
 * @param string[] $dependencies Handles of scripts.
 */
function heartbeatd_ui_script( $name, $dependencies ) {
	wp_enqueue_script( "heartbeatd-$name", heartbeatd_asset_url( "$name.js" ), $dependencies, heartbeatd_asset_version( "$name.js" ), true );
	wp_set_script_translations( "heartbeatd-$name", 'heartbeatd', dirname( HEARTBEATD_PLUGIN_FILE ) . '/languages' );
}

/**
 * What a script needs beside the people and their faces.
 *
 * @param string    $name   The script.
 * @param WP_Screen $screen The page's screen.
 * @return string[]
 */
function heartbeatd_ui_dependencies( $name, $screen ) {
	$needs = array(
		'ui-editors' => $screen->is_block_editor() ? array( 'wp-a11y', 'wp-element', 'wp-plugins', 'wp-edit-post', 'wp-editor' ) : array( 'wp-a11y' ),
		'ui-stale'   => $screen->is_block_editor() ? array( 'wp-data', 'wp-notices' ) : array( 'common', 'wp-a11y' ),
	);
	return array_merge( array( 'heartbeatd-faces' ), $needs[ $name ] ?? array() );
}

/**
 * The room of the post that a page edits, or ''.
 *
 * @param WP_Screen $screen The page's screen.
 * @return string
 */
function heartbeatd_ui_room_of_editor( $screen ) {
	$post = 'post' === $screen->base ? get_post() : null;
	return $post && current_user_can( 'edit_post', $post->ID ) ? heartbeatd_post_room( $post ) : '';
}
