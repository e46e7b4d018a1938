<?php
/**
 * What was learned about foreign callbacks: whether they have effects, and which options and
 * metadata they read. A change to one of these makes a callback unknown again.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * For how many sets of roles observations are stored.
 */
const HEARTBEATD_MAX_ROLES = 20;

/**
 * For how many screens of a set of roles it is stored which callbacks had no effect, and for
 * how many sets of handles of a screen.
 */
const HEARTBEATD_MAX_SILENT_SCREENS = 20;
const HEARTBEATD_MAX_SILENT_HANDLES = 4;

/**
 * Adds to the observations what the callbacks of a beat have done.
 *
 * @param array       $observations The observations so far.
 * @param string[]    $place        The roles and the screen.
 * @param array[]     $foreign      The foreign callbacks during the beat.
 * @param string|null $handles      The handles of core that the beat carries; null if the callbacks were not observed.
 * @param array[]     $results      What the observed callbacks have done.
 * @return array
 */
function heartbeatd_learn_effects( $observations, $place, $foreign, $handles, $results ) {
	list( $roles, $screen ) = $place;
	if ( ! $foreign ) {
		unset( $observations['silent'][ $roles ][ $screen ] );
		$observations['silent'] = array_filter( $observations['silent'] );
		return $observations;
	}
	if ( null === $handles ) {
		return $observations;
	}
	$before = $observations['silent'][ $roles ][ $screen ][ $handles ] ?? array();
	$counts = array();
	foreach ( $foreign as $key => $callback ) {
		$id     = $callback['id'];
		$result = '' === $id ? null : $results[ $key ] ?? null;
		$count  = $result ? heartbeatd_count_silent_beat( $before[ $id ] ?? 0, ! $result['effects'] ) : $before[ $id ] ?? 0;
		if ( $result && $result['effects'] ) {
			$observations['effects'][ $id ] = array_slice( $result['effects'], 0, HEARTBEATD_MAX_READS );
			if ( heartbeatd_has_turned( $observations['silent'][ $roles ][ $screen ] ?? array(), $foreign, array( $key => $result ) ) ) {
				$observations = heartbeatd_forget_callbacks( $observations, array( $id ) );
			}
		} elseif ( $result && $result['reads'] ) {
			$observations['reads'][ $id ] = heartbeatd_merge_reads( $observations['reads'][ $id ] ?? array(), $result['reads'] );
		}
		if ( $count ) {
			$counts[ $id ] = $count;
		}
	}
	if ( $counts ) {
		$observations['silent'][ $roles ][ $screen ][ $handles ] = $counts;
	}
	return heartbeatd_limit_learned( $observations, $roles, $screen );
}

/**
 * Counts a beat.
 *
 * @param int  $count  In how many beats the callback had no effect. If it had one, minus the hour of it.
 * @param bool $silent Whether it had none in this beat.
 * @return int
 */
function heartbeatd_count_silent_beat( $count, $silent ) {
	$hour = (int) floor( time() / HOUR_IN_SECONDS );
	if ( ! $silent ) {
		return -$hour;
	}
	if ( $count < 0 ) {
		return -$count < $hour ? 1 : $count; // Within the hour, one silent beat says nothing.
	}
	return min( $count + 1, HEARTBEATD_SILENT_BEATS );
}

/**
 * Adds names to those that a callback reads. Existing ones keep their order: a new order
 * would write the option.
 *
 * @param string[] $known The names that are known.
 * @param string[] $names The names that the callback has read.
 * @return string[]
 */
function heartbeatd_merge_reads( $known, $names ) {
	return array_slice( array_values( array_unique( array_merge( $known, $names ) ) ), 0, 2 * HEARTBEATD_MAX_READS );
}

/**
 * Limits what is stored of callbacks, and drops what belongs to callbacks of which no beats
 * are counted.
 *
 * @param array  $observations The observations.
 * @param string $roles        The roles that have changed.
 * @param string $screen       The screen that has changed.
 * @return array
 */
function heartbeatd_limit_learned( $observations, $roles, $screen ) {
	if ( isset( $observations['silent'][ $roles ][ $screen ] ) ) {
		$observations['silent'][ $roles ][ $screen ] = array_slice( $observations['silent'][ $roles ][ $screen ], -HEARTBEATD_MAX_SILENT_HANDLES, null, true );
		$observations['silent'][ $roles ]            = array_slice( $observations['silent'][ $roles ], -HEARTBEATD_MAX_SILENT_SCREENS, null, true );
		$observations['silent']                      = array_slice( $observations['silent'], -HEARTBEATD_MAX_ROLES, null, true );
	}
	$ids = array();
	foreach ( $observations['silent'] as $screens ) {
		foreach ( $screens as $sets ) {
			foreach ( $sets as $counts ) {
				$ids += $counts;
			}
		}
	}
	foreach ( array( 'effects', 'reads' ) as $what ) {
		$observations[ $what ] = array_slice( array_intersect_key( $observations[ $what ], $ids ), -2 * HEARTBEATD_MAX_FOREIGN, null, true );
	}
	return $observations;
}

/**
 * Makes callbacks unknown again, at all places.
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
				if ( array_intersect_key( $counts, $ids ) ) {
					$observations['silent'][ $roles ][ $screen ][ $handles ] = array_diff_key( $counts, $ids );
					unset( $observations['clean'][ $roles ][ $screen ] );
				}
			}
		}
	}
	$observations['clean'] = array_filter( $observations['clean'] );
	$observations['reads'] = array_diff_key( $observations['reads'], $ids );
	return $observations;
}

/**
 * Determines whether a callback had an effect that was silent at the place before.
 *
 * @param array   $counts  The place's counts before the beat, by the beats' handles.
 * @param array[] $foreign The foreign callbacks during the beat.
 * @param array[] $results What the observed callbacks have done.
 * @return bool
 */
function heartbeatd_has_turned( $counts, $foreign, $results ) {
	foreach ( $results as $key => $result ) {
		$before = array_column( $counts, $foreign[ $key ]['id'] ?? '' );
		if ( $result['effects'] && $before && max( $before ) >= HEARTBEATD_SILENT_BEATS ) {
			return true;
		}
	}
	return false;
}

/**
 * Makes the callbacks unknown again that read an option or metadata, after it has changed,
 * and revokes the tickets that were issued because they had no effect.
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
	if ( $ids && heartbeatd_is_configured() ) {
		update_option( 'heartbeatd_learned', heartbeatd_forget_callbacks( $learned, $ids ), true );
		heartbeatd_enqueue_call( '/revoke', array( 'all' => true ) );
	}
}

/**
 * Notices a changed transient. Those in the database are options.
 *
 * @param string $name The transient.
 */
function heartbeatd_on_transient_change( $name ) {
	heartbeatd_forget_readers( "_transient_$name" );
}

/**
 * Notices changed metadata.
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
