<?php
/**
 * The test in Tools → Site Health.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * Adds the test. It may wait for answers, so the screen requests it after it is loaded.
 *
 * @param array $tests Site Health's tests.
 * @return array
 */
function heartbeatd_add_site_health_test( $tests ) {
	$tests['async']['heartbeatd'] = array(
		'label'             => __( 'Heartbeatd', 'heartbeatd' ),
		'test'              => 'heartbeatd',
		'async_direct_test' => 'heartbeatd_site_health_test',
	);
	return $tests;
}

/**
 * Answers the request of the screen with the result.
 */
function heartbeatd_send_site_health_test() {
	check_ajax_referer( 'health-check-site-status' );
	if ( ! current_user_can( 'view_site_health_checks' ) ) {
		wp_send_json_error( null, 403 );
	}
	wp_send_json_success( heartbeatd_site_health_test() );
}

/**
 * Runs the test. Its result is that of the worst item of the status report.
 *
 * @return array
 */
function heartbeatd_site_health_test() {
	$items = heartbeatd_status_report();
	$lines = '';
	foreach ( $items as $item ) {
		$lines .= sprintf( '<li class="heartbeatd-%1$s" data-finding="%2$s">%3$s</li>', esc_attr( $item['severity'] ), esc_attr( $item['name'] ), heartbeatd_item_html( $item ) );
	}
	$worst    = $items[0];
	$statuses = array(
		'error'   => 'critical',
		'warning' => 'recommended',
	);
	return array(
		'label'       => heartbeatd_site_health_label( $worst ),
		'status'      => $statuses[ $worst['severity'] ] ?? 'good',
		'badge'       => array(
			'label' => 'guessable-secret' === $worst['name'] ? __( 'Security', 'heartbeatd' ) : __( 'Performance', 'heartbeatd' ),
			'color' => 'blue',
		),
		'description' => '<ul>' . $lines . '</ul>',
		'actions'     => sprintf( '<p><a href="%s">%s</a></p>', esc_url( heartbeatd_settings_url() ), esc_html__( 'Settings', 'heartbeatd' ) ),
		'test'        => 'heartbeatd',
	);
}

/**
 * Returns the label of the result: what is wrong, without the marks for code.
 *
 * @param array $worst The most severe item of the report.
 * @return string
 */
function heartbeatd_site_health_label( $worst ) {
	if ( in_array( $worst['severity'], array( 'good', 'notice' ), true ) ) {
		return __( 'Heartbeat is real-time', 'heartbeatd' );
	}
	return rtrim( str_replace( '`', '', $worst['text'] ), '.' );
}
