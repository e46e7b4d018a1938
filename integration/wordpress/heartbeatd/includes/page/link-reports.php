<?php
/**
 * What browsers report about their links. A page of a user who can edit posts stores in a cookie over
 * which transport it was connected, or that it was not; the next page that is loaded brings it.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * How many reports are kept, for how long, and the least time between two, in seconds.
 */
const HEARTBEATD_MAX_LINK_REPORTS     = 20;
const HEARTBEATD_LINK_REPORT_LIFE     = 7200;
const HEARTBEATD_LINK_REPORT_INTERVAL = 300;

/**
 * Stores the report of the page that the browser had open before, unless one was stored a moment ago.
 */
function heartbeatd_record_link_report() {
	$transport = isset( $_COOKIE['heartbeatd_transport'] ) ? sanitize_key( $_COOKIE['heartbeatd_transport'] ) : '';
	if ( wp_doing_ajax() || ! in_array( $transport, array( 'websocket', 'events', 'longpoll', 'post' ), true ) || ! current_user_can( 'edit_posts' ) ) {
		return;
	}
	$reports = heartbeatd_link_reports();
	if ( $reports && time() - end( $reports )[0] < HEARTBEATD_LINK_REPORT_INTERVAL ) {
		return;
	}
	$reports[] = array( time(), 'post' !== $transport );
	update_option( 'heartbeatd_link_reports', array_slice( $reports, -HEARTBEATD_MAX_LINK_REPORTS ), true );
}

/**
 * Returns the reports, the oldest first.
 *
 * @return array<array{0: int, 1: bool}> When the report came, and whether the page had a link.
 */
function heartbeatd_link_reports() {
	$is_new = static function ( $report ) {
		return is_array( $report ) && isset( $report[1] ) && abs( time() - $report[0] ) < HEARTBEATD_LINK_REPORT_LIFE;
	};
	return array_values( array_filter( (array) get_option( 'heartbeatd_link_reports' ), $is_new ) );
}
