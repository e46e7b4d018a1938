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
 * Runs the test: as bad as the worst that the report says.
 *
 * @return array
 */
function heartbeatd_site_health_test() {
	$findings = heartbeatd_status_report();
	$lines    = '';
	foreach ( $findings as $finding ) {
		$lines .= sprintf( '<li><strong>%s</strong> %s</li>', esc_html( $finding['text'] ), esc_html( $finding['help'] ) );
	}
	$labels = array(
		'good'        => __( 'Heartbeat is real-time', 'heartbeatd' ),
		'recommended' => __( 'Heartbeat is real-time, but could cost less', 'heartbeatd' ),
		'critical'    => __( 'Heartbeat is not real-time', 'heartbeatd' ),
	);
	return array(
		'label'       => $labels[ $findings[0]['level'] ],
		'status'      => $findings[0]['level'],
		'badge'       => array(
			'label' => __( 'Performance', 'heartbeatd' ),
			'color' => 'blue',
		),
		'description' => '<ul>' . $lines . '</ul>',
		'actions'     => sprintf( '<p><a href="%s">%s</a></p>', esc_url( admin_url( 'options-general.php?page=heartbeatd' ) ), esc_html__( 'Settings', 'heartbeatd' ) ),
		'test'        => 'heartbeatd',
	);
}
