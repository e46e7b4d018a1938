<?php
/**
 * Paces: how often PHP must see the beats of a page because of a callback that has effects.
 * By default PHP sees every beat. The owner of the site chooses a pace on the settings screen,
 * a hosting company with a constant or a filter.
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
 * Returns the pace that the owner of the site has chosen for a callback.
 *
 * @param array $callback A foreign callback.
 * @return int Seconds, HEARTBEATD_PACE_ALL_BEATS or HEARTBEATD_PACE_OWN_BEATS.
 */
function heartbeatd_chosen_pace( $callback ) {
	$settings = get_option( 'heartbeatd' );
	return (int) ( is_array( $settings ) ? $settings['paces'][ heartbeatd_pace_key( $callback ) ] ?? HEARTBEATD_PACE_ALL_BEATS : HEARTBEATD_PACE_ALL_BEATS );
}

/**
 * Returns the pace of a callback. A constant takes precedence over the settings screen, and a
 * filter over both.
 *
 * @param array    $callback A foreign callback.
 * @param int|null $chosen   The pace to use instead of the owner's choice.
 * @return int Seconds, HEARTBEATD_PACE_ALL_BEATS or HEARTBEATD_PACE_OWN_BEATS.
 */
function heartbeatd_callback_pace( $callback, $chosen = null ) {
	$pace = $chosen ?? heartbeatd_chosen_pace( $callback );
	if ( defined( 'HEARTBEATD_CALLBACK_PACE' ) ) {
		$pace = (int) HEARTBEATD_CALLBACK_PACE;
	}
	/**
	 * Filters how often PHP must see the beats of a page because of a callback.
	 *
	 * @param int    $pace     Seconds; 0: every beat; -1: only beats with handles of the callback's own.
	 * @param string $callback The callback, as 'my_function', 'My_Class::method' or 'plugins/my-plugin/file.php:12'.
	 * @param string $hook     Its hook.
	 */
	return max( HEARTBEATD_PACE_OWN_BEATS, (int) apply_filters( 'heartbeatd_callback_pace', $pace, $callback['callback'], $callback['hook'] ) );
}

/**
 * Determines whether code decides the pace of a callback, whatever the owner chooses.
 *
 * @param array $callback A foreign callback.
 * @return bool
 */
function heartbeatd_is_pace_fixed( $callback ) {
	$paces = array();
	foreach ( HEARTBEATD_PACES as $pace ) {
		$paces[] = heartbeatd_callback_pace( $callback, $pace );
	}
	return 1 === count( array_unique( $paces ) );
}
