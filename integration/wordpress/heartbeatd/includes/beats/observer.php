<?php
/**
 * The observer: during a beat that PHP answers, it wraps each foreign callback and notes the
 * effects that the callback has while it runs. Only beats count that heartbeatd could answer if
 * there were no foreign callback: other beats may have a handle of the callback's own.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * For how many changed handles of the answer an effect is noted.
 */
const HEARTBEATD_MAX_ANSWER_EFFECTS = 5;

/**
 * Returns the effects and reads of the observed callbacks of this beat.
 *
 * @return array<string, array{effects: string[], reads: string[]}> By key.
 */
function &heartbeatd_observed_results() {
	static $results = array();
	return $results;
}

/**
 * Begins to observe a beat, before any of its callbacks runs: a callback may remove itself.
 */
function heartbeatd_observe_before_beat() {
	if ( ! heartbeatd_is_configured() ) {
		return;
	}
	$foreign = heartbeatd_foreign_callbacks();
	heartbeatd_callbacks_before_beat( $foreign );
	if ( ! $foreign && ! heartbeatd_observations()['silent'] ) {
		return;
	}
	// phpcs:ignore WordPress.Security.NonceVerification.Missing, WordPress.Security.ValidatedSanitizedInput -- Core checks the nonce before a callback runs; only the names of handles are used.
	$handles = heartbeatd_beat_handles( empty( $_POST['data'] ) ? array() : (array) $_POST['data'] );
	if ( null !== $handles ) {
		heartbeatd_observed_handles( $handles );
		if ( $foreign ) {
			heartbeatd_wrap_callbacks( heartbeatd_worth_observing( $foreign, $handles ) );
		}
	}
}

/**
 * Determines whether the request is a beat.
 *
 * @return bool
 */
function heartbeatd_is_beat_request() {
	// phpcs:ignore WordPress.Security.NonceVerification.Missing -- Nothing is done because of it.
	return defined( 'DOING_AJAX' ) && DOING_AJAX && isset( $_POST['action'] ) && 'heartbeat' === $_POST['action'];
}

/**
 * Returns the screen that the beat names, as core reads it.
 *
 * @return string
 */
function heartbeatd_beat_screen_id() {
	// phpcs:ignore WordPress.Security.NonceVerification.Missing -- Nothing is done because of it before core has checked the nonce.
	return isset( $_POST['screen_id'] ) && is_string( $_POST['screen_id'] ) && $_POST['screen_id'] ? sanitize_key( $_POST['screen_id'] ) : 'front';
}

/**
 * Leaves out the callbacks that have had an effect at the beat's place within the hour: until
 * it is over, another beat would teach nothing.
 *
 * @param array[] $foreign The foreign callbacks.
 * @param string  $handles The beat's set of handles.
 * @return array[]
 */
function heartbeatd_worth_observing( $foreign, $handles ) {
	$silent = heartbeatd_observations()['silent'];
	$counts = $silent[ heartbeatd_roles_hash() ][ heartbeatd_screen_hash( heartbeatd_beat_screen_id() ) ][ $handles ] ?? array();
	$acts   = static function ( $callback ) use ( $counts ) {
		return ( $counts[ $callback['id'] ] ?? 0 ) === -heartbeatd_hour();
	};
	return array_diff_key( $foreign, array_filter( $foreign, $acts ) );
}

/**
 * Returns the foreign callbacks that were registered when the beat began.
 *
 * @param array[]|null $foreign Sets them.
 * @return array[]
 */
function heartbeatd_callbacks_before_beat( $foreign = null ) {
	static $callbacks = array();
	if ( null !== $foreign ) {
		$callbacks = $foreign;
	}
	return $callbacks;
}

/**
 * Returns the set of handles of the observed beat.
 *
 * @param string|null $handles Sets it.
 * @return string|null Null if the beat is not observed.
 */
function heartbeatd_observed_handles( $handles = null ) {
	static $observed = null;
	if ( null !== $handles ) {
		$observed = $handles;
	}
	return $observed;
}

/**
 * Records the observation of a beat, when all of its callbacks have run.
 *
 * @param string $screen_id The page's screen.
 */
function heartbeatd_record_beat( $screen_id ) {
	$foreign = heartbeatd_callbacks_before_beat() + heartbeatd_foreign_callbacks();
	if ( ! $foreign && heartbeatd_is_place_without_callbacks( $screen_id ) ) {
		return;
	}
	if ( ! heartbeatd_is_known_screen( $screen_id ) ) {
		return; // The page may have invented it.
	}
	if ( heartbeatd_record_observation( $screen_id, $foreign, heartbeatd_observed_handles(), heartbeatd_observed_results() ) ) {
		heartbeatd_enqueue_call( '/revoke', array( 'all' => true ) ); // Pages have tickets that are wrong now.
	}
}

/**
 * Records the observation of a beat that a callback has ended: exit runs no finally block.
 */
function heartbeatd_record_exit() {
	if ( ! heartbeatd_running_callbacks() ) {
		return;
	}
	heartbeatd_note_effect( 'exit' );
	while ( heartbeatd_running_callbacks() ) {
		heartbeatd_end_observation();
	}
	heartbeatd_record_beat( heartbeatd_beat_screen_id() );
}

/**
 * Returns the set of handles of a beat, if heartbeatd could answer it.
 *
 * @param array $data The beat's data, without the handles of this plugin.
 * @return string|null Null if only PHP can answer.
 */
function heartbeatd_beat_handles( $data ) {
	$handles = array_map( 'strval', array_keys( $data ) );
	if ( array_diff( $handles, heartbeatd_native_handles(), HEARTBEATD_REPEATED_HANDLES ) ) {
		return null;
	}
	sort( $handles, SORT_STRING );
	return implode( ',', $handles );
}

/**
 * Wraps the foreign callbacks of a beat.
 *
 * @param array[] $foreign The foreign callbacks.
 */
function heartbeatd_wrap_callbacks( $foreign ) {
	global $wp_filter;
	foreach ( $foreign as $key => $callback ) {
		if ( '' === $callback['id'] || 'wp_ajax_heartbeat' === $callback['hook'] ) {
			continue;
		}
		list( $priority, $index ) = $callback['entry'];

		$entry = $wp_filter[ $callback['hook'] ]->callbacks[ $priority ][ $index ];
		// The hook keeps the index, by which other code may remove the callback.
		$wp_filter[ $callback['hook'] ]->callbacks[ $priority ][ $index ] = array(
			'function'      => heartbeatd_wrap_callback( $entry['function'], (int) $entry['accepted_args'], $key, $callback ),
			'accepted_args' => max( 1, (int) $entry['accepted_args'] ),
		) + $entry;
	}
	add_action( 'shutdown', 'heartbeatd_record_exit', 0 );
}

/**
 * Returns a callback that runs another and observes it.
 *
 * @param callable $function_ The callback.
 * @param int      $accepted  How many arguments it takes.
 * @param string   $key       Its key.
 * @param array    $callback  The foreign callback.
 * @return Closure
 */
function heartbeatd_wrap_callback( $function_, $accepted, $key, $callback ) {
	$is_filter = 'heartbeat_tick' !== $callback['hook'];
	$wrapper   = static function ( ...$arguments ) use ( $function_, $accepted, $key, $callback, $is_filter ) {
		heartbeatd_begin_observation( $key, $callback );
		try {
			$value = call_user_func_array( $function_, array_slice( $arguments, 0, $accepted ) );
			if ( $is_filter && $value !== $arguments[0] ) {
				heartbeatd_note_answer( $arguments[0], $value );
			}
		} finally {
			heartbeatd_end_observation();
		}
		return $value;
	};
	heartbeatd_original_callback( $wrapper, $function_ );
	return $wrapper;
}

/**
 * Begins to observe a callback.
 *
 * @param string $key      Its key.
 * @param array  $callback The foreign callback.
 */
function heartbeatd_begin_observation( $key, $callback ) {
	$running   = &heartbeatd_running_callbacks();
	$running[] = array(
		'key'     => $key,
		'folder'  => heartbeatd_code_folder( $callback['file'] ),
		'before'  => heartbeatd_request_state(),
		'effects' => headers_sent() ? array( 'sent' => true ) : array(),
		'reads'   => array(),
	);
	if ( 1 === count( $running ) ) {
		add_action( 'all', 'heartbeatd_watch_hook' );
		heartbeatd_record_cache( true );
	}
}

/**
 * Ends the observation of the callback that was begun last.
 */
function heartbeatd_end_observation() {
	$running = &heartbeatd_running_callbacks();
	heartbeatd_compare_request_state( end( $running )['before'] );
	$callback = array_pop( $running );
	if ( ! $running ) {
		remove_action( 'all', 'heartbeatd_watch_hook' );
		heartbeatd_record_cache( false );
	}
	$results = &heartbeatd_observed_results();
	foreach ( array( 'effects', 'reads' ) as $what ) {
		$results[ $callback['key'] ][ $what ] = array_values( array_unique( array_merge( $results[ $callback['key'] ][ $what ] ?? array(), array_map( 'strval', array_keys( $callback[ $what ] ) ) ) ) );
	}
}

/**
 * Adds the handles of the answer that a callback changes to its effects.
 *
 * @param mixed $before The answer before it ran.
 * @param mixed $after  The answer that it has returned.
 */
function heartbeatd_note_answer( $before, $after ) {
	$before  = is_array( $before ) ? $before : array();
	$after   = is_array( $after ) ? $after : array();
	$changed = array();
	foreach ( $before + $after as $handle => $value ) {
		if ( ! array_key_exists( $handle, $before ) || ! array_key_exists( $handle, $after ) || $before[ $handle ] !== $after[ $handle ] ) {
			$changed[] = heartbeatd_effect_name( 'answer', (string) $handle );
		}
	}
	array_map( 'heartbeatd_note_effect', array_slice( $changed ? $changed : array( 'answer:' ), 0, HEARTBEATD_MAX_ANSWER_EFFECTS ) );
}

/**
 * Records what a callback writes to a persistent object cache, or stops to.
 *
 * @param bool $begin Whether to begin.
 */
function heartbeatd_record_cache( $begin ) {
	global $wp_object_cache;
	if ( ! $begin ) {
		if ( $wp_object_cache instanceof Heartbeatd_Cache_Recorder ) {
			$wp_object_cache = $wp_object_cache->heartbeatd_cache(); // phpcs:ignore WordPress.WP.GlobalVariablesOverride -- The cache itself.
		}
	} elseif ( wp_using_ext_object_cache() && is_object( $wp_object_cache ) ) {
		$wp_object_cache = new Heartbeatd_Cache_Recorder( $wp_object_cache ); // phpcs:ignore WordPress.WP.GlobalVariablesOverride -- Until the callback returns.
		if ( ! $wp_object_cache->heartbeatd_is_used() ) {
			heartbeatd_note_effect( 'unseen-cache' );
		}
	}
}
