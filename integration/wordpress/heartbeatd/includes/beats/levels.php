<?php
/**
 * The sets of handles with which heartbeatd may answer a page's beats, so that the callbacks on
 * the hooks of a beat do not run.
 *
 * A set has the handles of core, and those of other plugins that heartbeatd can answer, that one
 * beat carries: sorted, and joined with commas. It is empty for a beat whose handles were all
 * added by this plugin's own scripts: it would have no handles without this plugin, and core
 * would not apply heartbeat_received to it. Handles that ask for nonces, and those with a deposited
 * value, belong to no set: a beat that has only such handles counts as '*'.
 *
 * A callback is judged for each set separately. A set that beats rarely carry goes to PHP until
 * the callbacks were silent in enough of these beats, and other sets do not wait for it.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * After how many beats without an effect a callback is silent.
 */
const HEARTBEATD_SILENT_BEATS = 5;

/**
 * The set of beats that have handles, none of which belongs to a set.
 */
const HEARTBEATD_UNCOUNTED = '*';

/**
 * Returns the sets with which heartbeatd may answer beats while foreign callbacks are
 * registered.
 *
 * @param string[]|true                     $sets    The sets that are allowed without them; true for all.
 * @param array[]                           $foreign The foreign callbacks.
 * @param array<string, array<string, int>> $counts  In how many beats of the place callbacks had no effect, by set.
 * @return string[]|true
 */
function heartbeatd_limit_sets( $sets, $foreign, $counts = array() ) {
	if ( ! $foreign ) {
		return $sets;
	}
	if ( true === $sets ) {
		$sets = array_map( 'strval', array_keys( $counts + array_fill_keys( array( '', HEARTBEATD_UNCOUNTED ), array() ) ) );
	}
	$is_allowed = static function ( $set ) use ( $foreign, $counts ) {
		foreach ( $foreign as $callback ) {
			if ( 'heartbeat_received' === $callback['hook'] && HEARTBEATD_UNCOUNTED === $set ) {
				return false; // Core applies it, and such beats are not observed.
			}
			if ( heartbeatd_may_act( $callback, $set, $counts ) && HEARTBEATD_PACE_ALL_BEATS === heartbeatd_callback_pace( $callback ) ) {
				return false;
			}
		}
		return true;
	};
	return array_values( array_filter( $sets, $is_allowed ) );
}

/**
 * Determines whether a callback may have an effect in beats with a set of handles: whether it
 * runs in them, and was not silent in enough of them.
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
	// A callback on wp_ajax_heartbeat runs before core, so that its effects cannot be told from core's.
	return 'wp_ajax_heartbeat' === $callback['hook'] || ( $counts[ $set ][ $callback['id'] ] ?? 0 ) < HEARTBEATD_SILENT_BEATS;
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
