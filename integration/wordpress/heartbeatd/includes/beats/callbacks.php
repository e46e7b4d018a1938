<?php
/**
 * The callbacks on the hooks of a beat. A callback is foreign if it is not known to ignore
 * beats without its own handles.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * The hooks whose callbacks can keep heartbeatd from answering a beat. The other hooks of
 * Heartbeat cannot: a beat that heartbeatd answers has a nonce in the first half of its
 * lifetime, so core does not apply wp_refresh_nonces, and a user, so core does not use the
 * nopriv hooks.
 */
const HEARTBEATD_BEAT_HOOKS = array( 'wp_ajax_heartbeat', 'heartbeat_received', 'heartbeat_send', 'heartbeat_tick' );

/**
 * Core's callbacks on user_has_cap. Core has none on map_meta_cap, except in the Customizer.
 */
const HEARTBEATD_CORE_CAPABILITY_CALLBACKS = array( 'wp_maybe_grant_install_languages_cap', 'wp_maybe_grant_resume_extensions_caps', 'wp_maybe_grant_site_health_caps' );

/**
 * The capabilities that these add, and two that core treats in its own way.
 */
const HEARTBEATD_ADDED_CAPABILITIES = array(
	'install_languages'       => true,
	'resume_plugins'          => true,
	'resume_themes'           => true,
	'view_site_health_checks' => true,
	'exist'                   => true,
	'do_not_allow'            => true,
);

/**
 * The largest number of foreign callbacks that are stored.
 */
const HEARTBEATD_MAX_FOREIGN = 20;

/**
 * Returns the known callbacks on the hooks of a beat: those of core and of this plugin. They
 * do nothing in a beat without their own handles.
 *
 * @return array<string, string[]> By hook.
 */
function heartbeatd_known_callbacks() {
	$known = array(
		'wp_ajax_heartbeat'  => array( 'wp_ajax_heartbeat', 'heartbeatd_take_own_handles', 'heartbeatd_prime_network_recording', 'heartbeatd_observe_before_beat' ),
		'heartbeat_received' => array( 'wp_check_locked_posts', 'wp_refresh_post_lock', 'heartbeat_autosave', 'heartbeatd_before_lock_renewal' ),
		'heartbeat_send'     => array( 'wp_auth_check', 'heartbeatd_answer_presence', 'heartbeatd_answer_screen_ping' ),
		'heartbeat_tick'     => array( 'heartbeatd_on_heartbeat_tick' ),
	);
	/**
	 * Filters the callbacks that need not see every beat: they do nothing in a beat without
	 * their own handles.
	 *
	 * @param array<string, string[]> $known Callbacks by hook, as 'my_function', 'My_Class::method', or
	 *                                       'plugins/my-plugin/file.php:12' for closures.
	 */
	return (array) apply_filters( 'heartbeatd_known_callbacks', $known );
}

/**
 * Returns the foreign callbacks that are registered on the hooks of a beat. They are found
 * again only if the hooks have changed.
 *
 * @return array<string, array{hook: string, callback: string, file: string, id: string, entry: array}> By what
 *     identifies the callback; the entry is its priority and index in the hook.
 */
function heartbeatd_foreign_callbacks() {
	global $wp_filter;
	static $known = array( null, array() );

	$hooks = array();
	foreach ( HEARTBEATD_BEAT_HOOKS as $hook ) {
		$hooks[] = empty( $wp_filter[ $hook ] ) ? array() : $wp_filter[ $hook ]->callbacks;
	}
	if ( $hooks !== $known[0] ) { // Not slow: an array that nobody has changed is the same one.
		$known = array( $hooks, heartbeatd_find_foreign_callbacks() );
		if ( $known[1] ) {
			heartbeatd_load_learning();
		}
	}
	return $known[1];
}

/**
 * Finds the foreign callbacks.
 *
 * @return array[] The same as heartbeatd_foreign_callbacks().
 */
function heartbeatd_find_foreign_callbacks() {
	$known   = heartbeatd_known_callbacks();
	$foreign = array();
	foreach ( HEARTBEATD_BEAT_HOOKS as $hook ) {
		$names = (array) ( $known[ $hook ] ?? array() );
		foreach ( heartbeatd_hook_callbacks( $hook ) as list( $callback, $priority, $index ) ) {
			$name = is_string( $callback ) ? $callback : heartbeatd_callback_name( $callback );
			if ( in_array( $name, $names, true ) || heartbeatd_is_presence_api_callback( $callback ) ) {
				continue;
			}
			$base = trim( "$hook $priority $name " . heartbeatd_captured_values_hash( $callback ) );
			$key  = $base;
			for ( $n = 2; isset( $foreign[ $key ] ); $n++ ) {
				$key = "$base #$n"; // Another object's method, or another closure on the same line.
			}
			$foreign[ $key ] = array(
				'hook'     => $hook,
				'callback' => $name,
				'file'     => heartbeatd_callback_file( $callback ),
				'id'       => heartbeatd_callback_id( $key, heartbeatd_callback_file( $callback ) ),
				'entry'    => array( $priority, $index ),
			);
		}
	}
	return $foreign;
}

/**
 * Returns the callbacks that run on a hook of a beat, in their order. Core's callback on
 * wp_ajax_heartbeat has priority 1 and ends the request: those after it do not run.
 *
 * @param string $hook The hook.
 * @return array<array{0: callable, 1: int, 2: string}> Each with its priority and its index in the hook.
 */
function heartbeatd_hook_callbacks( $hook ) {
	global $wp_filter;
	$callbacks = array();
	foreach ( empty( $wp_filter[ $hook ] ) ? array() : $wp_filter[ $hook ]->callbacks as $priority => $entries ) {
		if ( 'wp_ajax_heartbeat' === $hook && $priority > 1 ) {
			break;
		}
		foreach ( $entries as $index => $entry ) {
			if ( 'wp_ajax_heartbeat' === $entry['function'] ) {
				break;
			}
			$callback    = $entry['function'];
			$callbacks[] = array( $callback instanceof Closure ? heartbeatd_original_callback( $callback ) : $callback, $priority, $index );
		}
	}
	return $callbacks;
}

/**
 * Determines whether a callback that is not core's is registered on a hook.
 *
 * @param string $hook The hook.
 * @return bool
 */
function heartbeatd_has_foreign_callbacks( $hook ) {
	global $wp_filter;
	foreach ( empty( $wp_filter[ $hook ] ) ? array() : array_merge( ...array_values( $wp_filter[ $hook ]->callbacks ) ) as $entry ) {
		if ( in_array( $entry['function'], HEARTBEATD_CORE_CAPABILITY_CALLBACKS, true ) ) {
			continue; // Finding the file of a callback takes longer.
		}
		if ( ! preg_match( '#^wp-(admin|includes)/#', heartbeatd_callback_file( $entry['function'] ) ) ) {
			return true;
		}
	}
	return false;
}

/**
 * Returns a function that determines whether the current user has a capability. If no other code
 * than core filters capabilities, it does not apply the filters: core's callbacks add only
 * capabilities that no post type and no ticket needs.
 *
 * @return callable
 */
function heartbeatd_capability_check() {
	global $wp_filter;
	foreach ( array( 'map_meta_cap', 'user_has_cap' ) as $hook ) {
		foreach ( empty( $wp_filter[ $hook ] ) ? array() : $wp_filter[ $hook ]->callbacks as $entries ) {
			foreach ( $entries as $entry ) {
				if ( ! in_array( $entry['function'], HEARTBEATD_CORE_CAPABILITY_CALLBACKS, true ) ) {
					return 'current_user_can';
				}
			}
		}
	}
	if ( is_multisite() ) {
		return 'current_user_can';
	}
	$user = wp_get_current_user();
	return static function ( $capability ) use ( $user ) {
		foreach ( map_meta_cap( $capability, $user->ID ) as $needed ) {
			if ( is_numeric( $needed ) || isset( HEARTBEATD_ADDED_CAPABILITIES[ $needed ] ) ) {
				return current_user_can( $capability );
			}
			if ( empty( $user->allcaps[ $needed ] ) ) {
				return false;
			}
		}
		return true;
	};
}

/**
 * Determines whether a callback belongs to the plugin that provides the Presence API. It
 * handles only its own handles, which heartbeatd knows.
 *
 * @param callable $callback The callback.
 * @return bool
 */
function heartbeatd_is_presence_api_callback( $callback ) {
	static $folder = null;
	if ( 'other' !== heartbeatd_presence_provider() || ! function_exists( 'wp_get_presence' ) ) {
		return false;
	}
	if ( null === $folder ) {
		$file   = heartbeatd_callback_file( 'wp_get_presence' );
		$folder = preg_match( '#^(?:mu-)?plugins/[^/:]+/#', $file, $match ) ? $match[0] : preg_replace( '/\d+$/', '', $file );
	}
	return '' !== $folder && 0 === strpos( heartbeatd_callback_file( $callback ), $folder );
}
