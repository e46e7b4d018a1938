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
 * Finds out who provides the Presence API.
 */
function heartbeatd_detect_presence_provider() {
	$others = ! empty( $GLOBALS['wpdb']->presence ) || array_filter( HEARTBEATD_PRESENCE_FUNCTIONS, 'function_exists' );
	heartbeatd_presence_provider( $others ? 'beside' : 'alone' );
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
function heartbeatd_presence_set_table_name( $headers ) {
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
function heartbeatd_presence_provider( $mode = null ) {
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
		heartbeatd_enqueue_call( '/presence?user_id=' . (int) $user_id, array() );
	}
}

/**
 * Somebody's rights have changed, or they are gone.
 *
 * @param int $user_id The user.
 */
function heartbeatd_presence_on_user_change( $user_id ) {
	if ( 'remove_user_from_blog' === current_action() || ! user_can( $user_id, 'edit_posts' ) ) {
		heartbeatd_enqueue_call( '/presence?user_id=' . (int) $user_id, array() );
	}
}
