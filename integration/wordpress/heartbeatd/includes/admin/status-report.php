<?php
/**
 * Whether it works, in plain words: for the settings screen, Site Health and WP-CLI.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * How long a person who asks is kept waiting for heartbeatd, in seconds.
 */
const HEARTBEATD_REPORT_TIMEOUT = 1.0;

/**
 * How far the clocks may be apart, in seconds.
 */
const HEARTBEATD_MAX_CLOCK_SKEW = 30;

/**
 * What there is to say, the worst last to be overlooked: at the top.
 *
 * @return array<int, array{level: string, text: string, help: string}> Level is good, recommended or critical.
 */
function heartbeatd_status_report() {
	if ( ! heartbeatd_is_configured() ) {
		return array(
			heartbeatd_report_item(
				'critical',
				__( 'No secret is set, so Heartbeat works as it does without this plugin.', 'heartbeatd' ),
				__( 'Start heartbeatd with a long random text as HEARTBEATD_SITE_SECRET in its environment, and set the same as HEARTBEATD_SECRET in wp-config.php, or below.', 'heartbeatd' )
			),
		);
	}
	$status   = heartbeatd_fetch_status();
	$findings = is_wp_error( $status ) ? array( heartbeatd_report_error( $status ) ) : heartbeatd_report_server( $status );
	array_push( $findings, heartbeatd_report_secret(), heartbeatd_report_script() );
	if ( ! is_wp_error( $status ) ) { // Without the API PHP answers every beat.
		array_push( $findings, heartbeatd_report_cron(), ...heartbeatd_report_callbacks() );
	}
	$findings = array_filter( $findings );
	$order    = array_flip( array( 'critical', 'recommended', 'good' ) );
	$by_level = static function ( $a, $b ) use ( $order ) {
		return $order[ $a['level'] ] <=> $order[ $b['level'] ];
	};
	usort( $findings, $by_level );
	return $findings;
}

/**
 * One thing to say.
 *
 * @param string $level One of 'good', 'recommended' and 'critical'.
 * @param string $text  What is.
 * @param string $help  What to do about it.
 * @return array{level: string, text: string, help: string}
 */
function heartbeatd_report_item( $level, $text, $help = '' ) {
	return compact( 'level', 'text', 'help' );
}

/**
 * Asks heartbeatd for its status.
 *
 * @return array|WP_Error The API's answer; an error too when it is not heartbeatd's.
 */
function heartbeatd_fetch_status() {
	$status = heartbeatd_send_call( 'GET', '/status', null, HEARTBEATD_REPORT_TIMEOUT );
	return is_wp_error( $status ) || isset( $status['version'], $status['ready'] ) ? $status : heartbeatd_unknown_answer_error( 200 );
}

/**
 * What heartbeatd says of itself.
 *
 * @param array $status The API's answer.
 * @return array[]
 */
function heartbeatd_report_server( $status ) {
	$findings = array();
	if ( empty( $status['ready'] ) ) {
		/* translators: %s: the reason. */
		$text       = sprintf( __( 'heartbeatd runs, but is not ready: %s', 'heartbeatd' ), (string) ( $status['reason'] ?? '' ) );
		$findings[] = heartbeatd_report_item( 'recommended', $text, __( 'Until it is, pages do without presence. Its log says more.', 'heartbeatd' ) );
	} else {
		$version = (string) ( $status['version'] ?? '' );
		$online  = (int) ( $status['online'] ?? 0 );
		/* translators: 1: version, 2: number of people. */
		$text       = sprintf( _n( 'heartbeatd %1$s runs; %2$s person is online.', 'heartbeatd %1$s runs; %2$s people are online.', $online, 'heartbeatd' ), $version, number_format_i18n( $online ) );
		$findings[] = heartbeatd_report_item( 'good', $text );
	}
	$skew = isset( $status['time'] ) ? time() - (int) $status['time'] : 0;
	if ( abs( $skew ) > HEARTBEATD_MAX_CLOCK_SKEW ) {
		/* translators: %s: seconds. */
		$text       = sprintf( __( 'The clocks of WordPress and heartbeatd are %s seconds apart.', 'heartbeatd' ), number_format_i18n( abs( $skew ) ) );
		$findings[] = heartbeatd_report_item( 'critical', $text, __( 'Let both machines keep their time by NTP: tickets are good for minutes only.', 'heartbeatd' ) );
	}
	return $findings;
}

/**
 * Why heartbeatd's API did not answer as it should.
 *
 * @param WP_Error $error The error.
 * @return array
 */
function heartbeatd_report_error( $error ) {
	$status = $error->get_error_data()['status'] ?? 0;
	if ( 401 === $status || 403 === $status ) {
		return heartbeatd_report_item(
			'critical',
			__( 'heartbeatd refuses this site’s key.', 'heartbeatd' ),
			__( 'The secret and the site’s name must be the same here and there (HEARTBEATD_SECRET and --site-secret, HEARTBEATD_SITE and --site-id), and the clocks right.', 'heartbeatd' )
		);
	}
	return heartbeatd_report_item(
		'critical',
		/* translators: 1: address, 2: error message. */
		sprintf( __( 'heartbeatd’s API at %1$s does not answer: %2$s', 'heartbeatd' ), heartbeatd_setting( 'api' ), $error->get_error_message() ),
		__( 'Is heartbeatd running, and HEARTBEATD_API its --admin-listen address? Until then Heartbeat works as it does without this plugin, and log-outs and changed locks are noticed with the usual delay.', 'heartbeatd' )
	);
}

/**
 * A secret that could be guessed.
 *
 * @return array|null
 */
function heartbeatd_report_secret() {
	return strlen( heartbeatd_setting( 'secret' ) ) >= 32 ? null : heartbeatd_report_item(
		'recommended',
		__( 'The secret is shorter than 32 characters.', 'heartbeatd' ),
		__( 'Whoever guesses it can speak for any user. Take a long random one.', 'heartbeatd' )
	);
}

/**
 * Whether pages get the plugin's script.
 *
 * @return array|null
 */
function heartbeatd_report_script() {
	$script = wp_scripts()->query( 'heartbeat', 'registered' );
	if ( ! $script ) {
		return heartbeatd_report_item(
			'critical',
			__( 'Heartbeat is switched off: no page loads its script.', 'heartbeatd' ),
			__( 'Another plugin, or the theme, deregisters it. With heartbeatd there is no need to spare the server from it.', 'heartbeatd' )
		);
	}
	return heartbeatd_asset_url( 'heartbeat.js' ) === $script->src ? null : heartbeatd_report_item(
		'critical',
		/* translators: %s: address of a script. */
		sprintf( __( 'Another plugin has put its own script in the place of Heartbeat’s: %s', 'heartbeatd' ), $script->src ),
		__( 'Switch that plugin off, or this one.', 'heartbeatd' )
	);
}

/**
 * How scheduled events run.
 *
 * @return array|null
 */
function heartbeatd_report_cron() {
	return ! heartbeatd_cron_needs_requests() ? null : heartbeatd_report_item(
		'good',
		__( 'When a scheduled event is due, heartbeatd passes one beat of an open page to PHP, and WordPress runs the event.', 'heartbeatd' ),
		__( 'An event waits for the next beat of an open page. To run events on time and without beats, set up a system cron and DISABLE_WP_CRON.', 'heartbeatd' )
	);
}

/**
 * Whether PHP must see every beat, and because of whom.
 *
 * @return array[]
 */
function heartbeatd_report_callbacks() {
	$learned = heartbeatd_observations();
	if ( ! $learned['foreign'] ) {
		return array(
			$learned['clean']
				? heartbeatd_report_item( 'good', __( 'heartbeatd answers the beats that need no PHP.', 'heartbeatd' ) )
				: heartbeatd_report_item( 'good', __( 'No beat was seen yet. The first ones go to PHP, to learn who needs them.', 'heartbeatd' ) ),
		);
	}
	$findings = array();
	foreach ( $learned['foreign'] as $callback ) {
		$findings[] = heartbeatd_report_item(
			'recommended',
			sprintf(
				/* translators: 1: name of a function, 2: a file with a line, 3: name of a hook. */
				__( 'PHP must see every beat, because of %1$s in %2$s on the hook %3$s.', 'heartbeatd' ),
				$callback['callback'],
				$callback['file'],
				$callback['hook']
			),
			__( 'Everything works, and pushes still arrive at once, but on screens where this function is hooked PHP answers every beat. If the function only handles data of its own, add it with the filter heartbeatd_known_callbacks.', 'heartbeatd' )
		);
	}
	return $findings;
}
