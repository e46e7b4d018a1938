<?php
/**
 * Scheduled events (WP-Cron). WordPress runs them when it gets a request. On a quiet site
 * whose beats heartbeatd answers, there may be none. So the plugin tells heartbeatd when the
 * next event is due, and heartbeatd then passes one beat to PHP.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * Determines whether a beat that reaches PHP runs events: if a system cron or another plugin
 * runs them, it does not. WordPress does not hook wp_cron() in a request to wp-cron.php, so
 * another plugin that removes it goes unnoticed there.
 *
 * @return bool
 */
function heartbeatd_cron_needs_requests() {
	return ! ( defined( 'DISABLE_WP_CRON' ) && DISABLE_WP_CRON )
		&& ! ( defined( 'ALTERNATE_WP_CRON' ) && ALTERNATE_WP_CRON ) // Needs requests for pages: a beat does not run events.
		&& ( wp_doing_cron() || has_action( 'init', 'wp_cron' ) );
}

/**
 * Returns the time of the next event.
 *
 * @param mixed $events The option 'cron'.
 * @return int Unix seconds; 0 if there is none, or beats do not run events.
 */
function heartbeatd_next_event_time( $events ) {
	$times = is_array( $events ) ? array_filter( array_keys( $events ), 'is_int' ) : array();
	return $times && heartbeatd_cron_needs_requests() ? max( 1, min( $times ) ) : 0;
}

/**
 * Tells heartbeatd when the next event is due, if events that were scheduled or run have
 * changed it. Of several changes in a request, only the last is sent.
 *
 * @param mixed $before The option 'cron' before the change.
 * @param mixed $after  The option after the change.
 */
function heartbeatd_on_cron_update( $before, $after ) {
	static $known = array();

	$site = get_current_blog_id();
	$next = heartbeatd_next_event_time( $after );
	if ( ! isset( $known[ $site ] ) ) {
		$known[ $site ] = heartbeatd_next_event_time( $before );
	}
	$calls = &heartbeatd_queue();
	unset( $calls[ "cron $site" ] );
	if ( $next !== $known[ $site ] && heartbeatd_is_configured() ) {
		$calls[ "cron $site" ] = array( '/cron', array( 'at' => $next ), $site );
	}
}
