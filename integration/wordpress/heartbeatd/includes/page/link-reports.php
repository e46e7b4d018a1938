<?php
/**
 * What browsers report about their links. A page of a user who can edit posts stores in a cookie over
 * which transport it was connected, or that it was not; the next page that is loaded brings it. The
 * last report of each user counts.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * How many reports are kept, for how long, the least time between two, and how long one shows that
 * pages connect now, in seconds.
 */
const HEARTBEATD_MAX_LINK_REPORTS     = 20;
const HEARTBEATD_LINK_REPORT_LIFE     = 7200;
const HEARTBEATD_LINK_REPORT_INTERVAL = 300;
const HEARTBEATD_LINK_REPORT_RECENT   = 900;

/**
 * Enqueues the script that stores the report of a page of the admin.
 */
function heartbeatd_enqueue_link_report_script() {
	if ( ! heartbeatd_is_configured() || ! current_user_can( 'edit_posts' ) ) {
		return;
	}
	wp_enqueue_script( 'heartbeatd-link-report', heartbeatd_asset_url( 'link-report.js' ), array( 'jquery', 'heartbeat' ), heartbeatd_asset_version( 'link-report.js' ), true );
	wp_add_inline_script( 'heartbeatd-link-report', 'window.heartbeatdLinkReport = ' . wp_json_encode( array( 'path' => heartbeatd_link_report_path() ) ) . ';', 'before' );
}

/**
 * Returns the path of the cookie.
 *
 * @return string
 */
function heartbeatd_link_report_path() {
	return (string) wp_parse_url( admin_url(), PHP_URL_PATH );
}

/**
 * Stores the report of the page that the browser had open before, unless one was stored a moment ago.
 * Removes the cookie: the next page may not have the script.
 */
function heartbeatd_record_link_report() {
	$transport = isset( $_COOKIE['heartbeatd_transport'] ) ? sanitize_key( $_COOKIE['heartbeatd_transport'] ) : '';
	if ( wp_doing_ajax() || ! in_array( $transport, array( 'websocket', 'events', 'longpoll', 'post' ), true ) || ! current_user_can( 'edit_posts' ) ) {
		return;
	}
	if ( ! headers_sent() ) {
		setcookie( 'heartbeatd_transport', '', 1, heartbeatd_link_report_path() );
	}
	$reports = heartbeatd_link_reports();
	if ( $reports && time() - end( $reports )[0] < HEARTBEATD_LINK_REPORT_INTERVAL ) {
		return;
	}
	$user      = get_current_user_id();
	$is_other  = static function ( $report ) use ( $user ) {
		return $user !== $report[2];
	};
	$reports   = array_filter( $reports, $is_other );
	$reports[] = array( time(), 'post' !== $transport, $user );
	update_option( 'heartbeatd_link_reports', array_slice( $reports, -HEARTBEATD_MAX_LINK_REPORTS ), true );
}

/**
 * Returns the reports, the oldest first.
 *
 * @return array<array{0: int, 1: bool, 2: int}> When the report came, whether the page had a link, and its user.
 */
function heartbeatd_link_reports() {
	$is_new = static function ( $report ) {
		return is_array( $report ) && isset( $report[2] ) && abs( time() - $report[0] ) < HEARTBEATD_LINK_REPORT_LIFE;
	};
	return array_values( array_filter( (array) get_option( 'heartbeatd_link_reports' ), $is_new ) );
}

/**
 * Determines whether most pages of the last minutes had a link.
 *
 * @return bool False also if there are no reports.
 */
function heartbeatd_do_pages_connect() {
	$is_recent = static function ( $report ) {
		return abs( time() - $report[0] ) < HEARTBEATD_LINK_REPORT_RECENT;
	};
	$recent    = array_filter( heartbeatd_link_reports(), $is_recent );
	return 2 * count( array_filter( array_column( $recent, 1 ) ) ) > count( $recent );
}

/**
 * Forgets the reports after the settings have changed.
 */
function heartbeatd_forget_link_reports() {
	update_option( 'heartbeatd_link_reports', array(), true );
}
