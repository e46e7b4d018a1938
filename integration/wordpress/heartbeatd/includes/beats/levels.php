<?php
/**
 * The sets of handles with which heartbeatd may answer a page's beats, so that the callbacks on
 * the hooks of a beat do not run.
 *
 * A set has the handles of core, and those of other plugins that heartbeatd can answer, that one
 * beat carries: sorted, and joined with commas. It is empty for a beat whose handles were all
 * added by this plugin's own scripts: it would have no handles without this plugin, and core
 * would not apply heartbeat_received to it. Handles with a deposited value belong to no set: a beat
 * that has one also needs '*'.
 *
 * A callback is judged for each set separately. A set that beats rarely carry goes to PHP until
 * the callbacks were silent in enough of these beats, and other sets do not wait for it. A callback may
 * be registered only in beats with some of the sets: the others do not depend on it.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * After how many beats without an effect a callback is silent.
 */
const HEARTBEATD_SILENT_BEATS = 5;

/**
 * What beats with a deposited value need besides their set.
 */
const HEARTBEATD_UNCOUNTED = '*';

/**
 * Returns the sets with which heartbeatd may answer beats while foreign callbacks are
 * registered, or were in the last beat with one of the sets.
 *
 * @param string[]|true                     $sets    The sets that are allowed without them; true for all.
 * @param array[]                           $foreign The foreign callbacks.
 * @param array<string, array<string, int>> $counts  In how many beats of the place callbacks had no effect, by set.
 * @return string[]|true
 */
function heartbeatd_limit_sets( $sets, $foreign, $counts = array() ) {
	if ( ! $foreign && ! $counts ) {
		return $sets;
	}
	if ( true === $sets ) {
		$sets = array_map( 'strval', array_keys( $counts + array_fill_keys( array( '', HEARTBEATD_UNCOUNTED ), array() ) ) );
	}
	$is_allowed = static function ( $set ) use ( $foreign, $counts ) {
		foreach ( $foreign as $callback ) {
			if ( 'heartbeat_received' === $callback['hook'] && HEARTBEATD_UNCOUNTED === $set ) {
				return false; // Core applies it, and beats with deposited values are not observed.
			}
			if ( heartbeatd_may_act( $callback, $set, $counts ) && HEARTBEATD_PACE_ALL_BEATS === heartbeatd_callback_pace( $callback ) ) {
				return false;
			}
		}
		// What is counted, but not among these callbacks: more are registered than can be stored.
		$observed = $counts[ HEARTBEATD_UNCOUNTED === $set ? '' : $set ] ?? array_fill_keys( array_keys( array_merge( array(), ...array_values( $counts ) ) ), 0 );
		$others   = array_diff_key( $observed, array_column( $foreign, 'id', 'id' ) );
		return ! $others || min( $others ) >= HEARTBEATD_SILENT_BEATS;
	};
	return array_values( array_filter( $sets, $is_allowed ) );
}

/**
 * Determines whether a callback may have an effect in beats with a set of handles: whether it
 * runs in them, and was not silent in enough of them. One that is counted with other sets was not
 * registered in the last beat with this one.
 *
 * @param array                             $callback A foreign callback.
 * @param string                            $set      The set.
 * @param array<string, array<string, int>> $counts   The same as for heartbeatd_limit_sets().
 * @return bool
 */
function heartbeatd_may_act( $callback, $set, $counts ) {
	if ( 'heartbeat_received' === $callback['hook'] && '' === $set ) {
		return false; // Core does not apply it to beats without handles.
	}
	if ( HEARTBEATD_UNCOUNTED === $set ) {
		$set = ''; // The other hooks do not get the handles.
	}
	if ( isset( $counts[ $set ] ) && ! isset( $counts[ $set ][ $callback['id'] ] ) && heartbeatd_is_counted( $callback, $counts ) ) {
		return false;
	}
	// A callback on wp_ajax_heartbeat runs before core, so that its effects cannot be told from core's.
	return 'wp_ajax_heartbeat' === $callback['hook'] || ( $counts[ $set ][ $callback['id'] ] ?? 0 ) < HEARTBEATD_SILENT_BEATS;
}

/**
 * Determines whether a callback was registered in the last beat with one of a place's sets of
 * handles.
 *
 * @param array                             $callback A foreign callback.
 * @param array<string, array<string, int>> $sets     The place's counts.
 * @return bool
 */
function heartbeatd_is_counted( $callback, $sets ) {
	return (bool) array_column( $sets, $callback['id'] );
}

/**
 * Returns the pace of a page: after how many seconds PHP must see its next beat.
 *
 * @param string[]                          $sets    The sets with which heartbeatd may answer the page's beats.
 * @param array[]                           $foreign The foreign callbacks of the page.
 * @param array<string, array<string, int>> $counts  The same as for heartbeatd_limit_sets().
 * @return int 0 if no callback needs it.
 */
function heartbeatd_shortest_pace( $sets, $foreign, $counts ) {
	$paces = array();
	foreach ( $foreign as $callback ) {
		$pace = heartbeatd_callback_pace( $callback );
		foreach ( $sets as $set ) {
			if ( $pace > 0 && heartbeatd_may_act( $callback, $set, $counts ) ) {
				$paces[] = $pace;
			}
		}
	}
	return $paces ? min( $paces ) : 0;
}
