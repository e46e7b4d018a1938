<?php
/**
 * Levels: which beats need not run the callbacks on the hooks of a beat.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * Which beats heartbeatd may answer: none, those whose handles were all added by this
 * plugin's own scripts, or all whose handles are native. A beat with own handles only would
 * have no handles without this plugin, and core would not apply heartbeat_received to it.
 */
const HEARTBEATD_NATIVE_NONE = 0;
const HEARTBEATD_NATIVE_OWN  = 1;
const HEARTBEATD_NATIVE_ALL  = 2;

/**
 * In how many beats a callback must have had no effect.
 */
const HEARTBEATD_SILENT_BEATS = 5;

/**
 * Returns which beats heartbeatd may answer while foreign callbacks are registered.
 *
 * @param array[]                           $foreign The foreign callbacks.
 * @param array<string, array<string, int>> $counts  In how many beats of the place callbacks had no effect, by the beats' handles.
 * @return int One of the constants HEARTBEATD_NATIVE_….
 */
function heartbeatd_native_level( $foreign, $counts = array() ) {
	$level = HEARTBEATD_NATIVE_ALL;
	foreach ( $foreign as $callback ) {
		if ( heartbeatd_is_silent( $callback, $counts ) || heartbeatd_has_pace( $callback, $counts ) ) {
			continue;
		}
		if ( 'heartbeat_received' !== $callback['hook'] ) {
			return HEARTBEATD_NATIVE_NONE;
		}
		$level = HEARTBEATD_NATIVE_OWN;
	}
	return $level;
}

/**
 * Determines whether a callback has had no effect in enough beats of a place, with all
 * handles of core that its beats carry.
 *
 * @param array                             $callback A foreign callback.
 * @param array<string, array<string, int>> $counts   The same as for heartbeatd_native_level().
 * @return bool
 */
function heartbeatd_is_silent( $callback, $counts ) {
	if ( 'wp_ajax_heartbeat' === $callback['hook'] ) {
		return false; // It runs before core, so that its effects cannot be told from core's.
	}
	if ( 'heartbeat_received' === $callback['hook'] ) {
		unset( $counts[''] ); // Core does not apply it to beats without handles.
	}
	foreach ( $counts as $silent ) {
		if ( ( $silent[ $callback['id'] ] ?? 0 ) < HEARTBEATD_SILENT_BEATS ) {
			return false;
		}
	}
	return (bool) $counts;
}

/**
 * Determines whether the owner of the site lets PHP see fewer beats because of a callback.
 * Beats to which core does not apply heartbeat_received need no pace.
 *
 * @param array                             $callback A foreign callback.
 * @param array<string, array<string, int>> $counts   The same as for heartbeatd_native_level().
 * @return bool
 */
function heartbeatd_has_pace( $callback, $counts ) {
	$applies = 'heartbeat_received' !== $callback['hook'] || array_diff_key( $counts, array( '' => true ) );
	return $applies && HEARTBEATD_PACE_ALL_BEATS !== heartbeatd_callback_pace( $callback );
}

/**
 * Returns after how many seconds PHP must see the next beat of a page.
 *
 * @param array[]                           $foreign The foreign callbacks of the page.
 * @param array<string, array<string, int>> $counts  In how many beats of the place callbacks had no effect, by the beats' handles.
 * @return int 0 if no callback needs it.
 */
function heartbeatd_shortest_pace( $foreign, $counts ) {
	$paces = array();
	foreach ( $foreign as $callback ) {
		$pace = heartbeatd_callback_pace( $callback );
		if ( $pace > 0 && heartbeatd_has_pace( $callback, $counts ) && ! heartbeatd_is_silent( $callback, $counts ) ) {
			$paces[] = $pace;
		}
	}
	return $paces ? min( $paces ) : 0;
}
