<?php
/**
 * The status report: whether heartbeatd works for this site. It is the one list of checks for the
 * settings screen, Site Health and WP-CLI.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * The timeout of a call while a user waits for the report, in seconds.
 */
const HEARTBEATD_REPORT_TIMEOUT = 1.0;

/**
 * How far the clocks of WordPress and heartbeatd may differ without a word, and until tickets and
 * keys are refused, in seconds.
 */
const HEARTBEATD_CLOCKS_DIFFER = 30;
const HEARTBEATD_CLOCKS_FAIL   = 300;

/**
 * What heartbeatd_route_finding() returns if heartbeatd itself has answered, or its stored answer came.
 */
const HEARTBEATD_REACHED = array( '', 'no-upgrade', 'cache-in-front', 'host-changed', 'proxy-protocol', 'path-changed' );

/**
 * Returns the items of the report, the most severe first.
 *
 * @return array[] Items as of heartbeatd_finding().
 */
function heartbeatd_status_report() {
	if ( ! heartbeatd_is_configured() ) {
		return array( heartbeatd_finding( 'no-secret' ) );
	}
	$status = heartbeatd_fetch_status();
	$items  = array_merge(
		heartbeatd_report_connection( $status, heartbeatd_fetch_route() ),
		is_wp_error( $status ) ? array() : heartbeatd_report_server( $status ),
		in_array( heartbeatd_route_finding( heartbeatd_fetch_route() ), array( '', 'no-upgrade' ), true ) ? heartbeatd_report_front() : array(),
		heartbeatd_report_script(),
		heartbeatd_report_ignored_settings(),
		strlen( heartbeatd_setting( 'secret' ) ) >= 32 ? array() : array( heartbeatd_finding( 'guessable-secret' ) ),
		// While calls to the API fail, PHP answers every beat.
		is_wp_error( $status ) ? array() : array_merge( heartbeatd_report_cron(), heartbeatd_report_callbacks() )
	);
	$items = heartbeatd_sort_items( $items );
	if ( 'error' === $items[0]['severity'] ) {
		return $items; // It is why pages have no link.
	}
	return heartbeatd_sort_items( array_merge( $items, heartbeatd_report_pages() ) );
}

/**
 * Requests heartbeatd's status, once in a request.
 *
 * @return array|WP_Error The API's answer; also an error if heartbeatd did not send it. The error's
 *                        data then may have 'ahead', by how many seconds WordPress's clock is ahead.
 */
function heartbeatd_fetch_status() {
	static $status = null;
	if ( null === $status ) {
		$status = heartbeatd_send_call( 'GET', '/status', null, HEARTBEATD_REPORT_TIMEOUT, $headers );
		if ( ! is_wp_error( $status ) && ! isset( $status['version'], $status['ready'] ) ) {
			$status = heartbeatd_unknown_answer_error( 200 );
		}
		if ( is_wp_error( $status ) && isset( $headers['date'] ) ) {
			$status->add_data( (array) $status->get_error_data() + array( 'ahead' => time() - strtotime( $headers['date'] ) ) );
		}
	}
	return $status;
}

/**
 * Reports whether WordPress and browsers reach heartbeatd, and which of them does not. A firewall, a
 * proxy or DNS may treat WordPress's own request unlike those of browsers, so what another program
 * answers counts only if browsers do not report the opposite.
 *
 * @param array|WP_Error $status The answer of heartbeatd_fetch_status().
 * @param array|WP_Error $route  The answer of heartbeatd_fetch_route().
 * @return array[]
 */
function heartbeatd_report_connection( $status, $route ) {
	$name       = heartbeatd_route_finding( $route );
	$is_reached = in_array( $name, HEARTBEATD_REACHED, true );
	$is_linked  = ! $is_reached && 'wrong-listen-address' !== $name && heartbeatd_do_pages_connect();
	if ( $is_linked && is_wp_error( $route ) && heartbeatd_does_site_answer() ) {
		$is_linked = false; // heartbeatd has stopped answering since.
	}
	$items = array();
	if ( is_wp_error( $status ) ) {
		$items[] = heartbeatd_report_error( $status, $is_reached || $is_linked );
		if ( 'server-down' === $items[0]['name'] && in_array( $name, array( 'wrong-listen-address', 'route-unchecked' ), true ) ) {
			return $items; // The web server does not reach heartbeatd, either.
		}
	}
	if ( '' === $name ) {
		/* translators: %s: a path. */
		$text    = __( 'The web server passes %s on to heartbeatd.', 'heartbeatd' );
		$items[] = heartbeatd_good_item( sprintf( $text, '`' . trailingslashit( heartbeatd_setting( 'url' ) ) . '`' ) );
		return $items;
	}
	/* translators: 1: an address, 2: HTTP status code. */
	$text   = __( '%1$s answers with status %2$d.', 'heartbeatd' );
	$detail = is_wp_error( $route ) ? heartbeatd_sentence( $route->get_error_message() ) : sprintf( $text, '`' . heartbeatd_route_url( '/socket' ) . '`', $route[0] );
	if ( $is_linked ) {
		$items[] = heartbeatd_good_item( __( 'Pages connect to heartbeatd, as browsers report.', 'heartbeatd' ), __( 'Only WordPress’s own request to its address does not reach heartbeatd.', 'heartbeatd' ) . ' ' . $detail );
	} else {
		$items[] = heartbeatd_finding( $name, $detail );
	}
	return $items;
}

/**
 * Reports why heartbeatd's API did not answer, or refused the call.
 *
 * @param WP_Error $error   The error.
 * @param bool     $is_seen Whether heartbeatd runs, as the route of browsers shows.
 * @return array
 */
function heartbeatd_report_error( $error, $is_seen ) {
	$data   = $error->get_error_data();
	$reason = heartbeatd_sentence( $error->get_error_message() );
	$status = $data['status'] ?? 0;
	if ( 401 === $status || 403 === $status ) {
		$is_late = abs( $data['ahead'] ?? 0 ) > HEARTBEATD_CLOCKS_FAIL || preg_match( '/expired|before issued|in the future/', $reason );
		return heartbeatd_finding( $is_late ? 'clock-off' : 'wrong-secret', $reason );
	}
	return heartbeatd_finding( $status || $is_seen ? 'api-unreachable' : 'server-down', $reason );
}

/**
 * Reports what heartbeatd's status says.
 *
 * @param array $status The API's answer.
 * @return array[]
 */
function heartbeatd_report_server( $status ) {
	/* translators: %s: version. */
	$items = array( heartbeatd_good_item( sprintf( __( 'heartbeatd %s runs.', 'heartbeatd' ), (string) $status['version'] ) ) );
	if ( preg_match( '/^v(\d.*)$/', (string) $status['version'], $match ) && HEARTBEATD_PLUGIN_VERSION !== $match[1] ) {
		/* translators: 1: version of the plugin, 2: version of heartbeatd. */
		$items[] = heartbeatd_finding( 'version-mismatch', sprintf( __( 'The plugin is %1$s, heartbeatd %2$s.', 'heartbeatd' ), HEARTBEATD_PLUGIN_VERSION, $match[1] ) );
	}
	foreach ( (array) ( $status['reasons'] ?? array() ) as $reason ) {
		$reason = (array) $reason;
		$name   = (string) ( $reason['finding'] ?? '' );
		$name   = isset( heartbeatd_findings()[ $name ] ) ? $name : 'version-mismatch'; // An older heartbeatd names none.

		$items[] = heartbeatd_finding( $name, trim( heartbeatd_sentence( (string) ( $reason['text'] ?? '' ) ) . ' ' . heartbeatd_sentence( (string) ( $reason['remedy'] ?? '' ) ) ) );
	}
	if ( empty( $status['ready'] ) && ! in_array( 'not-ready', array_column( $items, 'name' ), true ) ) {
		$items[] = heartbeatd_finding( 'not-ready', heartbeatd_sentence( (string) ( $status['reason'] ?? '' ) ) );
	}
	$ahead = isset( $status['time'] ) ? time() - (int) $status['time'] : 0;
	if ( abs( $ahead ) > HEARTBEATD_CLOCKS_DIFFER ) {
		/* translators: %s: seconds. */
		$detail  = sprintf( __( 'They are %s seconds apart.', 'heartbeatd' ), number_format_i18n( abs( $ahead ) ) );
		$items[] = heartbeatd_finding( abs( $ahead ) > HEARTBEATD_CLOCKS_FAIL ? 'clock-off' : 'clock-differs', $detail );
	}
	return $items;
}

/**
 * Reports how many users had a link, as browsers have reported.
 *
 * @return array[]
 */
function heartbeatd_report_pages() {
	$reports = heartbeatd_link_reports();
	if ( ! $reports ) {
		return array();
	}
	$linked = count( array_filter( array_column( $reports, 1 ) ) );
	/* translators: 1: number of users with a link, 2: number of users. */
	$text = sprintf( __( 'Users whose last page had a link to heartbeatd: %1$s of %2$s.', 'heartbeatd' ), number_format_i18n( $linked ), number_format_i18n( count( $reports ) ) );
	return array( 2 * $linked < count( $reports ) ? heartbeatd_finding( 'pages-without-link', $text ) : heartbeatd_good_item( $text ) );
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
			$items[] = heartbeatd_finding( 'ignored-setting', heartbeatd_ignored_note( 'HEARTBEATD_' . strtoupper( $name ), $ignored ) );
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
	return sprintf( __( 'The saved value “%1$s” has no effect on a network: set `%2$s` in `wp-config.php`.', 'heartbeatd' ), heartbeatd_shown_url( $value ), $constant );
}

/**
 * Reports a page that does not get the plugin's script.
 *
 * @return array[]
 */
function heartbeatd_report_script() {
	$script = wp_scripts()->query( 'heartbeat', 'registered' );
	if ( ! $script ) {
		return array( heartbeatd_finding( 'heartbeat-disabled' ) );
	}
	return heartbeatd_asset_url( 'heartbeat.js' ) === $script->src ? array() : array( heartbeatd_finding( 'script-replaced', '`' . $script->src . '`.' ) );
}

/**
 * Reports how scheduled events run.
 *
 * @return array[]
 */
function heartbeatd_report_cron() {
	return heartbeatd_cron_needs_requests() ? array( heartbeatd_finding( 'events-wait-for-beats' ) ) : array();
}
