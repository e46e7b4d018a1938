<?php
/**
 * What the observations say about foreign callbacks: whether they have effects, and which
 * options and metadata they read. If one of these changes, the callback is no longer silent.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * The largest number of sets of roles for which observations are stored.
 */
const HEARTBEATD_MAX_ROLES = 20;

/**
 * The largest numbers of screens of a set of roles, and of sets of handles of a screen, for
 * which silent beats are counted. PHP sees every beat of other screens and with other sets. A full
 * list of screens does not change, and full lists of sets lose those without a silent callback, at
 * most once in an hour: replacing an item with every beat would write the option with every beat.
 * All counts together are limited too: the option is loaded with every request.
 */
const HEARTBEATD_MAX_SILENT_SCREENS = 40;
const HEARTBEATD_MAX_SILENT_HANDLES = 8;
const HEARTBEATD_MAX_SILENT_COUNTS  = 4000;

/**
 * How many effects of a callback are stored.
 */
const HEARTBEATD_MAX_EFFECTS = 10;

/**
 * How often in an hour silent beats are counted again because a value that the callback reads
 * has changed. After that, the callback counts as one that has effects.
 */
const HEARTBEATD_MAX_CHANGES = 3;

/**
 * The largest number of bytes of the names of all options and metadata keys that callbacks
 * read. A callback that reads more counts as one that has effects, because not all changes
 * would be noticed.
 */
const HEARTBEATD_MAX_READ_BYTES = 16384;

/**
 * Adds the effects and reads of the callbacks of a beat to the observations.
 *
 * @param array       $observations The observations so far.
 * @param string[]    $place        The roles and the screen.
 * @param array[]     $foreign      The foreign callbacks during the beat.
 * @param string|null $handles      The beat's set of handles; null if the callbacks were not observed.
 * @param array[]     $results      What the observed callbacks have done.
 * @return array
 */
function heartbeatd_learn_effects( $observations, $place, $foreign, $handles, $results ) {
	list( $roles, $screen ) = $place;

	$before = $observations['silent'][ $roles ][ $screen ] ?? array();
	if ( null === $handles || ( ! $foreign && ! $before ) ) {
		return $observations;
	}
	if ( $before ) {
		$observations['silent'][ $roles ][ $screen ] = heartbeatd_add_callbacks( $before, $foreign );
	}
	$before = $before[ $handles ] ?? array();
	$counts = array();
	foreach ( $foreign as $key => $callback ) {
		$id = $callback['id'];
		if ( 'heartbeat_received' === $callback['hook'] && '' === $handles ) {
			continue; // Core does not apply it to beats without handles.
		}
		$result = '' === $id ? null : $results[ $key ] ?? null;
		if ( $result && ( $observations['changes'][ $id ] ?? array() ) === array( heartbeatd_hour(), HEARTBEATD_MAX_CHANGES ) ) {
			$result['effects'][] = 'changes';
		}
		if ( $result && ! $result['effects'] ) {
			list( $observations['reads'], $is_complete ) = heartbeatd_add_reads( $observations['reads'], $id, $result['reads'] );
			if ( ! $is_complete ) {
				$result['effects'][] = 'reads';
			}
		}
		$count = $result ? heartbeatd_count_silent_beat( $before[ $id ] ?? 0, ! $result['effects'] ) : $before[ $id ] ?? 0;
		if ( $result && $result['effects'] ) {
			$observations['effects'][ $id ] = heartbeatd_merge_names( $observations['effects'][ $id ] ?? array(), $result['effects'], HEARTBEATD_MAX_EFFECTS );
			if ( heartbeatd_has_turned( $before, $foreign, array( $key => $result ) ) ) {
				$observations = heartbeatd_forget_callbacks( $observations, array( $id ) );
			}
		}
		$counts[ $id ] = $count;
	}
	$observations = heartbeatd_drop_rare_sets( $observations, $place, $handles );
	if ( heartbeatd_has_room_for( $observations['silent'], $place, $handles ) ) {
		$observations['silent'][ $roles ][ $screen ][ $handles ] = $counts;
	}
	if ( ! array_filter( $observations['silent'][ $roles ][ $screen ] ?? array() ) ) {
		unset( $observations['silent'][ $roles ][ $screen ] ); // No beat of the place has a foreign callback.
		$observations['silent'] = array_filter( $observations['silent'] );
	}
	return heartbeatd_drop_unused( $observations );
}

/**
 * Adds callbacks that a place did not have to all of its sets of handles: they may be registered
 * in the next beats with these, too. A beat in which a callback is not registered removes it from
 * its own set.
 *
 * @param array<string, array<string, int>> $sets    The place's counts.
 * @param array[]                           $foreign The foreign callbacks during a beat.
 * @return array<string, array<string, int>>
 */
function heartbeatd_add_callbacks( $sets, $foreign ) {
	foreach ( $foreign as $callback ) {
		if ( heartbeatd_is_counted( $callback, $sets ) ) {
			continue;
		}
		foreach ( array_keys( $sets ) as $handles ) {
			if ( 'heartbeat_received' !== $callback['hook'] || '' !== $handles ) {
				$sets[ $handles ][ $callback['id'] ] = 0;
			}
		}
	}
	return $sets;
}

/**
 * Counts a beat of a callback.
 *
 * @param int  $count  The number of silent beats so far, or minus the hour of the last effect.
 * @param bool $silent Whether the callback had no effect in this beat.
 * @return int
 */
function heartbeatd_count_silent_beat( $count, $silent ) {
	if ( ! $silent ) {
		return -heartbeatd_hour();
	}
	if ( $count < 0 ) {
		return -$count < heartbeatd_hour() ? 1 : $count; // Silent beats do not count in the hour of an effect.
	}
	return min( $count + 1, HEARTBEATD_SILENT_BEATS );
}

/**
 * Adds names to the options and metadata keys that a callback reads.
 *
 * @param array<string, string[]> $reads The names that are stored, by callback.
 * @param string                  $id    The callback's id.
 * @param string[]                $names The names that it has read in this beat.
 * @return array{0: array<string, string[]>, 1: bool} The names, and whether all of them are stored.
 */
function heartbeatd_add_reads( $reads, $id, $names ) {
	$before = $reads;
	$known  = $reads[ $id ] ?? array();
	$all    = array_values( array_unique( array_merge( $known, $names ) ) );
	if ( $all === $known ) {
		return array( $reads, true );
	}
	$reads[ $id ] = $all;
	$bytes        = strlen( implode( ' ', array_merge( ...array_values( $reads ) ) ) );
	if ( count( $all ) > 2 * HEARTBEATD_MAX_READS || $bytes > HEARTBEATD_MAX_READ_BYTES ) {
		return array( $before, false ); // The callback may be silent at other places.
	}
	return array( $reads, true );
}

/**
 * Returns the current hour, counted from 1970.
 *
 * @return int
 */
function heartbeatd_hour() {
	return (int) floor( time() / HOUR_IN_SECONDS );
}

/**
 * Adds names to those that are stored for a callback. Existing ones stay, in their order:
 * what differs from beat to beat would write the option with every beat.
 *
 * @param string[] $known The names that are stored.
 * @param string[] $names The names of this beat.
 * @param int      $limit How many are stored.
 * @return string[]
 */
function heartbeatd_merge_names( $known, $names, $limit ) {
	return array_slice( array_values( array_unique( array_merge( $known, $names ) ) ), 0, $limit );
}

/**
 * Determines whether the counts of a place can be stored.
 *
 * @param array    $silent  The counts of silent beats, by roles and screen.
 * @param string[] $place   The roles and the screen.
 * @param string   $handles The beat's set of handles.
 * @return bool
 */
function heartbeatd_has_room_for( $silent, $place, $handles ) {
	list( $roles, $screen ) = $place;

	$screens = $silent[ $roles ] ?? array();
	$sets    = $screens[ $screen ] ?? array();
	return isset( $sets[ $handles ] ) || (
		count( $sets ) < HEARTBEATD_MAX_SILENT_HANDLES
		&& ( $sets || count( $screens ) < HEARTBEATD_MAX_SILENT_SCREENS )
		&& ( $screens || count( $silent ) < HEARTBEATD_MAX_ROLES )
		&& count( $silent, COUNT_RECURSIVE ) < HEARTBEATD_MAX_SILENT_COUNTS
	);
}

/**
 * If the list of a place has no room for another set of handles: removes the sets with which no
 * callback is silent from all full lists, at most once in an hour. Tickets do not depend on them.
 *
 * @param array    $observations The observations.
 * @param string[] $place        The roles and the screen.
 * @param string   $handles      The beat's set of handles.
 * @return array
 */
function heartbeatd_drop_rare_sets( $observations, $place, $handles ) {
	list( $roles, $screen ) = $place;

	$sets = $observations['silent'][ $roles ][ $screen ] ?? array();
	if ( isset( $sets[ $handles ] ) || count( $sets ) < HEARTBEATD_MAX_SILENT_HANDLES || heartbeatd_hour() === $observations['sets_full'] ) {
		return $observations;
	}
	$observations['sets_full'] = heartbeatd_hour();
	$has_silent                = static function ( $counts ) {
		return $counts && max( $counts ) >= HEARTBEATD_SILENT_BEATS;
	};
	foreach ( $observations['silent'] as $roles => $screens ) {
		foreach ( $screens as $screen => $sets ) {
			if ( count( $sets ) >= HEARTBEATD_MAX_SILENT_HANDLES ) {
				$observations['silent'][ $roles ][ $screen ] = array_filter( $sets, $has_silent );
			}
		}
	}
	return $observations;
}

/**
 * Removes the effects and reads of callbacks without counted beats.
 *
 * @param array $observations The observations.
 * @return array
 */
function heartbeatd_drop_unused( $observations ) {
	$ids = array();
	foreach ( $observations['silent'] as $screens ) {
		foreach ( $screens as $sets ) {
			foreach ( $sets as $counts ) {
				$ids += $counts;
			}
		}
	}
	$observations['effects'] = array_slice( array_intersect_key( $observations['effects'], $ids ), -2 * HEARTBEATD_MAX_FOREIGN, null, true );
	$observations['reads']   = array_intersect_key( $observations['reads'], $ids );
	return $observations;
}

/**
 * Counts the silent beats of callbacks again at all places, so that they are no longer silent. The hours of
 * their effects stay: otherwise effects at two places in turn would revoke tickets each time.
 *
 * @param array    $observations The observations.
 * @param string[] $ids          The callbacks' ids.
 * @return array
 */
function heartbeatd_forget_callbacks( $observations, $ids ) {
	$ids = array_flip( $ids );
	foreach ( $observations['silent'] as $roles => $screens ) {
		foreach ( $screens as $screen => $sets ) {
			foreach ( $sets as $handles => $counts ) {
				foreach ( array_intersect_key( $counts, $ids ) as $id => $count ) {
					if ( $count > 0 ) {
						$observations['silent'][ $roles ][ $screen ][ $handles ][ $id ] = 0;
						unset( $observations['native'][ $roles ][ $screen ] );
					}
				}
			}
		}
	}
	$observations['native'] = array_filter( $observations['native'] ?? array() );
	$observations['reads']  = array_diff_key( $observations['reads'], $ids );
	return $observations;
}

/**
 * Determines whether a callback that was silent in beats with the same set of handles has had an
 * effect. Tickets do not depend on callbacks that were not silent with the set, and an effect with one
 * set says nothing about others.
 *
 * @param array<string, int> $counts  The counts of the place and the set before the beat.
 * @param array[]            $foreign The foreign callbacks during the beat.
 * @param array[]            $results What the observed callbacks have done.
 * @return bool
 */
function heartbeatd_has_turned( $counts, $foreign, $results ) {
	foreach ( $results as $key => $result ) {
		if ( $result['effects'] && ( $counts[ $foreign[ $key ]['id'] ?? '' ] ?? 0 ) >= HEARTBEATD_SILENT_BEATS ) {
			return true;
		}
	}
	return false;
}

/**
 * After an option or metadata has changed: removes the counts of the callbacks that read it,
 * and revokes the tickets that were issued because these callbacks were silent.
 *
 * @param string $name The option's name, or the metadata's key as 'user:my_key'.
 */
function heartbeatd_forget_readers( $name ) {
	$learned = get_option( 'heartbeatd_learned' );
	if ( empty( $learned['reads'] ) ) {
		return;
	}
	$ids = array();
	foreach ( $learned['reads'] as $id => $names ) {
		if ( in_array( $name, $names, true ) || in_array( strstr( $name, ':', true ) . ':', $names, true ) ) {
			$ids[] = (string) $id;
		}
	}
	if ( ! $ids || ! heartbeatd_is_configured() ) {
		return;
	}
	if ( heartbeatd_are_tickets_based_on( $learned['silent'], $ids ) ) {
		heartbeatd_enqueue_call( '/revoke', array( 'all' => true ) );
	}
	// What another request has written since this one began must not be lost.
	wp_cache_delete( 'alloptions', 'options' );
	$learned = get_option( 'heartbeatd_learned' );
	if ( empty( $learned['reads'] ) ) {
		return;
	}
	$learned = heartbeatd_forget_callbacks( $learned, $ids );
	foreach ( $ids as $id ) {
		list( $hour, $count )      = $learned['changes'][ $id ] ?? array( 0, 0 );
		$learned['changes'][ $id ] = array( heartbeatd_hour(), heartbeatd_hour() === $hour ? min( $count + 1, HEARTBEATD_MAX_CHANGES ) : 1 );
	}
	$learned['changes'] = array_slice( $learned['changes'], -2 * HEARTBEATD_MAX_FOREIGN, null, true );
	update_option( 'heartbeatd_learned', $learned, true );
}

/**
 * Determines whether tickets may have been issued because callbacks were silent.
 *
 * @param array    $silent The counts of silent beats, by roles and screen.
 * @param string[] $ids    The callbacks' ids.
 * @return bool
 */
function heartbeatd_are_tickets_based_on( $silent, $ids ) {
	$ids = array_flip( $ids );
	foreach ( $silent as $screens ) {
		foreach ( $screens as $sets ) {
			foreach ( $sets as $counts ) {
				if ( array_intersect_key( $counts, $ids ) && max( array_intersect_key( $counts, $ids ) ) >= HEARTBEATD_SILENT_BEATS ) {
					return true;
				}
			}
		}
	}
	return false;
}

/**
 * Handles a change of a transient. Transients in the database are options.
 *
 * @param string $name The transient.
 */
function heartbeatd_on_transient_change( $name ) {
	heartbeatd_forget_readers( "_transient_$name" );
}

/**
 * Handles a change of metadata.
 *
 * @param int|int[] $meta_ids  The rows.
 * @param int       $object_id The post, user, term or comment.
 * @param string    $key       The key.
 */
function heartbeatd_on_metadata_change( $meta_ids, $object_id, $key ) {
	unset( $meta_ids, $object_id );
	if ( preg_match( '/^(?:added|updated|deleted)_(\w+)_meta$/', current_action(), $match ) && ! in_array( "$match[1]:$key", HEARTBEATD_UNWATCHED_READS, true ) ) {
		heartbeatd_forget_readers( "$match[1]:$key" );
	}
}
