<?php
/**
 * The test in Tools → Site Health.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * Adds the test.
 *
 * @param array $tests Site Health's tests.
 * @return array
 */
function heartbeatd_add_site_health_test( $tests ) {
	$tests['direct']['heartbeatd'] = array(
		'label' => __( 'Heartbeatd', 'heartbeatd' ),
		'test'  => 'heartbeatd_site_health_test',
	);
	return $tests;
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
		$lines .= sprintf( '<li><strong>%s</strong> %s</li>', esc_html( $item['text'] ), esc_html( $item['help'] ) );
	}
	$labels = array(
		'good'        => __( 'Heartbeat is real-time', 'heartbeatd' ),
		'recommended' => __( 'Heartbeat is real-time, but could cost less', 'heartbeatd' ),
		'critical'    => __( 'Heartbeat is not real-time', 'heartbeatd' ),
	);
	return array(
		'label'       => $labels[ $items[0]['level'] ],
		'status'      => $items[0]['level'],
		'badge'       => array(
			'label' => __( 'Performance', 'heartbeatd' ),
			'color' => 'blue',
		),
		'description' => '<ul>' . $lines . '</ul>',
		'actions'     => sprintf( '<p><a href="%s">%s</a></p>', esc_url( admin_url( 'options-general.php?page=heartbeatd' ) ), esc_html__( 'Settings', 'heartbeatd' ) ),
		'test'        => 'heartbeatd',
	);
}
