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
 * Returns which beats heartbeatd may answer while foreign callbacks are registered.
 *
 * @param array[] $foreign The foreign callbacks.
 * @return int One of the constants HEARTBEATD_NATIVE_….
 */
function heartbeatd_native_level( $foreign ) {
	$hooks = array_unique( array_column( $foreign, 'hook' ) );
	if ( ! $hooks ) {
		return HEARTBEATD_NATIVE_ALL;
	}
	return array( 'heartbeat_received' ) === array_values( $hooks ) ? HEARTBEATD_NATIVE_OWN : HEARTBEATD_NATIVE_NONE;
}
