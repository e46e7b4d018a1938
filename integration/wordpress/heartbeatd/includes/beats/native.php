<?php
/**
 * Which beats heartbeatd may answer instead of PHP.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * Handles that heartbeatd can answer. The last two, with which editors ask for
 * nonces, get no answer while the page's own is in the first half of its life,
 * and only then is a beat native.
 */
const HEARTBEATD_NATIVE_HANDLES = array( 'presence-ping', 'presence-editor-ping', 'presence-active-posts-ping', 'wp-refresh-post-nonces', 'wp-refresh-metabox-loader-nonces' );

/**
 * Whether heartbeatd may answer beats of this page. Without its API PHP cannot tell
 * it when something changes, and must see every beat.
 *
 * @param string $screen_id The page's screen.
 * @return bool
 */
function heartbeatd_are_beats_native( $screen_id ) {
	$learned = heartbeatd_observations();
	$native  = isset( $learned['clean'][ heartbeatd_roles_hash() ][ heartbeatd_screen_hash( $screen_id ) ] )
		&& ! heartbeatd_foreign_callbacks() && heartbeatd_are_nonces_standard() && ! heartbeatd_last_call_failed();
	/**
	 * Filters whether heartbeatd may answer a page's beats. Only "no" is listened to.
	 *
	 * @param bool   $native    Whether it may.
	 * @param string $screen_id The page's screen.
	 */
	return $native && apply_filters( 'heartbeatd_native', $native, $screen_id );
}
