<?php
/**
 * Whether heartbeatd may answer beats instead of PHP. That is found out by
 * looking: during real beats, at everything that hangs on Heartbeat's hooks.
 * Where a callback is hooked that is not known to mind only its own handles,
 * PHP must see every beat.
 *
 * What was seen is remembered in one option. A place is a set of roles and a
 * screen: callbacks may be hooked for some of them only.
 *
 *     fingerprint   of the plugins, the theme and WordPress; with another one, nothing is known
 *     clean         for each set of roles, the screens whose last beat had nothing foreign hooked
 *     foreign       the callbacks that want every beat, with the places where the last beat had them
 *
 * Only beats of clean places may be answered by heartbeatd; the others go to PHP,
 * so one beat is enough to notice that a callback is gone. A callback that is
 * seen for the first time may be hooked at any place by now: none is clean then.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * How many sets of roles are remembered, screens for each, foreign callbacks, and
 * places for each. A page names its screen itself: one that makes them up only
 * makes people of its own roles forget.
 */
const HEARTBEATD_MAX_ROLES   = 20;
const HEARTBEATD_MAX_SCREENS = 60;
const HEARTBEATD_MAX_FOREIGN = 20;
const HEARTBEATD_MAX_PLACES  = 20;

/**
 * The hooks of a beat, and what may hang there: what core and this plugin hook
 * themselves, all of which leaves a beat alone that brings none of its handles.
 *
 * @return array<string, string[]>
 */
function heartbeatd_known_callbacks() {
	$known = array(
		'wp_ajax_heartbeat'         => array( 'wp_ajax_heartbeat', 'heartbeatd_look_before_beat' ),
		'wp_ajax_nopriv_heartbeat'  => array( 'wp_ajax_nopriv_heartbeat' ),
		'wp_refresh_nonces'         => array( 'wp_refresh_post_nonces', 'wp_refresh_metabox_loader_nonces', 'wp_refresh_heartbeat_nonces', 'heartbeatd_send_ticket_with_nonces' ),
		'heartbeat_received'        => array( 'wp_check_locked_posts', 'wp_refresh_post_lock', 'heartbeat_autosave', 'heartbeatd_before_lock_renewal', 'heartbeatd_presence_received', 'heartbeatd_screens_received' ),
		'heartbeat_send'            => array( 'wp_auth_check' ),
		'heartbeat_tick'            => array( 'heartbeatd_send_ticket' ),
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
			if ( ! in_array( $name, $known, true ) && ! heartbeatd_is_of_presence_api( $entry['function'] ) ) {
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
function heartbeatd_is_of_presence_api( $callback ) {
	static $place = null;
	if ( 'beside' !== heartbeatd_presence_mode() || ! function_exists( 'wp_get_presence' ) ) {
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
function heartbeatd_file_exists( $file ) {
	if ( ! preg_match( '/^(.+?\.php)[:(]\d/', $file, $match ) ) {
		return true;
	}
	return file_exists( WP_CONTENT_DIR . '/' . $match[1] ) || file_exists( ABSPATH . $match[1] ) || file_exists( $match[1] );
}

/**
 * What is remembered, as far as it still holds.
 *
 * @return array{fingerprint: string, clean: array<string, array<string, int>>, foreign: array<string, array>}
 */
function heartbeatd_learned() {
	$fingerprint = heartbeatd_fingerprint();
	$learned     = get_option( 'heartbeatd_learned' );
	if ( ! is_array( $learned ) || ! isset( $learned['fingerprint'] ) || $learned['fingerprint'] !== $fingerprint ) {
		return array(
			'fingerprint' => $fingerprint,
			'clean'       => array(),
			'foreign'     => array(),
		);
	}
	$known   = heartbeatd_known_callbacks();
	$current = static function ( $seen ) use ( $known ) {
		// Nobody may come to its places any more: forget what was not seen for a day.
		return $seen['at'] > time() - DAY_IN_SECONDS && heartbeatd_file_exists( $seen['file'] )
			&& ! in_array( $seen['callback'], $known[ $seen['hook'] ] ?? array(), true );
	};

	$learned['foreign'] = array_filter( $learned['foreign'], $current );
	return $learned;
}

/**
 * Changes whenever other code runs than before, as far as the options tell.
 *
 * @return string
 */
function heartbeatd_fingerprint() {
	return md5(
		wp_json_encode(
			array(
				HEARTBEATD_PLUGIN_VERSION,
				get_bloginfo( 'version' ),
				get_option( 'active_plugins' ),
				is_multisite() ? get_site_option( 'active_sitewide_plugins' ) : array(),
				get_option( 'stylesheet' ),
			)
		)
	);
}

/**
 * A plugin, a theme or WordPress was updated: what is hooked may have changed.
 */
function heartbeatd_forget_learned() {
	update_option( 'heartbeatd_learned', array(), true );
}

/**
 * Whose beats something was learned from: callbacks may be hooked for some
 * roles only.
 *
 * @return string
 */
function heartbeatd_roles_key() {
	$roles = wp_get_current_user()->roles;
	sort( $roles );
	return substr( md5( implode( ',', $roles ) . '|' . is_super_admin() ), 0, 12 );
}

/**
 * A screen, as it is remembered.
 *
 * @param string $screen_id The page's screen.
 * @return string
 */
function heartbeatd_screen_key( $screen_id ) {
	return substr( md5( $screen_id ), 0, 8 );
}

/**
 * Remembers what hung on the hooks during a beat of the current user. It writes
 * only when there is something new to say.
 *
 * @param string  $screen_id The page's screen.
 * @param array[] $foreign   What heartbeatd_foreign_callbacks() returned during the beat.
 */
function heartbeatd_learn( $screen_id, $foreign ) {
	$foreign = array_slice( $foreign, 0, HEARTBEATD_MAX_FOREIGN, true );
	$learned = heartbeatd_learned();
	$roles   = heartbeatd_roles_key();
	$screen  = heartbeatd_screen_key( $screen_id );
	if ( array_diff_key( $foreign, $learned['foreign'] ) ) {
		$learned['clean'] = array();
	}
	$learned['foreign'] = heartbeatd_learn_foreign( $learned['foreign'], $foreign, "$roles $screen" );
	if ( $foreign ) {
		unset( $learned['clean'][ $roles ][ $screen ] );
		$learned['clean'] = array_filter( $learned['clean'] );
	} else {
		$learned['clean'][ $roles ] = array_slice( ( $learned['clean'][ $roles ] ?? array() ) + array( $screen => 1 ), -HEARTBEATD_MAX_SCREENS, null, true );
		$learned['clean']           = array_slice( $learned['clean'], -HEARTBEATD_MAX_ROLES, null, true );
	}
	if ( get_option( 'heartbeatd_learned' ) !== $learned ) {
		update_option( 'heartbeatd_learned', $learned, true );
	}
}

/**
 * The foreign callbacks with what a beat has shown: those that it had are at its
 * place, the others no longer. A callback without any place is forgotten.
 *
 * @param array[] $known   What is remembered.
 * @param array[] $foreign What the beat had.
 * @param string  $place   The beat's place.
 * @return array[]
 */
function heartbeatd_learn_foreign( $known, $foreign, $place ) {
	foreach ( array_diff_key( $known, $foreign ) as $key => $callback ) {
		unset( $known[ $key ]['places'][ $place ] );
	}
	foreach ( $foreign as $key => $callback ) {
		$before = $known[ $key ] ?? array();
		$recent = ( $before['at'] ?? 0 ) > time() - HOUR_IN_SECONDS;
		$places = array(
			'at'     => $recent ? $before['at'] : time(),
			// Where the list is full it stays as it is: to replace a place with every beat would write with every beat.
			'places' => array_slice( ( $before['places'] ?? array() ) + array( $place => 1 ), 0, HEARTBEATD_MAX_PLACES, true ),
		);

		$known[ $key ] = $places + $callback;
	}
	$is_somewhere = static function ( $callback ) {
		return ! empty( $callback['places'] );
	};
	return array_slice( array_filter( $known, $is_somewhere ), -HEARTBEATD_MAX_FOREIGN, null, true );
}

/**
 * Whether heartbeatd may answer beats of this page. Without its API PHP cannot tell
 * it when something changes, and must see every beat.
 *
 * @param string $screen_id The page's screen.
 * @return bool
 */
function heartbeatd_may_be_native( $screen_id ) {
	$learned = heartbeatd_learned();
	$native  = isset( $learned['clean'][ heartbeatd_roles_key() ][ heartbeatd_screen_key( $screen_id ) ] )
		&& ! heartbeatd_foreign_callbacks() && heartbeatd_nonces_are_usual() && ! heartbeatd_last_call_failed();
	/**
	 * Filters whether heartbeatd may answer a page's beats. Only "no" is listened to.
	 *
	 * @param bool   $native    Whether it may.
	 * @param string $screen_id The page's screen.
	 */
	return $native && apply_filters( 'heartbeatd_native', $native, $screen_id );
}

/**
 * Whether nonces age as core's do: another plugin may have replaced them.
 *
 * @return bool
 */
function heartbeatd_nonces_are_usual() {
	$left = heartbeatd_nonce_fresh_until() - time();
	// phpcs:ignore WordPress.NamingConventions.PrefixAllGlobals.NonPrefixedHooknameFound -- Core's filter.
	return $left >= 0 && $left <= apply_filters( 'nonce_life', DAY_IN_SECONDS, 'heartbeat-nonce' ) / 2;
}
