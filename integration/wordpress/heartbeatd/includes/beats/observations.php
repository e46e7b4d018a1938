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
 * Looks at the hooks before anything of the beat has run: what hangs there may
 * take itself off.
 */
function heartbeatd_observe_before_beat() {
	if ( heartbeatd_is_configured() ) {
		heartbeatd_callbacks_before_beat( heartbeatd_foreign_callbacks() );
	}
}

/**
 * What was foreign when the beat began.
 *
 * @param array[]|null $foreign Sets it.
 * @return array[]
 */
function heartbeatd_callbacks_before_beat( $foreign = null ) {
	static $seen = array();
	if ( null !== $foreign ) {
		$seen = $foreign;
	}
	return $seen;
}

/**
 * Remembers what hung on the hooks during a beat of the current user. It writes
 * only when there is something new to say.
 *
 * @param string  $screen_id The page's screen.
 * @param array[] $foreign   What heartbeatd_foreign_callbacks() returned during the beat.
 */
function heartbeatd_record_observation( $screen_id, $foreign ) {
	$foreign = array_slice( $foreign, 0, HEARTBEATD_MAX_FOREIGN, true );
	$learned = heartbeatd_observations();
	$roles   = heartbeatd_roles_hash();
	$screen  = heartbeatd_screen_hash( $screen_id );
	if ( array_diff_key( $foreign, $learned['foreign'] ) ) {
		$learned['clean'] = array();
	}
	$learned['foreign'] = heartbeatd_merge_foreign_callbacks( $learned['foreign'], $foreign, "$roles $screen" );
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
function heartbeatd_merge_foreign_callbacks( $known, $foreign, $place ) {
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
 * What is remembered, as far as it still holds.
 *
 * @return array{fingerprint: string, clean: array<string, array<string, int>>, foreign: array<string, array>}
 */
function heartbeatd_observations() {
	$fingerprint = heartbeatd_code_fingerprint();
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
		return $seen['at'] > time() - DAY_IN_SECONDS && heartbeatd_callback_file_exists( $seen['file'] )
			&& ! in_array( $seen['callback'], $known[ $seen['hook'] ] ?? array(), true );
	};

	$learned['foreign'] = array_filter( $learned['foreign'], $current );
	return $learned;
}

/**
 * A plugin, a theme or WordPress was updated: what is hooked may have changed.
 */
function heartbeatd_reset_observations() {
	update_option( 'heartbeatd_learned', array(), true );
}

/**
 * Changes whenever other code runs than before, as far as the options tell.
 *
 * @return string
 */
function heartbeatd_code_fingerprint() {
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
 * Whose beats something was learned from: callbacks may be hooked for some
 * roles only.
 *
 * @return string
 */
function heartbeatd_roles_hash() {
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
function heartbeatd_screen_hash( $screen_id ) {
	return substr( md5( $screen_id ), 0, 8 );
}
