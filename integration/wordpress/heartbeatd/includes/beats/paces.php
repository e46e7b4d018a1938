<?php
/**
 * Paces: how often PHP must see the beats of a page because of a callback that has effects.
 * By default PHP sees every beat. The owner of the site chooses a pace on the settings screen,
 * a hosting company with a filter or a constant.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * The paces that the settings screen offers, in seconds: every beat, every 1, 2 or 5 minutes,
 * or only beats with handles of the callback's own, which always go to PHP.
 */
const HEARTBEATD_PACES          = array( 0, 60, 120, 300, -1 );
const HEARTBEATD_PACE_ALL_BEATS = 0;
const HEARTBEATD_PACE_OWN_BEATS = -1;

/**
 * The largest number of choices that are stored.
 */
const HEARTBEATD_MAX_CHOSEN_PACES = 50;

/**
 * Returns the key under which the choice for a callback is stored.
 *
 * @param array $callback A foreign callback.
 * @return string
 */
function heartbeatd_pace_key( $callback ) {
	return substr( md5( $callback['hook'] . ' ' . $callback['callback'] ), 0, 12 );
}

/**
 * Returns the pace of a callback for which the owner has chosen none.
 *
 * @return int
 */
function heartbeatd_default_pace() {
	return defined( 'HEARTBEATD_CALLBACK_PACE' ) ? (int) HEARTBEATD_CALLBACK_PACE : HEARTBEATD_PACE_ALL_BEATS;
}

/**
 * Returns the pace of a callback.
 *
 * @param array $callback A foreign callback.
 * @return int Seconds, HEARTBEATD_PACE_ALL_BEATS or HEARTBEATD_PACE_OWN_BEATS.
 */
function heartbeatd_callback_pace( $callback ) {
	$settings = get_option( 'heartbeatd' );
	$default  = heartbeatd_default_pace();
	$pace     = is_array( $settings ) ? $settings['paces'][ heartbeatd_pace_key( $callback ) ] ?? $default : $default;
	/**
	 * Filters how often PHP must see the beats of a page because of a callback.
	 *
	 * @param int    $pace     Seconds; 0: every beat; -1: only beats with handles of the callback's own.
	 * @param string $callback The callback, as 'my_function', 'My_Class::method' or 'plugins/my-plugin/file.php:12'.
	 * @param string $hook     Its hook.
	 */
	return max( HEARTBEATD_PACE_OWN_BEATS, (int) apply_filters( 'heartbeatd_callback_pace', (int) $pace, $callback['callback'], $callback['hook'] ) );
}
