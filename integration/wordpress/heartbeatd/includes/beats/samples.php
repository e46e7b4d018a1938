<?php
/**
 * Samples: how many beats PHP answers, how long they take, and how many of them heartbeatd could
 * answer. The plugin needs no server for it.
 *
 * One beat in HEARTBEATD_BEATS_PER_SAMPLE, chosen at random, is measured and stored after its response.
 * The other beats draw a random number and do nothing else: they make no query and load no more code.
 * Counting every beat in a persistent object cache would take several round trips in each beat, lose
 * everything when the cache is flushed, and be impossible on sites without such a cache.
 *
 * The option heartbeatd_samples is not autoloaded. It is read and written again at once, without a lock: of
 * two measured beats that do so in the same moment, one is lost.
 *
 *     since   when the first beat was chosen, in Unix seconds
 *     days    a row for each of the last HEARTBEATD_SAMPLED_DAYS days that has beats, by date in UTC:
 *                 samples   the number of measured beats
 *                 wall      the seconds from the start of their requests until the end
 *                 cpu       the seconds of CPU time that they took after plugins had begun to load, if known
 *                 savable   how many of them heartbeatd would have answered
 *                 native    how many beats heartbeatd has answered, as it has reported
 *             Days before the first beat was chosen are left out.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * For how many days samples are kept.
 */
const HEARTBEATD_SAMPLED_DAYS = 14;

/**
 * PHP sees a beat of each page at least once in this time, in seconds. It is the age at which the drop-in
 * asks for a new ticket.
 */
const HEARTBEATD_TICKET_FRESH_TIME = 600;

/**
 * The time between two beats of a page without the focus, in seconds, as in core's script.
 */
const HEARTBEATD_UNFOCUSED_INTERVAL = 120;

/**
 * A page repeats PHP's answer about its lock only if the lock lasts this much longer than the second beat from
 * then, in seconds, as in the drop-in.
 */
const HEARTBEATD_LOCK_MARGIN = 20;

/**
 * A day without samples.
 */
const HEARTBEATD_EMPTY_DAY = array(
	'samples' => 0,
	'wall'    => 0.0,
	'cpu'     => 0.0,
	'savable' => 0.0,
	'native'  => 0,
);

/**
 * Measures the current beat: before `shutdown` ends, when other plugins have done their work.
 */
function heartbeatd_measure_beat() {
	heartbeatd_cpu_seconds();
	add_action( 'shutdown', 'heartbeatd_record_sample', PHP_INT_MAX - 2 ); // Before the plugin's own calls.
}

/**
 * Returns how much CPU time the process has taken since the first call.
 *
 * @return float Seconds; 0 if the host has disabled the function for it.
 */
function heartbeatd_cpu_seconds() {
	static $start = null;

	if ( ! function_exists( 'getrusage' ) ) {
		return 0.0;
	}
	$usage = getrusage();
	$now   = $usage['ru_utime.tv_sec'] + $usage['ru_stime.tv_sec'] + ( $usage['ru_utime.tv_usec'] + $usage['ru_stime.tv_usec'] ) / 1e6;
	$start = $start ?? $now;
	return $now - $start;
}

/**
 * Stores the measured beat after the response, if the user is logged in: anybody can send other beats.
 */
function heartbeatd_record_sample() {
	if ( ! is_user_logged_in() || ! did_action( 'wp_ajax_heartbeat' ) ) {
		return;
	}
	$sample  = array(
		'samples' => 1,
		'wall'    => round( microtime( true ) - heartbeatd_request_time(), 6 ),
		'cpu'     => round( heartbeatd_cpu_seconds(), 6 ),
		'savable' => heartbeatd_savable_share(),
	);
	$is_sent = heartbeatd_finish_request();
	$status  = $is_sent && heartbeatd_is_configured() && ! heartbeatd_last_call_failed() ? heartbeatd_call_api( 'GET', '/status' ) : array();
	$samples = heartbeatd_add_sample( heartbeatd_samples(), time(), $sample ); // Other requests may have stored some during the call.
	update_option( 'heartbeatd_samples', heartbeatd_add_native_beats( $samples, time(), $status ), false );
}

/**
 * Returns the stored samples. Those from before the plugin was activated for the network are forgotten: while
 * it was not active, it counted no beats.
 *
 * @return array{since: int, days: array<string, array>} `since` is 0 if no beat was chosen yet.
 */
function heartbeatd_samples() {
	$stored = get_option( 'heartbeatd_samples' );
	$active = is_multisite() ? (array) get_site_option( 'active_sitewide_plugins' ) : array(); // With the time of each activation.
	if ( isset( $stored['since'], $stored['days'] ) && is_array( $stored['days'] ) && $stored['since'] >= (int) ( $active[ plugin_basename( HEARTBEATD_PLUGIN_FILE ) ] ?? 0 ) ) {
		return $stored;
	}
	return array(
		'since' => 0,
		'days'  => array(),
	);
}

/**
 * Forgets the samples of the site when the plugin is activated.
 */
function heartbeatd_forget_samples() {
	delete_option( 'heartbeatd_samples' );
}

/**
 * Adds a sample to its day, and forgets days that are too old. The first beat that is chosen only
 * starts the time in which beats are counted: it would always be one too many.
 *
 * @param array $samples The value of heartbeatd_samples().
 * @param int   $now     Unix seconds.
 * @param array $sample  Values to add, by the keys of HEARTBEATD_EMPTY_DAY.
 * @return array
 */
function heartbeatd_add_sample( $samples, $now, $sample ) {
	if ( ! $samples['since'] || $samples['since'] > $now ) {
		return array(
			'since' => $now,
			'days'  => array(),
		);
	}
	$day = gmdate( 'Y-m-d', $now );
	$row = ( $samples['days'][ $day ] ?? array() ) + HEARTBEATD_EMPTY_DAY;
	foreach ( $sample as $key => $value ) {
		$row[ $key ] += $value;
	}
	$samples['days'][ $day ] = $row;
	return heartbeatd_drop_old_days( $samples, $now );
}

/**
 * Adds the beats that heartbeatd has reported for each day. It counts them in memory, so the number of a
 * day is smaller after a restart: the largest one is kept.
 *
 * @param array          $samples The value of heartbeatd_samples().
 * @param int            $now     Unix seconds.
 * @param array|WP_Error $status  The answer of heartbeatd's API.
 * @return array
 */
function heartbeatd_add_native_beats( $samples, $now, $status ) {
	if ( is_wp_error( $status ) || ! $samples['since'] ) {
		return $samples;
	}
	foreach ( (array) ( $status['native_beats'] ?? array() ) as $day => $beats ) {
		$is_day = preg_match( '/^\d{4}-\d\d-\d\d$/', (string) $day ) && $day >= gmdate( 'Y-m-d', $samples['since'] ) && $day <= gmdate( 'Y-m-d', $now );
		if ( ! $is_day || ! is_int( $beats ) || $beats < 1 ) {
			continue;
		}
		$row = ( $samples['days'][ $day ] ?? array() ) + HEARTBEATD_EMPTY_DAY;

		$row['native']           = max( $row['native'], $beats );
		$samples['days'][ $day ] = $row;
	}
	return heartbeatd_drop_old_days( $samples, $now );
}

/**
 * Forgets the days that are too old.
 *
 * @param array $samples The value of heartbeatd_samples().
 * @param int   $now     Unix seconds.
 * @return array
 */
function heartbeatd_drop_old_days( $samples, $now ) {
	$oldest = gmdate( 'Y-m-d', $now - ( HEARTBEATD_SAMPLED_DAYS - 1 ) * DAY_IN_SECONDS );
	$recent = static function ( $day ) use ( $oldest ) {
		return (string) $day >= $oldest;
	};

	$samples['days'] = array_filter( $samples['days'], $recent, ARRAY_FILTER_USE_KEY );
	ksort( $samples['days'] );
	return $samples;
}

/**
 * Returns which share of beats like the current one heartbeatd would answer: none if the handles or
 * the callbacks need PHP, and otherwise all but those that PHP sees to give the page new answers and a new
 * ticket.
 *
 * @return float
 */
function heartbeatd_savable_share() {
	// phpcs:disable WordPress.Security.NonceVerification.Missing, WordPress.Security.ValidatedSanitizedInput -- Nothing is done because of them: names of handles and numbers are compared.
	$handles = heartbeatd_beat_handles( empty( $_POST['data'] ) ? array() : (array) $_POST['data'] );
	if ( null === $handles ) {
		return 0.0;
	}
	list( $sets, $pace ) = heartbeatd_is_configured()
		? heartbeatd_observed_native_sets( heartbeatd_beat_screen_id() )
		: array( heartbeatd_limit_sets( true, heartbeatd_foreign_callbacks() ), 0 ); // Not observed without a secret.
	if ( true !== $sets && ! in_array( $handles, $sets, true ) ) {
		return 0.0;
	}
	if ( true !== $sets ) {
		$observed = array_sum( HEARTBEATD_OBSERVED_TICKET_TIME ) / 2;
		$pace     = $pace ? min( $pace, $observed ) : $observed;
	}
	$interval = isset( $_POST['interval'] ) && is_numeric( $_POST['interval'] ) ? (float) $_POST['interval'] : 60;
	$focused  = isset( $_POST['has_focus'] ) && 'true' === $_POST['has_focus'];
	// phpcs:enable
	return heartbeatd_share_of_pace( $handles, $focused ? $interval : HEARTBEATD_UNFOCUSED_INTERVAL, $pace );
}

/**
 * Returns which share of the beats of a page does not go to PHP.
 *
 * @param string $handles  The set of handles of its beats.
 * @param float  $interval The seconds between two beats.
 * @param float  $pace     After how many seconds PHP must see a beat because of a callback; 0 if none asks for it.
 * @return float
 */
function heartbeatd_share_of_pace( $handles, $interval, $pace ) {
	$seen = array( HEARTBEATD_TICKET_FRESH_TIME );
	if ( $pace ) {
		$seen[] = $pace;
	}
	if ( in_array( 'wp-refresh-post-lock', explode( ',', $handles ), true ) ) {
		$seen[] = HEARTBEATD_LOCK_REPEAT_TIME;
		$seen[] = heartbeatd_lock_window() - 2 * $interval - HEARTBEATD_LOCK_MARGIN;
	}
	return round( 1 - min( 1, max( 1, $interval ) / max( 1, min( $seen ) ) ), 3 );
}
