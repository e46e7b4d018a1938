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
	if ( ! $others ) {
		require __DIR__ . '/presence-functions.php';
	}
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
