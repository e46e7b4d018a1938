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
		if ( ! heartbeatd_is_silent_everywhere( $callback, $observations['silent'] ) ) {
			$rows[ heartbeatd_pace_key( $callback ) ] = $callback;
		}
	}
	if ( ! $rows ) {
		return;
	}
	printf(
		'<h2>%s</h2><p>%s</p><table class="widefat striped" id="heartbeatd-callbacks"><thead><tr><th scope="col">%s</th><th scope="col">%s</th><th scope="col">%s</th></tr></thead><tbody>',
		esc_html__( 'Functions that need PHP', 'heartbeatd' ),
		esc_html__( 'These functions of other plugins or the theme keep heartbeatd from answering beats. You can choose that PHP sees fewer beats: pages then get what a function adds later. A beat with data of another plugin always goes to PHP.', 'heartbeatd' ),
		esc_html__( 'Function', 'heartbeatd' ),
		esc_html__( 'Observed', 'heartbeatd' ),
		esc_html__( 'PHP sees', 'heartbeatd' )
	);
	foreach ( $rows as $key => $callback ) {
		printf(
			'<tr><td><code>%s</code><br>%s, %s</td><td>%s</td><td>',
			esc_html( heartbeatd_callback_label( $callback ) ),
			esc_html( $callback['hook'] ),
			esc_html( $callback['file'] ),
			esc_html( heartbeatd_report_reason( $callback, $observations ) )
		);
		heartbeatd_print_pace_field( $key, $callback );
		echo '</td></tr>';
	}
	echo '</tbody></table>';
}

/**
 * Prints the field with the choice for a callback.
 *
 * @param string $key      The key of the choice.
 * @param array  $callback A foreign callback.
 */
function heartbeatd_print_pace_field( $key, $callback ) {
	$texts = array(
		HEARTBEATD_PACE_ALL_BEATS => __( 'every beat', 'heartbeatd' ),
		60                        => __( 'a beat of each page every minute', 'heartbeatd' ),
		120                       => __( 'a beat of each page every 2 minutes', 'heartbeatd' ),
		300                       => __( 'a beat of each page every 5 minutes', 'heartbeatd' ),
		HEARTBEATD_PACE_OWN_BEATS => __( 'only beats with data of a plugin', 'heartbeatd' ),
	);
	$pace  = heartbeatd_callback_pace( $callback );
	printf( '<select name="heartbeatd[paces][%s]" aria-label="%s">', esc_attr( $key ), esc_attr( heartbeatd_callback_label( $callback ) ) );
	foreach ( $texts as $value => $text ) {
		printf( '<option value="%s"%s>%s</option>', esc_attr( $value ), selected( $pace, $value, false ), esc_html( $text ) );
	}
	echo '</select>';
}
