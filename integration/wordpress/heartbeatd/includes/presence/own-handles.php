<?php
/**
 * Own handles: those that only this plugin's own scripts add to a beat. They are removed from
 * the beat's data before core reads it, so that core applies heartbeat_received to the same
 * beats, with the same data, as without this plugin. The filter heartbeat_send answers them.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * The handles of the Presence API that this plugin's scripts add to beats.
 */
const HEARTBEATD_OWN_HANDLES = array( 'presence-ping', 'presence-editor-ping', 'presence-active-posts-ping', 'presence-screen-ping' );

/**
 * Returns the handles that only this plugin's scripts add to beats on this site.
 *
 * @return string[] Empty if another plugin provides the Presence API: the handles are its own, too.
 */
function heartbeatd_own_handles() {
	return 'heartbeatd' === heartbeatd_presence_provider() ? HEARTBEATD_OWN_HANDLES : array();
}

/**
 * Removes the own handles from the beat's data.
 */
function heartbeatd_take_own_handles() {
	$own = array_flip( heartbeatd_own_handles() );
	// phpcs:disable WordPress.Security.NonceVerification, WordPress.Security.ValidatedSanitizedInput -- Core checks the nonce before the handles are answered, and each answer checks its handle.
	if ( ! $own || ! isset( $_POST['data'] ) || ! is_array( $_POST['data'] ) ) {
		return;
	}
	heartbeatd_taken_handles( wp_unslash( array_intersect_key( $_POST['data'], $own ) ) );
	$_POST['data']    = array_diff_key( $_POST['data'], $own );
	$_REQUEST['data'] = $_POST['data'];
	if ( ! $_POST['data'] ) {
		unset( $_POST['data'], $_REQUEST['data'] ); // As in a beat without handles.
	}
	// phpcs:enable
}

/**
 * Returns the own handles of the beat, with their values.
 *
 * @param array|null $handles Sets them.
 * @return array
 */
function heartbeatd_taken_handles( $handles = null ) {
	static $taken = array();
	if ( null !== $handles ) {
		$taken = $handles;
	}
	return $taken;
}

/**
 * Returns the beat's data as the page has sent it.
 *
 * @return array
 */
function heartbeatd_beat_data() {
	// phpcs:ignore WordPress.Security.NonceVerification.Missing, WordPress.Security.ValidatedSanitizedInput -- Whoever uses a handle checks it.
	return heartbeatd_taken_handles() + ( isset( $_POST['data'] ) ? wp_unslash( (array) $_POST['data'] ) : array() );
}
