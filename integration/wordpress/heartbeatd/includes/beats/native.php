<?php
/**
 * Which beats heartbeatd may answer instead of PHP.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * The handles that heartbeatd can answer. With the last two, editors ask for new nonces.
 * They get no answer while the page's nonce is in the first half of its lifetime, and only
 * then is a beat native.
 */
const HEARTBEATD_NATIVE_HANDLES = array( 'presence-ping', 'presence-editor-ping', 'presence-active-posts-ping', 'wp-refresh-post-nonces', 'wp-refresh-metabox-loader-nonces' );

/**
 * How many handles a ticket names.
 */
const HEARTBEATD_MAX_NATIVE_HANDLES = 20;

/**
 * Returns the handles that tickets name as native.
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
	$handles = apply_filters( 'heartbeatd_native_handles', HEARTBEATD_NATIVE_HANDLES );
	return array_slice( heartbeatd_unique_strings( $handles ), 0, HEARTBEATD_MAX_NATIVE_HANDLES );
}

/**
 * Determines whether heartbeatd may answer the beats of a page. If calls to its API fail,
 * PHP must see every beat: the plugin could not report changes.
 *
 * @param string $screen_id The page's screen.
 * @return bool
 */
function heartbeatd_are_beats_native( $screen_id ) {
	$observations = heartbeatd_observations();
	$native       = isset( $observations['clean'][ heartbeatd_roles_hash() ][ heartbeatd_screen_hash( $screen_id ) ] )
		&& ! heartbeatd_foreign_callbacks() && heartbeatd_are_nonces_standard() && ! heartbeatd_last_call_failed();
	/**
	 * Filters whether heartbeatd may answer a page's beats. A filter can only forbid it.
	 *
	 * @param bool   $native    Whether heartbeatd may answer.
	 * @param string $screen_id The page's screen.
	 */
	return $native && apply_filters( 'heartbeatd_native', $native, $screen_id );
}
