<?php
/**
 * WP-Cron: WordPress runs scheduled events with the requests that it gets. Where
 * heartbeatd answers the beats of a quiet site there may be none, so heartbeatd is
 * told when the next event is due, and leaves one beat to PHP then.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * Whether requests such as a beat run events: no system cron does it, and nobody
 * else has taken it over.
 *
 * @return bool
 */
function heartbeatd_cron_needs_requests() {
	return ! ( defined( 'DISABLE_WP_CRON' ) && DISABLE_WP_CRON )
		&& ! ( defined( 'ALTERNATE_WP_CRON' ) && ALTERNATE_WP_CRON ) // It needs requests for pages: a beat does not run events.
		&& has_action( 'init', 'wp_cron' );
}

/**
 * When the next event is due.
 *
 * @param mixed $events The option 'cron'.
 * @return int Unix seconds; 0 when there is none, or when beats do not run events.
 */
function heartbeatd_next_event( $events ) {
	$times = is_array( $events ) ? array_filter( array_keys( $events ), 'is_int' ) : array();
	return $times && heartbeatd_cron_needs_requests() ? max( 1, min( $times ) ) : 0;
}

/**
 * Tells heartbeatd when events were scheduled or have run, and another one is the
 * next. Of several changes in one request only the last is told.
 *
 * @param mixed $before The option 'cron' before.
 * @param mixed $after  The option now.
 */
function heartbeatd_on_cron_update( $before, $after ) {
	static $known = array();

	$site = get_current_blog_id();
	$next = heartbeatd_next_event( $after );
	if ( ! isset( $known[ $site ] ) ) {
		$known[ $site ] = heartbeatd_next_event( $before );
	}
	$calls = &heartbeatd_queue();
	unset( $calls[ "cron $site" ] );
	if ( $next !== $known[ $site ] && heartbeatd_is_configured() ) {
		$calls[ "cron $site" ] = array( '/cron', array( 'at' => $next ), $site );
	}
}
