<?php
/**
 * The table on the settings screen: the foreign callbacks that are not silent, and how often
 * PHP must see beats because of them.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * Prints the table, if there are such callbacks.
 */
function heartbeatd_print_callbacks_table() {
	$observations = heartbeatd_observations();
	$rows         = array();
	foreach ( $observations['foreign'] as $callback ) {
		if ( ! heartbeatd_is_silent_everywhere( $callback, $observations ) ) {
			$rows[ heartbeatd_pace_key( $callback ) ] = $callback;
		}
	}
	if ( ! $rows ) {
		return;
	}
	printf( '<h2>%s</h2><p>%s</p>', esc_html__( 'Functions that need PHP', 'heartbeatd' ), esc_html__( 'PHP answers the beats in which these functions of other plugins or the theme may do something. You can choose that PHP sees fewer beats: what a function adds then reaches pages later. A beat with data of another plugin always goes to PHP.', 'heartbeatd' ) );
	$headings = array( __( 'Function', 'heartbeatd' ), __( 'Observed', 'heartbeatd' ), __( 'Beats to PHP', 'heartbeatd' ), __( 'PHP sees', 'heartbeatd' ) );
	echo '<table class="widefat striped" id="heartbeatd-callbacks"><thead><tr>';
	foreach ( $headings as $heading ) {
		printf( '<th scope="col">%s</th>', esc_html( $heading ) );
	}
	echo '</tr></thead><tbody>';
	$status = heartbeatd_fetch_status();
	foreach ( $rows as $key => $callback ) {
		$effects = heartbeatd_report_effects( $callback, $observations );
		printf(
			'<tr><td><code>%1$s</code><br>%2$s, %3$s</td><td data-heading="%6$s">%4$s</td><td data-heading="%7$s">%5$s</td><td data-heading="%8$s">',
			esc_html( heartbeatd_callback_label( $callback ) ),
			esc_html( $callback['hook'] ),
			esc_html( $callback['file'] ),
			esc_html( '' === $effects ? heartbeatd_report_reason( $callback ) : $effects ),
			esc_html( heartbeatd_beats_text( $status, $key ) ),
			...array_map( 'esc_attr', array_slice( $headings, 1 ) )
		);
		heartbeatd_print_pace_field( $key, $callback );
		echo '</td></tr>';
	}
	echo '</tbody></table>';
}

/**
 * Returns how many beats PHP has answered because of a callback. heartbeatd counts them.
 *
 * @param array|WP_Error $status The answer of heartbeatd_fetch_status().
 * @param string         $key    The value of heartbeatd_pace_key().
 * @return string
 */
function heartbeatd_beats_text( $status, $key ) {
	if ( is_wp_error( $status ) || ! isset( $status['php_beats'], $status['php_beats_seconds'] ) ) {
		return __( 'not known', 'heartbeatd' );
	}
	$beats   = number_format_i18n( (int) ( ( (array) $status['php_beats'] )[ $key ] ?? 0 ) );
	$minutes = (int) ceil( $status['php_beats_seconds'] / MINUTE_IN_SECONDS );
	if ( $minutes >= 60 ) {
		/* translators: %s: number of beats. */
		return sprintf( __( '%s in the last hour', 'heartbeatd' ), $beats );
	}
	if ( 1 === $minutes ) {
		/* translators: %s: number of beats. */
		return sprintf( __( '%s in the last minute', 'heartbeatd' ), $beats );
	}
	/* translators: 1: number of beats, 2: number of minutes. */
	return sprintf( _n( '%1$s in the last %2$s minute', '%1$s in the last %2$s minutes', $minutes, 'heartbeatd' ), $beats, number_format_i18n( $minutes ) );
}

/**
 * Prints the field with the choice for a callback, or what code has decided.
 *
 * @param string $key      The key of the choice.
 * @param array  $callback A foreign callback.
 */
function heartbeatd_print_pace_field( $key, $callback ) {
	$pace  = heartbeatd_callback_pace( $callback );
	$fixed = heartbeatd_is_pace_fixed( $callback );
	printf(
		'<select name="heartbeatd[paces][%s]" aria-label="%s"%s>',
		esc_attr( $key ),
		/* translators: %s: name of a function. */
		esc_attr( sprintf( __( 'How often PHP sees beats because of %s', 'heartbeatd' ), heartbeatd_callback_label( $callback ) ) ),
		disabled( $fixed, true, false )
	);
	foreach ( $fixed ? array( $pace ) : HEARTBEATD_PACES as $value ) {
		printf( '<option value="%s"%s>%s</option>', esc_attr( $value ), selected( heartbeatd_chosen_pace( $callback ), $value, false ), esc_html( heartbeatd_pace_text( $value ) ) );
	}
	echo '</select>';
	$note = '';
	if ( $fixed && defined( 'HEARTBEATD_CALLBACK_PACE' ) ) {
		/* translators: %s: name of a constant. */
		$note = sprintf( __( 'Set in wp-config.php, as %s.', 'heartbeatd' ), 'HEARTBEATD_CALLBACK_PACE' );
	} elseif ( $fixed ) {
		/* translators: %s: name of a filter. */
		$note = sprintf( __( 'Set by code, with the filter %s.', 'heartbeatd' ), 'heartbeatd_callback_pace' );
	} elseif ( heartbeatd_chosen_pace( $callback ) !== $pace ) {
		/* translators: 1: name of a filter, 2: how often PHP sees beats, as “every beat”. */
		$note = sprintf( __( 'Changed by code, with the filter %1$s, to: %2$s.', 'heartbeatd' ), 'heartbeatd_callback_pace', heartbeatd_pace_text( $pace ) );
	}
	if ( '' !== $note ) {
		printf( '<p class="description">%s</p>', esc_html( $note ) );
	}
}

/**
 * Returns the text for a pace.
 *
 * @param int $pace Seconds, HEARTBEATD_PACE_ALL_BEATS or HEARTBEATD_PACE_OWN_BEATS.
 * @return string
 */
function heartbeatd_pace_text( $pace ) {
	if ( HEARTBEATD_PACE_ALL_BEATS === $pace ) {
		return __( 'every beat', 'heartbeatd' );
	}
	if ( HEARTBEATD_PACE_OWN_BEATS === $pace ) {
		return __( 'only beats that carry data of a plugin', 'heartbeatd' );
	}
	if ( $pace % MINUTE_IN_SECONDS ) {
		/* translators: %s: seconds. */
		return sprintf( _n( 'a beat of each page every %s second', 'a beat of each page every %s seconds', $pace, 'heartbeatd' ), number_format_i18n( $pace ) );
	}
	$minutes = $pace / MINUTE_IN_SECONDS;
	/* translators: %s: minutes. */
	return 1 === $minutes ? __( 'a beat of each page every minute', 'heartbeatd' ) : sprintf( _n( 'a beat of each page every %s minute', 'a beat of each page every %s minutes', $minutes, 'heartbeatd' ), number_format_i18n( $minutes ) );
}
