<?php
/**
 * The level of a page: which of its beats heartbeatd may answer, so that the callbacks on the
 * hooks of a beat do not run.
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
 * After how many beats without an effect a callback is silent.
 */
const HEARTBEATD_SILENT_BEATS = 5;

/**
 * Returns the level of a page on which foreign callbacks are registered.
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
 * Determines whether a callback is silent at a place: whether it had no effect in enough
 * beats, with each set of handles of core that beats there carry.
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
 * Determines whether the owner of the site has chosen a pace for a callback. A place to whose
 * beats core does not apply heartbeat_received needs no pace.
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
 * Returns the pace of a page: after how many seconds PHP must see its next beat.
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
