<?php
/**
 * Observations: which foreign callbacks were registered during the last beats, and which
 * effects they had. While one on heartbeat_received is registered, PHP must see the beats that have
 * handles of core or of another plugin; while one on another hook is registered, PHP must see
 * all beats. A silent callback does not count, in beats with the handles with which it was silent.
 *
 * The option heartbeatd_learned stores the observations. A place is a set of roles and a
 * screen: callbacks may be registered for some of them only.
 *
 *     fingerprint   of the plugins, the theme and WordPress; if it changes, all observations are removed
 *     native        for each set of roles, the screens for which heartbeatd may answer beats, with
 *                   the sets of handles that these may carry, as of the last beat; true for all
 *     full          the hour in which a full list of these screens has begun again
 *     sets_full     the hour in which full lists of sets of handles have lost some
 *     foreign       the foreign callbacks, with the places whose last beat had them
 *     silent        for each place and set of handles that its beats carry, the number of silent
 *                   beats of each callback that the last beat with the set had, or minus the hour
 *                   of its last effect
 *     effects       the effects of the callbacks that had one
 *     reads         the options and metadata keys that a callback reads
 *     changes       how often in an hour these have changed
 *
 * heartbeatd may answer only beats of places in `native`. Other beats go to PHP, so that one beat
 * with each set of handles shows that a callback is gone. A new foreign callback may be registered at any place: when
 * it is seen for the first time, it limits the sets of all places.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * How many screens for each set of roles, and places for each foreign callback are stored. A
 * full list does not change: replacing an item with every beat would write the option with
 * every beat. PHP sees every beat of other screens. Full lists in `native` begin again, at most once
 * in an hour.
 */
const HEARTBEATD_MAX_SCREENS = 60;
const HEARTBEATD_MAX_PLACES  = 20;

/**
 * How many screens are stored for which PHP has printed a page, besides those of core. A beat may
 * name any screen: only beats of screens that exist are recorded, and PHP answers the others.
 */
const HEARTBEATD_MAX_KNOWN_SCREENS = 300;

/**
 * Records a beat of the current user. Writes the option only if something has changed.
 *
 * @param string      $screen_id The page's screen.
 * @param array[]     $foreign   The foreign callbacks during the beat.
 * @param string|null $handles   The beat's set of handles; null if the callbacks were not observed.
 * @param array[]     $results   What the observed callbacks have done.
 * @return bool Whether a callback has had an effect that it did not have before.
 */
function heartbeatd_record_observation( $screen_id, $foreign, $handles = null, $results = array() ) {
	heartbeatd_load_learning();
	if ( is_multisite() ) {
		$results = heartbeatd_index_network_reads( $results );
	}
	$place = array( heartbeatd_roles_hash(), heartbeatd_screen_hash( $screen_id ) );
	if ( get_option( 'heartbeatd_learned' ) === heartbeatd_add_observation( heartbeatd_observations(), $place, $foreign, $handles, $results ) ) {
		return false;
	}
	// What another request has written since this one began must not be lost.
	wp_cache_delete( 'alloptions', 'options' );
	$before = heartbeatd_observations();
	$after  = heartbeatd_add_observation( $before, $place, $foreign, $handles, $results );
	update_option( 'heartbeatd_learned', $after, true );
	return heartbeatd_has_turned( $before['silent'][ $place[0] ][ $place[1] ][ (string) $handles ] ?? array(), $foreign, $results );
}

/**
 * Returns the observations with those of a beat.
 *
 * @param array       $observations The observations so far.
 * @param string[]    $place        The roles and the screen.
 * @param array[]     $foreign      The foreign callbacks during the beat.
 * @param string|null $handles      The same as for heartbeatd_record_observation().
 * @param array[]     $results      The same as for heartbeatd_record_observation().
 * @return array
 */
function heartbeatd_add_observation( $observations, $place, $foreign, $handles, $results ) {
	list( $roles, $screen ) = $place;

	$stored       = array_slice( $foreign, 0, HEARTBEATD_MAX_FOREIGN, true );
	$observations = heartbeatd_learn_effects( $observations, $place, $stored, $handles, $results );
	$counts       = $observations['silent'][ $roles ][ $screen ] ?? array();
	$merged       = heartbeatd_merge_foreign_callbacks( $observations['foreign'], $stored, "$roles $screen", $counts );
	$sets         = heartbeatd_limit_sets( true, $foreign + heartbeatd_callbacks_of_place( $merged, "$roles $screen", $counts ), $counts );

	$is_new = static function ( $callback, $key ) use ( $observations, $merged ) {
		return isset( $merged[ $key ] ) && ( $observations['foreign'][ $key ]['id'] ?? null ) !== $callback['id'];
	};

	$observations['native']  = heartbeatd_limit_places( $observations['native'], array_filter( $stored, $is_new, ARRAY_FILTER_USE_BOTH ) );
	$observations['foreign'] = $merged;
	return heartbeatd_set_native( $observations, $place, $sets );
}

/**
 * Stores the sets of handles with which heartbeatd may answer beats of a place.
 *
 * @param array         $observations The observations.
 * @param string[]      $place        The roles and the screen.
 * @param string[]|true $sets         The sets, or true for all.
 * @return array
 */
function heartbeatd_set_native( $observations, $place, $sets ) {
	list( $roles, $screen ) = $place;

	$native  = $observations['native'];
	$screens = $native[ $roles ] ?? array();
	if ( ! $sets ) {
		unset( $native[ $roles ][ $screen ] );
		$observations['native'] = array_filter( $native );
		return $observations;
	}
	$has_room = isset( $screens[ $screen ] ) || ( count( $screens ) < HEARTBEATD_MAX_SCREENS && ( $screens || count( $native ) < HEARTBEATD_MAX_ROLES ) );
	if ( ! $has_room ) {
		if ( heartbeatd_hour() === $observations['full'] ) {
			return $observations;
		}
		$observations['full'] = heartbeatd_hour();
		if ( $screens ) {
			$native[ $roles ] = array();
		} else {
			$native = array();
		}
	}
	$native[ $roles ][ $screen ] = $sets;
	$observations['native']      = $native;
	return $observations;
}

/**
 * Limits the sets of all places because of foreign callbacks that were not observed there.
 *
 * @param array<string, array<string, string[]|true>> $native  The sets by roles and screen.
 * @param array[]                                     $foreign The callbacks.
 * @return array<string, array<string, string[]|true>>
 */
function heartbeatd_limit_places( $native, $foreign ) {
	foreach ( $foreign ? $native : array() as $roles => $screens ) {
		foreach ( $screens as $screen => $sets ) {
			$screens[ $screen ] = heartbeatd_limit_sets( $sets, $foreign );
		}
		$native[ $roles ] = array_filter( $screens );
	}
	return array_filter( $native );
}

/**
 * Returns the stored foreign callbacks of a place.
 *
 * @param array[]                           $known  The stored callbacks.
 * @param string                            $place  The place.
 * @param array<string, array<string, int>> $counts The place's counts.
 * @return array[]
 */
function heartbeatd_callbacks_of_place( $known, $place, $counts ) {
	$is_here = static function ( $callback ) use ( $place, $counts ) {
		return isset( $callback['places'][ $place ] ) || heartbeatd_is_counted( $callback, $counts );
	};
	return array_filter( $known, $is_here );
}

/**
 * Adds the place of a beat to the foreign callbacks that it had, and removes it from the others,
 * unless the last beat with another set of handles had them. A callback without a place is removed.
 *
 * @param array[] $known   The stored callbacks.
 * @param array[] $foreign The foreign callbacks during the beat.
 * @param string  $place   The beat's place.
 * @param array   $counts  The place's counts, by set.
 * @return array[]
 */
function heartbeatd_merge_foreign_callbacks( $known, $foreign, $place, $counts ) {
	foreach ( array_diff_key( $known, $foreign ) as $key => $callback ) {
		if ( ! heartbeatd_is_counted( $callback, $counts ) ) {
			unset( $known[ $key ]['places'][ $place ] );
		}
	}
	foreach ( $foreign as $key => $callback ) {
		$before = $known[ $key ] ?? array();
		$recent = ( $before['at'] ?? 0 ) > time() - HOUR_IN_SECONDS;
		$places = array(
			'at'     => $recent ? $before['at'] : time(),
			// A full list does not change: replacing a place with every beat would write the option with every beat.
			'places' => array_slice( ( $before['places'] ?? array() ) + array( $place => 1 ), 0, HEARTBEATD_MAX_PLACES, true ),
		);

		$known[ $key ] = $places + array_diff_key( $callback, array( 'entry' => true ) );
	}
	$has_place = static function ( $callback ) {
		return ! empty( $callback['places'] );
	};
	return array_slice( array_filter( $known, $has_place ), 0, HEARTBEATD_MAX_FOREIGN, true );
}

/**
 * Returns the stored observations that are still valid.
 *
 * @return array{fingerprint: string, native: array, full: int, sets_full: int, foreign: array, silent: array, effects: array, reads: array, changes: array}
 */
function heartbeatd_observations() {
	static $read = array( null, null );

	$options = wp_load_alloptions(); // Those of the current site of a network.
	if ( $read[0] !== $options ) { // Not slow: an array that nobody has changed is the same one.
		$read = array( $options, heartbeatd_valid_observations( heartbeatd_stored_observations() ) );
	}
	return $read[1];
}

/**
 * Returns the stored observations, which may not be valid any more.
 *
 * @return mixed
 */
function heartbeatd_stored_observations() {
	static $read = array( null, null );

	$stored = wp_load_alloptions()['heartbeatd_learned'] ?? get_option( 'heartbeatd_learned' ); // Decoded only once.
	if ( $read[0] !== $stored ) {
		$read = array( $stored, maybe_unserialize( $stored ) );
	}
	return $read[1];
}

/**
 * Determines whether the option has foreign callbacks, or what they did.
 *
 * @return bool
 */
function heartbeatd_are_callbacks_known() {
	$stored = heartbeatd_stored_observations();
	return ! empty( $stored['foreign'] ) || ! empty( $stored['silent'] ) || ! empty( $stored['effects'] ) || ! empty( $stored['reads'] ) || ! empty( $stored['changes'] );
}

/**
 * Removes from the stored observations what is not valid any more.
 *
 * @param mixed $observations The option.
 * @return array The same as heartbeatd_observations().
 */
function heartbeatd_valid_observations( $observations ) {
	$nothing = array(
		'fingerprint' => heartbeatd_code_fingerprint(),
		'native'      => array(),
		'full'        => 0,
		'sets_full'   => 0,
		'foreign'     => array(),
		'silent'      => array(),
		'effects'     => array(),
		'reads'       => array(),
		'changes'     => array(),
	);
	if ( ! is_array( $observations ) || ( $observations['fingerprint'] ?? '' ) !== $nothing['fingerprint'] || array_diff_key( $nothing, $observations ) ) {
		return $nothing;
	}
	if ( ! $observations['foreign'] ) {
		return $observations;
	}
	$known   = heartbeatd_known_callbacks();
	$current = static function ( $seen ) use ( $known ) {
		// Its places may not be visited any more, so a callback is forgotten after a day.
		return $seen['at'] > time() - DAY_IN_SECONDS && ( '' === $seen['file'] || 'PHP' === $seen['file'] || '' !== heartbeatd_callback_path( $seen['file'] ) )
			&& ! in_array( $seen['callback'], $known[ $seen['hook'] ] ?? array(), true );
	};

	$observations['foreign'] = array_filter( $observations['foreign'], $current );
	return $observations;
}

/**
 * Forgets all observations after a plugin, a theme or WordPress was updated: other callbacks
 * may be registered.
 *
 * @param mixed $upgrader What has updated it.
 * @param array $extra    What was updated. Translations have no callbacks.
 */
function heartbeatd_reset_observations( $upgrader = null, $extra = array() ) {
	unset( $upgrader );
	if ( 'translation' === ( $extra['type'] ?? '' ) ) {
		return;
	}
	update_option( 'heartbeatd_learned', array(), true );
}

/**
 * Forgets the sets of all places, and revokes the tickets that depend on them, after the
 * choices on the settings screen have changed.
 *
 * @param mixed $before The settings before the update.
 * @param mixed $after  The settings after it.
 */
function heartbeatd_on_settings_update( $before, $after ) {
	if ( ( $before['paces'] ?? array() ) === ( $after['paces'] ?? array() ) ) {
		return;
	}
	wp_cache_delete( 'alloptions', 'options' );
	$observations           = heartbeatd_observations();
	$observations['native'] = array();
	update_option( 'heartbeatd_learned', $observations, true );
	heartbeatd_enqueue_call( '/revoke', array( 'all' => true ) );
}

/**
 * Returns a hash that changes when other code runs than before, as far as options show it. It has the
 * options as they are stored, since decoding them takes longer, unless another plugin filters them to
 * run other code in some requests.
 *
 * @return string
 */
function heartbeatd_code_fingerprint() {
	$options = wp_load_alloptions();
	$code    = array( HEARTBEATD_PLUGIN_VERSION, $GLOBALS['wp_version'] );
	foreach ( array( 'active_plugins', 'stylesheet' ) as $name ) {
		$is_filtered = has_filter( "option_$name" ) || has_filter( "pre_option_$name" );
		$code[]      = $is_filtered || ! isset( $options[ $name ] ) ? maybe_serialize( get_option( $name ) ) : $options[ $name ];
	}
	if ( is_multisite() ) {
		$code[] = maybe_serialize( get_site_option( 'active_sitewide_plugins' ) );
	}
	return md5( implode( "\n", $code ) );
}

/**
 * Returns a hash of the current user's roles: callbacks may be registered for some roles
 * only.
 *
 * @return string
 */
function heartbeatd_roles_hash() {
	static $hashes = array();

	$user  = wp_get_current_user();
	$roles = $user->roles;
	sort( $roles );
	$roles = implode( ',', $roles );
	$key   = "$user->ID $roles";
	if ( ! isset( $hashes[ $key ] ) ) {
		// On a single site is_super_admin() checks this capability, and takes longer.
		$is_super = is_multisite() ? is_super_admin() : ! empty( $user->allcaps['delete_users'] );
		$hashes   = array( $key => substr( md5( $roles . '|' . $is_super ), 0, 12 ) );
	}
	return $hashes[ $key ];
}

/**
 * Returns a hash of a screen's id.
 *
 * @param string $screen_id The page's screen.
 * @return string
 */
function heartbeatd_screen_hash( $screen_id ) {
	return substr( md5( $screen_id ), 0, 8 );
}

/**
 * Records that PHP prints a page of a screen. Writes the option once for each screen.
 *
 * @param string $screen_id The screen.
 */
function heartbeatd_record_screen( $screen_id ) {
	if ( heartbeatd_is_known_screen( $screen_id ) || ! is_user_logged_in() ) {
		return;
	}
	wp_cache_delete( 'alloptions', 'options' ); // Another request may have written it since it was read.
	$screens   = (array) get_option( 'heartbeatd_screens' );
	$screens[] = heartbeatd_screen_hash( $screen_id );
	update_option( 'heartbeatd_screens', array_slice( array_values( array_unique( array_filter( $screens ) ) ), -HEARTBEATD_MAX_KNOWN_SCREENS ), true );
}

/**
 * Determines whether a screen exists.
 *
 * @param string $screen_id The screen.
 * @return bool
 */
function heartbeatd_is_known_screen( $screen_id ) {
	$name = preg_replace( '/^edit-/', '', $screen_id );
	return isset( HEARTBEATD_SCREEN_LABELS[ $screen_id ] ) || post_type_exists( $name ) || taxonomy_exists( $name )
		|| in_array( heartbeatd_screen_hash( $screen_id ), (array) get_option( 'heartbeatd_screens' ), true );
}
