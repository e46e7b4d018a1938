<?php
/**
 * The status report: whether heartbeatd works for this site, for the settings screen, Site
 * Health and WP-CLI.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * The timeout of a call while a user waits for the report, in seconds.
 */
const HEARTBEATD_REPORT_TIMEOUT = 1.0;

/**
 * How far the clocks of WordPress and heartbeatd may be apart, in seconds.
 */
const HEARTBEATD_MAX_CLOCK_SKEW = 30;

/**
 * Returns the items of the report, the most severe first.
 *
 * @return array<int, array{level: string, text: string, help: string}> The level is 'good', 'recommended' or 'critical'.
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
	$status = heartbeatd_fetch_status();
	$items  = is_wp_error( $status ) ? array( heartbeatd_report_error( $status ) ) : heartbeatd_report_server( $status );
	array_push( $items, heartbeatd_report_secret(), heartbeatd_report_script(), ...heartbeatd_report_ignored_settings() );
	if ( ! is_wp_error( $status ) ) { // While calls to the API fail, PHP answers every beat.
		array_push( $items, heartbeatd_report_cron(), ...heartbeatd_report_callbacks() );
	}
	$items    = array_filter( $items );
	$order    = array_flip( array( 'critical', 'recommended', 'good' ) );
	$by_level = static function ( $a, $b ) use ( $order ) {
		return $order[ $a['level'] ] <=> $order[ $b['level'] ];
	};
	usort( $items, $by_level );
	return $items;
}

/**
 * Requests heartbeatd's status, once in a request.
 *
 * @return array|WP_Error The API's answer; also an error if heartbeatd did not send it.
 */
function heartbeatd_fetch_status() {
	static $status = null;
	if ( null === $status ) {
		$status = heartbeatd_send_call( 'GET', '/status', null, HEARTBEATD_REPORT_TIMEOUT );
		if ( ! is_wp_error( $status ) && ! isset( $status['version'], $status['ready'] ) ) {
			$status = heartbeatd_unknown_answer_error( 200 );
		}
	}
	return $status;
}

/**
 * Reports what heartbeatd's status says.
 *
 * @param array $status The API's answer.
 * @return array[]
 */
function heartbeatd_report_server( $status ) {
	$items = array();
	if ( empty( $status['ready'] ) ) {
		/* translators: %s: the reason. */
		$text    = sprintf( __( 'heartbeatd runs, but is not ready: %s', 'heartbeatd' ), (string) ( $status['reason'] ?? '' ) );
		$items[] = heartbeatd_report_item( 'recommended', $text, __( 'Until it is ready, pages show no presence. See heartbeatd’s log for the cause.', 'heartbeatd' ) );
	} else {
		$version = (string) ( $status['version'] ?? '' );
		$online  = (int) ( $status['online'] ?? 0 );
		/* translators: 1: version, 2: number of people. */
		$text    = sprintf( _n( 'heartbeatd %1$s runs; %2$s person is online.', 'heartbeatd %1$s runs; %2$s people are online.', $online, 'heartbeatd' ), $version, number_format_i18n( $online ) );
		$items[] = heartbeatd_report_item( 'good', $text );
	}
	if ( ! empty( $status['ready'] ) ) {
		foreach ( (array) ( $status['reasons'] ?? array() ) as $reason ) {
			$reason = (array) $reason;
			/* translators: %s: the reason. */
			$text    = sprintf( __( 'A part of heartbeatd does not work: %s', 'heartbeatd' ), (string) ( $reason['text'] ?? '' ) );
			$items[] = heartbeatd_report_item( 'recommended', $text, (string) ( $reason['remedy'] ?? '' ) );
		}
	}
	$skew = isset( $status['time'] ) ? time() - (int) $status['time'] : 0;
	if ( abs( $skew ) > HEARTBEATD_MAX_CLOCK_SKEW ) {
		/* translators: %s: seconds. */
		$text    = sprintf( __( 'The clocks of WordPress and heartbeatd are %s seconds apart.', 'heartbeatd' ), number_format_i18n( abs( $skew ) ) );
		$items[] = heartbeatd_report_item( 'critical', $text, __( 'Synchronize the clocks of both machines by NTP: tickets are valid for minutes only.', 'heartbeatd' ) );
	}
	return $items;
}

/**
 * Reports why heartbeatd's API did not answer, or refused the call.
 *
 * @param WP_Error $error The error.
 * @return array
 */
function heartbeatd_report_error( $error ) {
	$status = $error->get_error_data()['status'] ?? 0;
	if ( 401 === $status || 403 === $status ) {
		$network = '' === heartbeatd_site_suffix() ? '' : ' ' . __( 'heartbeatd may also need to know that this is a network: --site-network, or "network": true in its configuration file.', 'heartbeatd' );
		return heartbeatd_report_item(
			'critical',
			__( 'heartbeatd refuses this site’s key.', 'heartbeatd' ),
			__( 'The secret and the site’s name must be the same in WordPress and heartbeatd (HEARTBEATD_SECRET and --site-secret, HEARTBEATD_SITE and --site-id), and both clocks must be right.', 'heartbeatd' ) . $network
		);
	}
	return heartbeatd_report_item(
		'critical',
		/* translators: 1: address, 2: error message. */
		sprintf( __( 'heartbeatd’s API at %1$s does not answer: %2$s.', 'heartbeatd' ), heartbeatd_setting( 'api' ), rtrim( $error->get_error_message(), '. ' ) ),
		__( 'Check that heartbeatd runs, and that HEARTBEATD_API is its --admin-listen address. Until it answers, Heartbeat works as it does without this plugin: pages notice log-outs and changed locks with the usual delay.', 'heartbeatd' )
	);
}

/**
 * Reports a secret that can be guessed.
 *
 * @return array|null
 */
function heartbeatd_report_secret() {
	return strlen( heartbeatd_setting( 'secret' ) ) >= 32 ? null : heartbeatd_report_item(
		'recommended',
		__( 'The secret is shorter than 32 characters.', 'heartbeatd' ),
		__( 'Anyone who guesses it can act as any user. Use a long random secret.', 'heartbeatd' )
	);
}

/**
 * Reports saved settings that have no effect.
 *
 * @return array[]
 */
function heartbeatd_report_ignored_settings() {
	$items = array();
	foreach ( array( 'url', 'api', 'site' ) as $name ) {
		$ignored = heartbeatd_ignored_setting( $name );
		if ( '' !== $ignored ) {
			$items[] = heartbeatd_report_item( 'recommended', heartbeatd_ignored_note( 'HEARTBEATD_' . strtoupper( $name ), $ignored ) );
		}
	}
	return $items;
}

/**
 * Returns the note about a saved setting that has no effect.
 *
 * @param string $constant The constant that sets it.
 * @param string $value    The value.
 * @return string
 */
function heartbeatd_ignored_note( $constant, $value ) {
	/* translators: 1: the value that was saved, 2: name of a constant. */
	return sprintf( __( 'The saved value “%1$s” has no effect on a network: set %2$s in wp-config.php.', 'heartbeatd' ), $value, $constant );
}

/**
 * Reports a page that does not get the plugin's script.
 *
 * @return array|null
 */
function heartbeatd_report_script() {
	$script = wp_scripts()->query( 'heartbeat', 'registered' );
	if ( ! $script ) {
		return heartbeatd_report_item(
			'critical',
			__( 'Heartbeat is disabled: no page loads its script.', 'heartbeatd' ),
			__( 'Another plugin, or the theme, deregisters it. With heartbeatd this is not needed: most beats do not reach PHP.', 'heartbeatd' )
		);
	}
	return heartbeatd_asset_url( 'heartbeat.js' ) === $script->src ? null : heartbeatd_report_item(
		'critical',
		/* translators: %s: address of a script. */
		sprintf( __( 'Another plugin has replaced Heartbeat’s script with its own: %s', 'heartbeatd' ), $script->src ),
		__( 'Deactivate that plugin or this one.', 'heartbeatd' )
	);
}

/**
 * Reports how scheduled events run.
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
