<?php
/**
 * The plot of the beats of the last days on the settings screen: an SVG of stacked bars, and the same
 * numbers as a table for screen readers.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * The size of the plot, and the space for its labels, in units of the SVG. In a window of 390 pixels one unit is
 * about one pixel.
 */
const HEARTBEATD_PLOT_WIDTH  = 340;
const HEARTBEATD_PLOT_HEIGHT = 210;
const HEARTBEATD_PLOT_TOP    = 24;
const HEARTBEATD_PLOT_BOTTOM = 36;
const HEARTBEATD_PLOT_RIGHT  = 10;

/**
 * Returns the names of the plot's series, from the bottom of a bar to its top.
 *
 * @return array<string, string> By key of a day of heartbeatd_sampled_days().
 */
function heartbeatd_plot_series() {
	return array(
		'php'     => __( 'left to PHP', 'heartbeatd' ),
		'savable' => __( 'answered by PHP until heartbeatd does it', 'heartbeatd' ),
		'native'  => __( 'answered by heartbeatd', 'heartbeatd' ),
	);
}

/**
 * Prints the plot with its legend and its table.
 *
 * @param array<string, array<string, float>> $days The value of heartbeatd_sampled_days(), not empty.
 */
function heartbeatd_print_plot( $days ) {
	$series = array();
	foreach ( heartbeatd_plot_series() as $key => $name ) {
		if ( array_sum( array_column( $days, $key ) ) > 0 ) {
			$series[ $key ] = $name;
		}
	}
	echo '<figure id="heartbeatd-plot">';
	heartbeatd_print_plot_svg( $days, $series );
	echo '<figcaption aria-hidden="true">';
	foreach ( $series as $key => $name ) {
		printf( '<span class="heartbeatd-series"><span class="heartbeatd-swatch heartbeatd-%1$s"></span> %2$s</span> ', esc_attr( $key ), esc_html( $name ) );
	}
	echo '</figcaption>';
	heartbeatd_print_plot_table( $days, $series );
	echo '</figure>';
}

/**
 * Prints the SVG.
 *
 * @param array[]  $days   The same as for heartbeatd_print_plot().
 * @param string[] $series The names of the series that are shown, by key.
 */
function heartbeatd_print_plot_svg( $days, $series ) {
	$step  = heartbeatd_plot_step( max( array_map( 'array_sum', $days ) ) );
	$steps = max( 1, (int) ceil( max( array_map( 'array_sum', $days ) ) / $step ) );
	$left  = 10 + 7 * mb_strlen( html_entity_decode( number_format_i18n( $steps * $step ) ) ); // A separator may be &nbsp;.
	$unit  = ( HEARTBEATD_PLOT_HEIGHT - HEARTBEATD_PLOT_TOP - HEARTBEATD_PLOT_BOTTOM ) / ( $steps * $step );
	$width = ( HEARTBEATD_PLOT_WIDTH - HEARTBEATD_PLOT_RIGHT - $left ) / count( $days );
	printf(
		'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %1$d %2$d" role="img" aria-labelledby="heartbeatd-plot-title" aria-describedby="heartbeatd-plot-desc"><title id="heartbeatd-plot-title">%3$s</title><desc id="heartbeatd-plot-desc">%4$s</desc>',
		(int) HEARTBEATD_PLOT_WIDTH,
		(int) HEARTBEATD_PLOT_HEIGHT,
		esc_html__( 'Beats of the last days', 'heartbeatd' ),
		/* translators: %s: names of the parts of a bar, separated by commas. */
		esc_html( sprintf( __( 'A bar for each day, with these parts from the bottom: %s. The table after the plot has the numbers.', 'heartbeatd' ), implode( ', ', $series ) ) )
	);
	heartbeatd_print_plot_text( 0, 11, 'start', __( 'Beats a day', 'heartbeatd' ) );
	heartbeatd_print_plot_text( HEARTBEATD_PLOT_WIDTH, HEARTBEATD_PLOT_HEIGHT - 4, 'end', __( 'Day (UTC)', 'heartbeatd' ) );
	for ( $i = 0; $i <= $steps; $i++ ) {
		$y = HEARTBEATD_PLOT_HEIGHT - HEARTBEATD_PLOT_BOTTOM - $i * $step * $unit;
		printf( '<line class="%1$s" x1="%2$d" x2="%3$d" y1="%4$.1F" y2="%4$.1F"/>', $i ? 'heartbeatd-grid' : 'heartbeatd-axis', (int) $left, (int) HEARTBEATD_PLOT_WIDTH, $y ); // phpcs:ignore WordPress.Security.EscapeOutput -- Numbers.
		heartbeatd_print_plot_text( $left - 5, $y + 4, 'end', number_format_i18n( $i * $step ) );
	}
	$every  = (int) ceil( count( $days ) / 5 );
	$format = _x( 'M j', 'format of a day, for PHP', 'heartbeatd' );
	foreach ( array_keys( $days ) as $i => $date ) {
		$middle = $left + ( $i + 0.5 ) * $width;
		heartbeatd_print_plot_bar( array_intersect_key( $days[ $date ], $series ), $middle, min( 40, 0.7 * $width ), $unit );
		if ( 0 === ( count( $days ) - 1 - $i ) % $every ) {
			heartbeatd_print_plot_text( $middle, HEARTBEATD_PLOT_HEIGHT - HEARTBEATD_PLOT_BOTTOM + 14, 'middle', wp_date( $format, strtotime( "$date UTC" ), new DateTimeZone( 'UTC' ) ) );
		}
	}
	echo '</svg>';
}

/**
 * Prints the bar of a day.
 *
 * @param array<string, float> $values The number of beats of each part.
 * @param float                $middle Where its middle is.
 * @param float                $width  Its width.
 * @param float                $unit   The height of a beat.
 */
function heartbeatd_print_plot_bar( $values, $middle, $width, $unit ) {
	$y = HEARTBEATD_PLOT_HEIGHT - HEARTBEATD_PLOT_BOTTOM;
	foreach ( $values as $key => $beats ) {
		$y -= $beats * $unit;
		if ( $beats > 0 ) {
			printf( '<rect class="heartbeatd-%1$s" x="%2$.1F" y="%3$.1F" width="%4$.1F" height="%5$.1F"/>', esc_attr( $key ), $middle - $width / 2, $y, $width, max( 0.5, $beats * $unit - 1 ) ); // A gap divides the parts. phpcs:ignore WordPress.Security.EscapeOutput -- Numbers.
		}
	}
}

/**
 * Prints a text of the SVG.
 *
 * @param float  $x      Where it is.
 * @param float  $y      Where its line is.
 * @param string $anchor Which part of it is there: 'start', 'middle' or 'end'.
 * @param string $text   The text.
 */
function heartbeatd_print_plot_text( $x, $y, $anchor, $text ) {
	printf( '<text x="%1$.1F" y="%2$.1F" text-anchor="%3$s">%4$s</text>', $x, $y, esc_attr( $anchor ), esc_html( $text ) ); // phpcs:ignore WordPress.Security.EscapeOutput -- Numbers.
}

/**
 * Returns the distance of the lines of the plot: 1, 2 or 5 times a power of ten, so that there are at most five.
 *
 * @param float $most The largest number of beats of a day.
 * @return int
 */
function heartbeatd_plot_step( $most ) {
	$power = 10 ** max( 0, (int) floor( log10( max( 1, $most / 5 ) ) ) );
	foreach ( array( 1, 2, 5 ) as $factor ) {
		if ( $most <= 5 * $factor * $power ) {
			return $factor * $power;
		}
	}
	return 10 * $power;
}

/**
 * Prints the numbers of the plot as a table for screen readers.
 *
 * @param array[]  $days   The same as for heartbeatd_print_plot().
 * @param string[] $series The names of the series that are shown, by key.
 */
function heartbeatd_print_plot_table( $days, $series ) {
	printf( '<div class="screen-reader-text"><table><caption>%1$s</caption><thead><tr><th scope="col">%2$s</th>', esc_html__( 'Beats of the last days', 'heartbeatd' ), esc_html__( 'Day (UTC)', 'heartbeatd' ) );
	foreach ( $series as $name ) {
		printf( '<th scope="col">%s</th>', esc_html( $name ) );
	}
	echo '</tr></thead><tbody>';
	foreach ( $days as $date => $values ) {
		printf( '<tr><th scope="row">%s</th>', esc_html( $date ) );
		foreach ( array_keys( $series ) as $key ) {
			printf( '<td>%s</td>', esc_html( number_format_i18n( $values[ $key ] ) ) );
		}
		echo '</tr>';
	}
	echo '</tbody></table></div>';
}
