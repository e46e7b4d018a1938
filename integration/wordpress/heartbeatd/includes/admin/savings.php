<?php
/**
 * What heartbeatd saves, on the settings screen: how many beats PHP answers and how long they take, and how
 * many of them heartbeatd answers or would answer. All figures come from measured beats
 * (includes/beats/samples.php) and from what heartbeatd has counted.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * From how many measured beats on the screen shows figures.
 */
const HEARTBEATD_MIN_SAMPLES = 20;

/**
 * Prints the section.
 */
function heartbeatd_print_savings() {
	$status  = heartbeatd_is_configured() ? heartbeatd_fetch_status() : array();
	$samples = heartbeatd_samples(); // Beats may have been stored during the call.
	if ( $status ) {
		$reported = heartbeatd_add_native_beats( $samples, time(), $status );
		if ( $reported !== $samples ) {
			$samples = $reported;
			update_option( 'heartbeatd_samples', $samples, false );
		}
	}
	$days    = heartbeatd_sampled_days( $samples, time() );
	$savings = heartbeatd_sum_of_savings( $samples, $days, time() );
	printf( '<h2>%s</h2>', esc_html__( 'What it saves', 'heartbeatd' ) );
	if ( $savings['samples'] < HEARTBEATD_MIN_SAMPLES ) {
		/* translators: 1: in how many beats one is measured, 2: number of measured beats, 3: how many are needed. */
		$text = __( 'Not measured yet: one beat in %1$s that PHP answers is measured, and %2$s of %3$s measurements have been made.', 'heartbeatd' );
		printf( '<p id="heartbeatd-savings">%s</p>', esc_html( sprintf( $text, number_format_i18n( HEARTBEATD_BEATS_PER_SAMPLE ), number_format_i18n( $savings['samples'] ), number_format_i18n( HEARTBEATD_MIN_SAMPLES ) ) ) );
		return;
	}
	printf( '<p id="heartbeatd-savings"><strong>%s</strong></p>', esc_html( heartbeatd_savings_sentence( $savings ) ) );
	heartbeatd_print_plot( $days );
	printf( '<p class="description" id="heartbeatd-savings-method">%s</p>', esc_html( heartbeatd_savings_method( $savings ) ) );
}

/**
 * Returns the beats of each day since counting began.
 *
 * @param array $samples The value of heartbeatd_samples().
 * @param int   $now     Unix seconds.
 * @return array<string, array{php: float, savable: float, native: float}> Beats by date: those that heartbeatd leaves to PHP,
 *                       those that PHP answered and heartbeatd would, and those that heartbeatd answered.
 */
function heartbeatd_sampled_days( $samples, $now ) {
	$days = array();
	for ( $ago = HEARTBEATD_SAMPLED_DAYS - 1; $ago >= 0; $ago-- ) {
		$date = gmdate( 'Y-m-d', $now - $ago * DAY_IN_SECONDS );
		if ( ! isset( $samples['days'][ $date ] ) && $date < gmdate( 'Y-m-d', $samples['since'] ) ) {
			continue;
		}
		$row     = ( $samples['days'][ $date ] ?? array() ) + HEARTBEATD_EMPTY_DAY;
		$savable = $row['native'] ? 0 : $row['savable']; // What PHP got beside heartbeatd was left to it.

		$days[ $date ] = array(
			'php'     => HEARTBEATD_BEATS_PER_SAMPLE * ( $row['samples'] - $savable ),
			'savable' => HEARTBEATD_BEATS_PER_SAMPLE * $savable,
			'native'  => (float) $row['native'],
		);
	}
	return $days;
}

/**
 * Returns the sums of the days that are shown.
 *
 * @param array   $samples The value of heartbeatd_samples().
 * @param array[] $days    The value of heartbeatd_sampled_days().
 * @param int     $now     Unix seconds.
 * @return array{start: int, seconds: int, days: int, samples: int, beats: float, php_time: float, cpu: float, mean: float, left: float, native: float}
 *               start is when the first of them began, in Unix seconds, and seconds the time since then. php_time is what PHP took for its beats, and mean for one, in seconds; cpu is CPU time of one. left is the share
 *               of PHP's beats that heartbeatd would leave to PHP.
 */
function heartbeatd_sum_of_savings( $samples, $days, $now ) {
	$rows = array_intersect_key( $samples['days'], $days );
	$sum  = static function ( $key ) use ( $rows ) {
		return array_sum( array_column( $rows, $key ) );
	};

	$count = (int) $sum( 'samples' );
	$start = max( $samples['since'], $days ? strtotime( array_key_first( $days ) . ' UTC' ) : $now );
	return array(
		'start'    => $start,
		'seconds'  => max( 1, $now - $start ),
		'days'     => count( $days ),
		'samples'  => $count,
		'beats'    => HEARTBEATD_BEATS_PER_SAMPLE * $count,
		'php_time' => HEARTBEATD_BEATS_PER_SAMPLE * $sum( 'wall' ),
		'cpu'      => $sum( 'cpu' ) / max( 1, $count ),
		'mean'     => $sum( 'wall' ) / max( 1, $count ),
		'left'     => 1 - $sum( 'savable' ) / max( 1, $count ),
		'native'   => $sum( 'native' ),
	);
}

/**
 * Returns the sentence about what heartbeatd saves or would save.
 *
 * @param array $savings The value of heartbeatd_sum_of_savings().
 * @return string
 */
function heartbeatd_savings_sentence( $savings ) {
	if ( $savings['native'] > 0 ) {
		$values = array(
			number_format_i18n( $savings['days'] ),
			number_format_i18n( $savings['native'] ),
			heartbeatd_time_text( $savings['native'] * $savings['mean'] ),
			heartbeatd_rounded( $savings['beats'] ),
			heartbeatd_time_text( $savings['php_time'] ),
		);
		/* translators: 1: number of days, 2: number of beats, 3: a time, 4: number of beats, 5: a time. */
		$text = _n( 'In the last %1$s day heartbeatd answered at least %2$s beats, which saved %3$s of PHP. PHP answered about %4$s beats in %5$s.', 'In the last %1$s days heartbeatd answered at least %2$s beats, which saved %3$s of PHP. PHP answered about %4$s beats in %5$s.', $savings['days'], 'heartbeatd' );
		return vsprintf( $text, $values );
	}
	$left = number_format_i18n( ceil( round( 100 * $savings['left'], 1 ) ) );
	if ( $savings['seconds'] < DAY_IN_SECONDS ) {
		/* translators: 1: a time, 2: number of beats, 3: a time, 4: percentage. */
		$text = __( 'In the last %1$s about %2$s beats cost %3$s of PHP; heartbeatd would leave %4$s %% of them.', 'heartbeatd' );
		return sprintf( $text, heartbeatd_time_text( $savings['seconds'] ), heartbeatd_rounded( $savings['beats'] ), heartbeatd_time_text( $savings['php_time'] ), $left );
	}
	$a_day = DAY_IN_SECONDS / $savings['seconds'];
	/* translators: 1: number of beats, 2: a time, 3: percentage. */
	$text = __( 'About %1$s beats a day cost %2$s of PHP; heartbeatd would leave %3$s %% of them.', 'heartbeatd' );
	return sprintf( $text, heartbeatd_rounded( $a_day * $savings['beats'] ), heartbeatd_time_text( $a_day * $savings['php_time'] ), $left );
}

/**
 * Returns how the figures were measured.
 *
 * @param array $savings The value of heartbeatd_sum_of_savings().
 * @return string
 */
function heartbeatd_savings_method( $savings ) {
	/* translators: 1: in how many beats one is measured, 2: number of measured beats, 3: a date and time, 4: percentage. */
	$text  = __( 'How this is measured: one beat in %1$s that PHP answers for a user who is logged in, chosen at random, is timed from the start of its request to the end. There are %2$s such beats since %3$s, so the number of all is right within about %4$s %%.', 'heartbeatd' );
	$parts = array(
		sprintf( $text, number_format_i18n( HEARTBEATD_BEATS_PER_SAMPLE ), number_format_i18n( $savings['samples'] ), wp_date( 'Y-m-d H:i T', $savings['start'] ), number_format_i18n( ceil( 196 / sqrt( $savings['samples'] ) ) ) ),
		/* translators: %s: milliseconds. */
		sprintf( __( 'A beat took %s ms on average.', 'heartbeatd' ), number_format_i18n( 1000 * $savings['mean'], 1 ) ),
	);
	if ( $savings['cpu'] > 0 ) {
		/* translators: %s: milliseconds. */
		$parts[] = sprintf( __( 'After WordPress had begun to load plugins, it took %s ms of CPU time.', 'heartbeatd' ), number_format_i18n( 1000 * $savings['cpu'], 1 ) );
	}
	if ( $savings['native'] > 0 ) {
		$parts[] = __( 'heartbeatd counts the beats that it answers; those that it had counted before a restart may be missing. What they saved is their number times the average time of the measured beats.', 'heartbeatd' );
	}
	/* translators: 1: minutes, 2: seconds. */
	$rules   = __( 'heartbeatd leaves to PHP the beats that only PHP can answer, and of the others of a page one every %1$s minutes, or every %2$s seconds while it edits a post, at the interval that its beats had.', 'heartbeatd' );
	$parts[] = sprintf( $rules, number_format_i18n( HEARTBEATD_TICKET_FRESH_TIME / MINUTE_IN_SECONDS ), number_format_i18n( HEARTBEATD_LOCK_REPEAT_TIME ) );
	if ( ! heartbeatd_is_configured() ) {
		$parts[] = __( 'Until a secret is set, it is not observed what the functions of other plugins do: the beats in which they run count as beats that only PHP can answer.', 'heartbeatd' );
	}
	return implode( ' ', $parts );
}

/**
 * Returns an estimated number of beats with three significant digits.
 *
 * @param float $beats The number.
 * @return string
 */
function heartbeatd_rounded( $beats ) {
	$digits = $beats >= 1 ? 2 - (int) floor( log10( $beats ) ) : 0;
	return number_format_i18n( round( $beats, min( 0, $digits ) ) );
}

/**
 * Returns the text for a length of time.
 *
 * @param float $seconds The seconds.
 * @return string
 */
function heartbeatd_time_text( $seconds ) {
	if ( $seconds < 90 ) {
		/* translators: %s: number, with decimals. */
		return sprintf( __( '%s seconds', 'heartbeatd' ), number_format_i18n( $seconds, $seconds < 10 ? 1 : 0 ) );
	}
	if ( $seconds < 90 * MINUTE_IN_SECONDS ) {
		/* translators: %s: number, with decimals. */
		return sprintf( __( '%s minutes', 'heartbeatd' ), number_format_i18n( $seconds / MINUTE_IN_SECONDS, 1 ) );
	}
	/* translators: %s: number, with decimals. */
	return sprintf( __( '%s hours', 'heartbeatd' ), number_format_i18n( $seconds / HOUR_IN_SECONDS, 1 ) );
}
