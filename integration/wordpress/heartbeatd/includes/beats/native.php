<?php
/**
 * Which beats heartbeatd may answer instead of PHP.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * The handles with which editors ask for new nonces. They get no answer while the page's
 * nonce is in the first half of its lifetime, and only then is a beat native.
 */
const HEARTBEATD_NONCE_HANDLES = array( 'wp-refresh-post-nonces', 'wp-refresh-metabox-loader-nonces' );

/**
 * The handles for which pages repeat PHP's last answer.
 */
const HEARTBEATD_REPEATED_HANDLES = array( 'wp-refresh-post-lock', 'wp-check-locked-posts' );

/**
 * The handles that heartbeatd can answer.
 */
const HEARTBEATD_NATIVE_HANDLES = array( 'presence-ping', 'presence-editor-ping', 'presence-active-posts-ping', 'wp-refresh-post-nonces', 'wp-refresh-metabox-loader-nonces' );

/**
 * The largest number of native handles that a ticket names.
 */
const HEARTBEATD_MAX_NATIVE_HANDLES = 20;

/**
 * Returns the handles that heartbeatd answers instead of PHP.
 *
 * @return string[]
 */
function heartbeatd_native_handles() {
	/**
	 * Filters the handles that heartbeatd answers instead of PHP. A handle needs a hook in
	 * heartbeatd: beats with a handle that heartbeatd does not know go to PHP.
	 *
	 * @param string[] $handles Handles.
	 */
	$handles = heartbeatd_unique_strings( apply_filters( 'heartbeatd_native_handles', HEARTBEATD_NATIVE_HANDLES ) );
	if ( heartbeatd_is_push_transport() ) {
		$handles = array_diff( $handles, HEARTBEATD_OWN_HANDLES ); // The other plugin answers them with markup.
	}
	return array_slice( array_values( $handles ), 0, HEARTBEATD_MAX_NATIVE_HANDLES );
}

/**
 * Determines whether it is known that no foreign callback is registered, here or at any other place.
 * Another beat without one then teaches nothing.
 *
 * @param string $screen_id The page's screen.
 * @return bool
 */
function heartbeatd_is_place_without_callbacks( $screen_id ) {
	$observations = heartbeatd_observations();
	$sets         = $observations['native'][ heartbeatd_roles_hash() ][ heartbeatd_screen_hash( $screen_id ) ] ?? array();
	return true === $sets && ! $observations['foreign'] && ! $observations['silent']
		&& ! $observations['effects'] && ! $observations['reads'] && ! $observations['changes'];
}

/**
 * Returns the callbacks because of which PHP has answered a beat that heartbeatd could answer
 * otherwise. The ticket names them, and heartbeatd counts their beats for the settings screen.
 *
 * @param string      $screen_id The page's screen.
 * @param array[]     $foreign   The foreign callbacks during the beat.
 * @param string|null $handles   The beat's set of handles; null if the callbacks were not observed.
 * @return string[] The values of heartbeatd_pace_key().
 */
function heartbeatd_callbacks_that_need_php( $screen_id, $foreign, $handles ) {
	if ( ! $foreign || null === $handles ) {
		return array();
	}
	$counts = heartbeatd_observations()['silent'][ heartbeatd_roles_hash() ][ heartbeatd_screen_hash( $screen_id ) ] ?? array();
	$keys   = array();
	foreach ( $foreign as $callback ) {
		if ( heartbeatd_may_act( $callback, $handles, $counts ) && HEARTBEATD_PACE_OWN_BEATS !== heartbeatd_callback_pace( $callback ) ) {
			$keys[] = heartbeatd_pace_key( $callback );
		}
	}
	return array_slice( array_values( array_unique( $keys ) ), 0, HEARTBEATD_MAX_FOREIGN );
}

/**
 * Returns the sets of handles with which heartbeatd may answer a page's beats, and the page's
 * pace. If calls to heartbeatd's API fail, PHP must see every beat, because the plugin could not
 * report changes.
 *
 * @param string $screen_id The page's screen.
 * @return array{0: string[]|true, 1: int} The same as heartbeatd_observed_native_sets().
 */
function heartbeatd_page_native_sets( $screen_id ) {
	return heartbeatd_last_call_failed() ? array( array(), 0 ) : heartbeatd_observed_native_sets( $screen_id );
}

/**
 * Returns the sets of handles with which heartbeatd may answer a page's beats while the plugin can call it,
 * and the page's pace.
 *
 * @param string $screen_id The page's screen.
 * @return array{0: string[]|true, 1: int} The sets, or true for all, and after how many seconds PHP must see a beat again; 0 if no callback asks for it.
 */
function heartbeatd_observed_native_sets( $screen_id ) {
	$observations = heartbeatd_observations();
	$roles        = heartbeatd_roles_hash();
	$screen       = heartbeatd_screen_hash( $screen_id );
	$counts       = $observations['silent'][ $roles ][ $screen ] ?? array();
	$foreign      = heartbeatd_foreign_callbacks();
	$foreign     += heartbeatd_callbacks_of_place( $observations['foreign'], "$roles $screen", $counts );
	$sets         = heartbeatd_limit_sets( $observations['native'][ $roles ][ $screen ] ?? array(), $foreign, $counts );
	if ( ! heartbeatd_are_nonces_standard() ) {
		$sets = array();
	}
	/**
	 * Filters whether heartbeatd may answer a page's beats. A filter can only forbid it.
	 *
	 * @param bool   $native    Whether heartbeatd may answer.
	 * @param string $screen_id The page's screen.
	 */
	if ( ! $sets || ! apply_filters( 'heartbeatd_native', true, $screen_id ) ) {
		return array( array(), 0 );
	}
	if ( true === $sets ) {
		return array( true, 0 ); // The last beats had no foreign callback, and none is registered now.
	}
	return array( $sets, heartbeatd_shortest_pace( $sets, $foreign, $counts ) );
}
