<?php
/**
 * The part of the status report about the callbacks of other plugins: which beats PHP must
 * see because of them, and which effects were observed.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * The largest number of effects of a callback that are named.
 */
const HEARTBEATD_MAX_REPORTED_EFFECTS = 3;

/**
 * Reports which beats PHP must see, and because of which callbacks.
 *
 * @return array[]
 */
function heartbeatd_report_callbacks() {
	$observations = heartbeatd_observations();
	$items        = array();
	foreach ( $observations['foreign'] as $callback ) {
		$items[] = heartbeatd_report_callback( $callback, $observations );
	}
	if ( ! array_filter( array_column( $items, 'name' ) ) ) {
		$items[] = heartbeatd_good_item(
			$observations['native']
				? __( 'heartbeatd answers the beats that need no PHP.', 'heartbeatd' )
				: __( 'No beat has been observed yet. The first beats go to PHP, to find out which callbacks need them.', 'heartbeatd' )
		);
	}
	return array_values( array_unique( $items, SORT_REGULAR ) ); // Methods of several objects have the same name.
}

/**
 * Reports what is known about a callback.
 *
 * @param array $callback     A foreign callback.
 * @param array $observations The observations.
 * @return array
 */
function heartbeatd_report_callback( $callback, $observations ) {
	$name = heartbeatd_callback_label( $callback );
	$file = '' === $callback['file'] ? 'PHP' : $callback['file'];
	if ( heartbeatd_is_silent_everywhere( $callback, $observations ) ) {
		/* translators: 1: name of a function, 2: a file with a line, 3: name of a hook. */
		$text = __( '%1$s in %2$s on the hook %3$s was observed to do nothing in beats without its own data.', 'heartbeatd' );
		return heartbeatd_good_item( sprintf( $text, $name, $file, $callback['hook'] ), __( 'heartbeatd answers these beats, except those with handles that were observed less often. PHP still sees one beat of each page every five minutes, and these beats again as soon as the function does something in one.', 'heartbeatd' ) );
	}
	if ( HEARTBEATD_PACE_ALL_BEATS !== heartbeatd_callback_pace( $callback ) ) {
		/* translators: 1: name of a function, 2: a file with a line, 3: name of a hook. */
		$text = __( '%1$s in %2$s on the hook %3$s does not run in every beat: this site has chosen that PHP sees fewer beats.', 'heartbeatd' );
		return heartbeatd_good_item( sprintf( $text, $name, $file, $callback['hook'] ) );
	}
	/* translators: 1: name of a function, 2: a file with a line, 3: name of a hook. */
	$text = __( 'PHP must see beats in which %1$s in %2$s on the hook %3$s may do something.', 'heartbeatd' );
	if ( 'heartbeat_received' === $callback['hook'] ) {
		/* translators: 1: name of a function, 2: a file with a line, 3: name of a hook. */
		$text = __( 'PHP must see beats with handles of WordPress or of another plugin in which %1$s in %2$s on the hook %3$s may do something.', 'heartbeatd' );
	}
	$effects = heartbeatd_report_effects( $callback, $observations );
	if ( '' !== $effects ) {
		/* translators: %s: what a function does, separated by commas. */
		$effects = sprintf( __( 'Observed effects: %s.', 'heartbeatd' ), $effects );
	} else {
		$effects = heartbeatd_report_reason( $callback );
	}
	$advice = $callback['callback'] === $callback['file'] ? '' : __( 'If the function only handles its own data, add it with the filter `heartbeatd_known_callbacks`.', 'heartbeatd' );
	return array_merge( heartbeatd_finding( 'unanswered-handles', trim( $effects . ' ' . $advice ) ), array( 'text' => sprintf( $text, $name, $file, $callback['hook'] ) ) );
}

/**
 * Returns the name of a callback for people.
 *
 * @param array $callback A foreign callback.
 * @return string
 */
function heartbeatd_callback_label( $callback ) {
	return $callback['callback'] === $callback['file'] ? 'function()' : $callback['callback'];
}

/**
 * Determines whether a callback had no effect in enough beats of each place that is stored
 * for it, with one set of handles at least, and none with any other. One that is known to have
 * effects needs enough beats with each set.
 *
 * @param array $callback     A foreign callback.
 * @param array $observations The observations.
 * @return bool
 */
function heartbeatd_is_silent_everywhere( $callback, $observations ) {
	$known = false;
	$least = empty( $observations['effects'][ $callback['id'] ] ) ? 0 : HEARTBEATD_SILENT_BEATS;
	foreach ( array_keys( $callback['places'] ) as $place ) {
		list( $roles, $screen ) = explode( ' ', $place );

		$sets = $observations['silent'][ $roles ][ $screen ] ?? array();
		if ( 'heartbeat_received' === $callback['hook'] ) {
			unset( $sets[''] );
			if ( ! $sets ) {
				continue; // No beat of this screen has run it.
			}
		}
		$counts = array_column( $sets, $callback['id'] );
		if ( 'wp_ajax_heartbeat' === $callback['hook'] || ! $counts || min( $counts ) < $least || max( $counts ) < HEARTBEATD_SILENT_BEATS ) {
			return false;
		}
		$known = true;
	}
	return $known;
}

/**
 * Returns why PHP must see beats because of a callback that had no effect.
 *
 * @param array $callback A foreign callback.
 * @return string
 */
function heartbeatd_report_reason( $callback ) {
	if ( 'wp_ajax_heartbeat' === $callback['hook'] ) {
		return __( 'It runs before WordPress answers a beat, so what it does cannot be observed.', 'heartbeatd' );
	}
	if ( '' === $callback['id'] ) {
		return __( 'It is a magic method, so what it does cannot be attributed to any code.', 'heartbeatd' );
	}
	return __( 'It has not been observed in enough beats yet.', 'heartbeatd' );
}

/**
 * Returns the effects that a callback had.
 *
 * @param array $callback     A foreign callback.
 * @param array $observations The observations.
 * @return string Separated by commas; empty if it had none, or cannot be observed.
 */
function heartbeatd_report_effects( $callback, $observations ) {
	$effects = array_slice( $observations['effects'][ $callback['id'] ] ?? array(), 0, HEARTBEATD_MAX_REPORTED_EFFECTS );
	return implode( ', ', array_map( 'heartbeatd_effect_text', $effects ) );
}

/**
 * Returns the text for an effect.
 *
 * @param string $effect The effect.
 * @return string
 */
function heartbeatd_effect_text( $effect ) {
	$texts               = array(
		/* translators: %s: a key of the answer. */
		'answer'       => __( 'changes “%s” in the answer', 'heartbeatd' ),
		/* translators: %s: name of a hook. */
		'hook'         => __( 'fires the hook %s, to which another plugin listens', 'heartbeatd' ),
		'query'        => __( 'writes to the database', 'heartbeatd' ),
		'option'       => __( 'changes options or transients', 'heartbeatd' ),
		'http'         => __( 'sends an HTTP request', 'heartbeatd' ),
		'mail'         => __( 'sends mail', 'heartbeatd' ),
		'headers'      => __( 'sends headers or cookies', 'heartbeatd' ),
		'output'       => __( 'prints output', 'heartbeatd' ),
		'exit'         => __( 'ends the request', 'heartbeatd' ),
		'cache'        => __( 'writes to the object cache', 'heartbeatd' ),
		'session'      => __( 'changes the PHP session', 'heartbeatd' ),
		'callbacks'    => __( 'adds or removes callbacks', 'heartbeatd' ),
		'reads'        => __( 'reads more options than can be watched', 'heartbeatd' ),
		'changes'      => __( 'reads values that change often', 'heartbeatd' ),
		'sent'         => __( 'runs after output was sent', 'heartbeatd' ),
		'unseen-cache' => __( 'uses an object cache that cannot be observed', 'heartbeatd' ),
	);
	list( $kind, $name ) = explode( ':', $effect, 2 ) + array( '', '' );
	return sprintf( $texts[ $kind ] ?? $kind, $name );
}
