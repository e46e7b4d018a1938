<?php
/**
 * Presence: who is where. Entries live in heartbeatd, never in the database.
 *
 * Alone, this plugin provides the Presence API: its functions, REST routes,
 * commands and the answers to its handles. Beside the Presence API plugin, or a
 * WordPress that has one day taken it in, it leaves all of that alone and keeps
 * their table and the live rooms in step.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * The Presence API's public functions.
 */
const HEARTBEATD_PRESENCE_FUNCTIONS = array(
	'wp_get_presence',
	'wp_set_presence',
	'wp_remove_presence',
	'wp_remove_user_presence',
	'wp_can_access_presence_room',
	'wp_presence_post_room',
	'wp_presence_admin_room',
);

/**
 * Decides, when every plugin has had its say, who provides the Presence API.
 */
function heartbeatd_presence_init() {
	if ( ! heartbeatd_is_configured() ) {
		return;
	}
	$others = ! empty( $GLOBALS['wpdb']->presence ) || array_filter( HEARTBEATD_PRESENCE_FUNCTIONS, 'function_exists' );
	heartbeatd_presence_mode( $others ? 'beside' : 'alone' );
	if ( $others ) {
		add_action( 'rest_api_init', 'heartbeatd_register_sync_route' );
		return;
	}
	require __DIR__ . '/presence-functions.php';
	add_filter( 'extra_plugin_headers', 'heartbeatd_presence_make_way' );

	// The answers to a beat's handles, after core's own have written the lock.
	add_filter( 'heartbeat_received', 'heartbeatd_presence_received', 20, 3 );
	add_filter( 'heartbeat_received', 'heartbeatd_screens_received', 20, 2 );
	add_action( 'rest_api_init', 'heartbeatd_register_presence_routes' );

	// Who may no longer be seen, leaves.
	add_action( 'wp_logout', 'heartbeatd_presence_on_logout' );
	add_action( 'set_user_role', 'heartbeatd_presence_on_rights' );
	add_action( 'remove_user_from_blog', 'heartbeatd_presence_on_rights', PHP_INT_MAX );
	add_action( 'deleted_user', 'heartbeatd_presence_on_rights' );

	// Screens that are saved are stale wherever else they are open.
	add_action( 'updated_option', 'heartbeatd_screen_option_saved' );
	add_action( 'added_option', 'heartbeatd_screen_option_saved' );
	add_action( 'post_updated', 'heartbeatd_screen_post_saved' );
	add_action( 'profile_update', 'heartbeatd_screen_user_saved' );
	add_action( 'edited_term', 'heartbeatd_screen_term_saved', 10, 3 );
	add_action( 'edit_comment', 'heartbeatd_screen_comment_saved' );

	if ( defined( 'WP_CLI' ) && WP_CLI ) {
		require __DIR__ . '/presence-cli.php';
		WP_CLI::add_command( 'presence list', 'heartbeatd_presence_cli_list' );
		WP_CLI::add_command( 'presence summary', 'heartbeatd_presence_cli_summary' );
		WP_CLI::add_command( 'presence set', 'heartbeatd_presence_cli_set' );
		WP_CLI::add_command( 'presence cleanup', 'heartbeatd_presence_cli_cleanup' );
	}
}

/**
 * Lets the Presence API plugin be switched on. WordPress reads a plugin's
 * headers before it loads it for the first time, in a request in which the
 * functions are there already: a table's name makes that plugin stand aside, and
 * from the next request on they are its own.
 *
 * @param string[] $headers Headers that plugins may have.
 * @return string[]
 */
function heartbeatd_presence_make_way( $headers ) {
	global $wpdb;
	if ( empty( $wpdb->presence ) ) {
		$wpdb->presence = $wpdb->prefix . 'presence';
	}
	return $headers;
}

/**
 * Who provides the Presence API: this plugin ('alone'), somebody else
 * ('beside'), or nobody ('') as long as there is no secret.
 *
 * @param string|null $mode Sets it.
 * @return string
 */
function heartbeatd_presence_mode( $mode = null ) {
	static $is = '';
	if ( null !== $mode ) {
		$is = $mode;
	}
	return $is;
}

/**
 * Somebody logs out. Pages without a link cannot say so themselves; as long as
 * there is another log-in, any of them may be that one's.
 *
 * @param int $user_id The user.
 */
function heartbeatd_presence_on_logout( $user_id ) {
	if ( ! WP_Session_Tokens::get_instance( $user_id )->get_all() ) {
		heartbeatd_enqueue( '/presence?user_id=' . (int) $user_id, array() );
	}
}

/**
 * Somebody's rights have changed, or they are gone.
 *
 * @param int $user_id The user.
 */
function heartbeatd_presence_on_rights( $user_id ) {
	if ( 'remove_user_from_blog' === current_action() || ! user_can( $user_id, 'edit_posts' ) ) {
		heartbeatd_enqueue( '/presence?user_id=' . (int) $user_id, array() );
	}
}
