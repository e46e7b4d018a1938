<?php
/**
 * The provider of the Presence API: its functions, REST routes, commands and handles. This
 * plugin provides it, unless another plugin or WordPress itself does. Then heartbeatd is the
 * provider's push transport, or its table is synchronized with heartbeatd.
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
 * Detects who provides the Presence API. All plugins must be loaded.
 */
function heartbeatd_detect_presence_provider() {
	$others = ! empty( $GLOBALS['wpdb']->presence ) || array_filter( HEARTBEATD_PRESENCE_FUNCTIONS, 'function_exists' );
	heartbeatd_presence_provider( $others ? 'other' : 'heartbeatd' );
}

/**
 * Lets the Presence API plugin be activated. WordPress loads it in a request in which this
 * plugin has already defined the same functions. Once the table's name is set, that plugin
 * does not define them again; from the next request on, it provides them. This runs when
 * WordPress reads the plugins' headers, before it loads the plugin.
 *
 * @param string[] $headers The headers that WordPress reads.
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
 * Returns who provides the Presence API.
 *
 * @param string|null $set Sets the provider.
 * @return string This plugin ('heartbeatd'), another one ('other'), or none ('') while there is no secret.
 */
function heartbeatd_presence_provider( $set = null ) {
	static $provider = '';
	if ( null !== $set ) {
		$provider = $set;
	}
	return $provider;
}

/**
 * Removes a user's entries when they log out. Pages without a link cannot do this. If the
 * user has other sessions, the entries may belong to these.
 *
 * @param int $user_id The user.
 */
function heartbeatd_presence_on_logout( $user_id ) {
	if ( ! WP_Session_Tokens::get_instance( $user_id )->get_all() ) {
		heartbeatd_enqueue_call( '/presence?user_id=' . (int) $user_id, array() );
	}
}

/**
 * How long the entry lives that a log-in writes, in seconds: until the page that follows has
 * a link.
 */
const HEARTBEATD_LOGIN_LIFETIME = 10;

/**
 * Writes an entry for a user who logs in. It has a connection id of its own: the entries of
 * the user's pages are shown instead.
 *
 * @param string       $login The log-in name.
 * @param WP_User|null $user  The user. Some plugins do not pass it.
 */
function heartbeatd_presence_on_login( $login, $user = null ) {
	unset( $login );
	if ( ! $user instanceof WP_User || ! user_can( $user, 'edit_posts' ) || ! heartbeatd_presence_is_recording( $user->ID ) ) {
		return;
	}
	$data  = array(
		'screen'       => 'login',
		'screen_label' => heartbeatd_screen_name( 'login' ),
	);
	$entry = heartbeatd_presence_create_entry( 'admin/online', 'user-' . $user->ID, $data, $user->ID );
	if ( $entry ) {
		$more = array(
			'conn'       => 'login',
			'expires_in' => HEARTBEATD_LOGIN_LIFETIME,
		);
		heartbeatd_enqueue_call( '/presence', $entry + $more );
	}
}

/**
 * Removes a user's entries when they may no longer edit posts, or are removed.
 *
 * @param int $user_id The user.
 */
function heartbeatd_presence_on_user_change( $user_id ) {
	if ( 'remove_user_from_blog' === current_action() || ! user_can( $user_id, 'edit_posts' ) ) {
		heartbeatd_enqueue_call( '/presence?user_id=' . (int) $user_id, array() );
	}
}
