<?php
/**
 * The callbacks on the hooks of a beat.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * The hooks of a beat, and what may hang there: what core and this plugin hook
 * themselves, all of which leaves a beat alone that brings none of its handles.
 *
 * @return array<string, string[]>
 */
function heartbeatd_known_callbacks() {
	$known = array(
		'wp_ajax_heartbeat'         => array( 'wp_ajax_heartbeat', 'heartbeatd_observe_before_beat' ),
		'wp_ajax_nopriv_heartbeat'  => array( 'wp_ajax_nopriv_heartbeat' ),
		'wp_refresh_nonces'         => array( 'wp_refresh_post_nonces', 'wp_refresh_metabox_loader_nonces', 'wp_refresh_heartbeat_nonces', 'heartbeatd_send_ticket_with_nonces' ),
		'heartbeat_received'        => array( 'wp_check_locked_posts', 'wp_refresh_post_lock', 'heartbeat_autosave', 'heartbeatd_before_lock_renewal', 'heartbeatd_presence_received', 'heartbeatd_screen_ping_received' ),
		'heartbeat_send'            => array( 'wp_auth_check' ),
		'heartbeat_tick'            => array( 'heartbeatd_on_heartbeat_tick' ),
		'heartbeat_nopriv_received' => array(),
		'heartbeat_nopriv_send'     => array( 'wp_auth_check' ),
		'heartbeat_nopriv_tick'     => array(),
	);
	/**
	 * Filters the callbacks that need not see every beat: they do nothing
	 * unless a beat brings a handle of their own.
	 *
	 * @param array<string, string[]> $known Callbacks by hook, as 'my_function' or 'My_Class::method'.
	 */
	return (array) apply_filters( 'heartbeatd_known_callbacks', $known );
}

/**
 * Every callback on a beat's hooks that is not known.
 *
 * @return array<string, array{hook: string, callback: string, file: string}> By hook and callback.
 */
function heartbeatd_foreign_callbacks() {
	global $wp_filter;
	$foreign = array();
	foreach ( heartbeatd_known_callbacks() as $hook => $known ) {
		if ( empty( $wp_filter[ $hook ] ) ) {
			continue;
		}
		foreach ( array_merge( ...array_values( $wp_filter[ $hook ]->callbacks ) ) as $entry ) {
			$name = heartbeatd_callback_name( $entry['function'] );
			if ( ! in_array( $name, $known, true ) && ! heartbeatd_is_presence_api_callback( $entry['function'] ) ) {
				$foreign[ "$hook $name" ] = array(
					'hook'     => $hook,
					'callback' => $name,
					'file'     => heartbeatd_callback_file( $entry['function'] ),
				);
			}
		}
	}
	return array_slice( $foreign, 0, HEARTBEATD_MAX_FOREIGN );
}

/**
 * Whether anything but core hangs on a hook.
 *
 * @param string $hook The hook.
 * @return bool
 */
function heartbeatd_has_foreign_callbacks( $hook ) {
	global $wp_filter;
	foreach ( empty( $wp_filter[ $hook ] ) ? array() : array_merge( ...array_values( $wp_filter[ $hook ]->callbacks ) ) as $entry ) {
		if ( ! preg_match( '#^wp-(admin|includes)/#', heartbeatd_callback_file( $entry['function'] ) ) ) {
			return true;
		}
	}
	return false;
}

/**
 * Whether a callback is written where the Presence API is that this plugin
 * stands beside: it minds only its own handles, which heartbeatd knows.
 *
 * @param callable $callback The callback.
 * @return bool
 */
function heartbeatd_is_presence_api_callback( $callback ) {
	static $place = null;
	if ( 'beside' !== heartbeatd_presence_provider() || ! function_exists( 'wp_get_presence' ) ) {
		return false;
	}
	if ( null === $place ) {
		$file  = heartbeatd_callback_file( 'wp_get_presence' );
		$place = preg_match( '#^(?:mu-)?plugins/[^/:]+/#', $file, $match ) ? $match[0] : preg_replace( '/\d+$/', '', $file );
	}
	return '' !== $place && 0 === strpos( heartbeatd_callback_file( $callback ), $place );
}

/**
 * What a callback is called.
 *
 * @param callable $callback The callback.
 * @return string
 */
function heartbeatd_callback_name( $callback ) {
	if ( is_string( $callback ) ) {
		return $callback;
	}
	if ( is_array( $callback ) && isset( $callback[0], $callback[1] ) ) {
		return ( is_object( $callback[0] ) ? get_class( $callback[0] ) : $callback[0] ) . '::' . $callback[1];
	}
	return $callback instanceof Closure ? 'function()' : get_class( $callback ) . '::__invoke';
}

/**
 * Where a callback is written, from the content folder on.
 *
 * @param callable $callback The callback.
 * @return string
 */
function heartbeatd_callback_file( $callback ) {
	try {
		if ( is_string( $callback ) && false !== strpos( $callback, '::' ) ) {
			$callback = explode( '::', $callback );
		}
		if ( is_array( $callback ) ) {
			$code = new ReflectionMethod( $callback[0], $callback[1] );
		} elseif ( is_object( $callback ) && ! $callback instanceof Closure ) {
			$code = new ReflectionMethod( $callback, '__invoke' );
		} else {
			$code = new ReflectionFunction( $callback );
		}
	} catch ( ReflectionException $e ) {
		return ''; // A method by way of __call, or a function that is not there.
	}
	$file = wp_normalize_path( (string) $code->getFileName() );
	foreach ( array( WP_CONTENT_DIR, ABSPATH ) as $folder ) {
		$folder = trailingslashit( wp_normalize_path( $folder ) );
		if ( 0 === strpos( $file, $folder ) ) {
			$file = substr( $file, strlen( $folder ) );
			break;
		}
	}
	return $file . ':' . $code->getStartLine();
}

/**
 * Whether the file of a callback is still there.
 *
 * @param string $file What heartbeatd_callback_file() returned.
 * @return bool True also where there is no file to look for.
 */
function heartbeatd_callback_file_exists( $file ) {
	if ( ! preg_match( '/^(.+?\.php)[:(]\d/', $file, $match ) ) {
		return true;
	}
	return file_exists( WP_CONTENT_DIR . '/' . $match[1] ) || file_exists( ABSPATH . $match[1] ) || file_exists( $match[1] );
}
