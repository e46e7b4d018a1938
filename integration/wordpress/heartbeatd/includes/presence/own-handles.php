<?php
/**
 * The handles that only this plugin's own scripts add to a beat.
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
