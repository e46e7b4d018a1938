<?php
/**
 * WP-Cron: WordPress runs scheduled events when it gets a request. On a quiet site
 * whose beats heartbeatd answers there may be none. So the plugin tells heartbeatd when
 * the next event is due, and heartbeatd then passes one beat to PHP.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * Whether a beat that reaches PHP runs events: neither a system cron nor another
 * plugin does. In a request to wp-cron.php WordPress never hooks wp_cron(), so there
 * another plugin that has removed it cannot be noticed.
 *
 * @return bool
 */
function heartbeatd_cron_needs_requests() {
	return ! ( defined( 'DISABLE_WP_CRON' ) && DISABLE_WP_CRON )
		&& ! ( defined( 'ALTERNATE_WP_CRON' ) && ALTERNATE_WP_CRON ) // It needs requests for pages: a beat does not run events.
		&& ( wp_doing_cron() || has_action( 'init', 'wp_cron' ) );
}

/**
 * When the next event is due.
 *
 * @param mixed $events The option 'cron'.
 * @return int Unix seconds; 0 when there is none, or when beats do not run events.
 */
function heartbeatd_next_event_time( $events ) {
	$times = is_array( $events ) ? array_filter( array_keys( $events ), 'is_int' ) : array();
	return $times && heartbeatd_cron_needs_requests() ? max( 1, min( $times ) ) : 0;
}

/**
 * Tells heartbeatd when the next event is due, if that has changed because events were
 * scheduled or have run. After several changes in one request it sends only the last.
 *
 * @param mixed $before The option 'cron' before.
 * @param mixed $after  The option now.
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
