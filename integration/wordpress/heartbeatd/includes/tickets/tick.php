<?php
/**
 * Fresh tickets: sent in a header of every tick that PHP makes.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * The most bytes of response headers, a ticket among them. Web servers that buffer
 * 4 KB of them, as nginx does by default, answer 502 when there are more. The rest
 * is for the headers that servers add.
 */
const HEARTBEATD_MAX_RESPONSE_HEADERS = 3584;

/**
 * Learns from the beat and sends a fresh ticket with its tick. It is the last thing
 * hooked, and core has checked the nonce.
 *
 * @param array  $response  The tick.
 * @param string $screen_id The page's screen.
 */
function heartbeatd_on_heartbeat_tick( $response, $screen_id ) {
	if ( ! heartbeatd_is_configured() || headers_sent() ) {
		return;
	}
	$nonce = heartbeatd_next_nonce( $response );
	if ( '' === $nonce ) {
		return;
	}
	heartbeatd_record_observation( $screen_id, heartbeatd_callbacks_before_beat() + heartbeatd_foreign_callbacks() );
	if ( heartbeatd_last_call_failed() ) {
		add_action( 'shutdown', 'heartbeatd_probe_api', PHP_INT_MAX );
	}
	heartbeatd_send_fresh_ticket( $nonce, $screen_id );
}

/**
 * Prepares for a beat whose nonce has expired, as it has after a log-in in the log-in
 * dialog: core answers it with new nonces, and without the heartbeat_tick action.
 *
 * @param string     $nonce  The nonce.
 * @param string|int $action What it was for.
 */
function heartbeatd_on_failed_nonce( $nonce, $action ) {
	if ( 'heartbeat-nonce' === $action ) {
		add_filter( 'wp_refresh_nonces', 'heartbeatd_send_ticket_with_nonces', PHP_INT_MAX, 3 );
	}
}

/**
 * Sends a fresh ticket with new nonces. It goes to whoever gets those. Nothing is
 * learned from such a beat: another site's page can make the browser send it.
 *
 * @param array  $response  The tick.
 * @param array  $data      What the beat contains.
 * @param string $screen_id The page's screen.
 * @return array The tick as it was.
 */
function heartbeatd_send_ticket_with_nonces( $response, $data, $screen_id ) {
	if ( heartbeatd_is_configured() && ! headers_sent() ) {
		$nonce = heartbeatd_next_nonce( $response );
		if ( '' !== $nonce ) {
			heartbeatd_send_fresh_ticket( $nonce, $screen_id );
		}
	}
	return $response;
}

/**
 * Sends a fresh ticket, unless the page asks for none.
 *
 * @param string $nonce     The nonce of the page's next beat.
 * @param string $screen_id The page's screen.
 */
function heartbeatd_send_fresh_ticket( $nonce, $screen_id ) {
	if ( isset( $_SERVER['HTTP_HEARTBEAT_NO_TICKET'] ) ) {
		return; // The answer to the page's last beat may have had too many headers with one.
	}
	// phpcs:ignore WordPress.Security.NonceVerification.Missing, WordPress.Security.ValidatedSanitizedInput -- Post ids are made integers and checked one by one.
	$posts  = heartbeatd_beat_post_ids( isset( $_POST['data'] ) ? wp_unslash( (array) $_POST['data'] ) : array() );
	$post   = $posts && post_type_exists( $screen_id ) ? $posts[0] : 0;
	$claims = heartbeatd_ticket_claims( $nonce, $screen_id, $posts, $post );
	if ( $claims ) {
		heartbeatd_send_ticket_header( $claims );
	}
}

/**
 * The posts that a beat speaks of, so that a ticket made for a beat names the
 * same rooms as the page's first.
 *
 * @param array $data The beat's data.
 * @return int[]
 */
function heartbeatd_beat_post_ids( $data ) {
	$post_ids = array();
	foreach ( array( 'wp-refresh-post-lock', 'presence-editor-ping', 'wp_autosave', 'wp-refresh-post-nonces' ) as $handle ) {
		if ( isset( $data[ $handle ]['post_id'] ) && is_scalar( $data[ $handle ]['post_id'] ) ) {
			$post_ids[] = (int) $data[ $handle ]['post_id'];
		}
	}
	foreach ( array_slice( (array) ( $data['wp-check-locked-posts'] ?? array() ), 0, HEARTBEATD_MAX_ROOMS ) as $key ) {
		$post_ids[] = is_string( $key ) ? absint( substr( $key, 5 ) ) : 0;
	}
	return $post_ids;
}

/**
 * Sends a ticket that fits beside the response's other headers. Other plugins may
 * add headers until the response is written, so they are counted then.
 *
 * @param array $claims What the ticket says.
 */
function heartbeatd_send_ticket_header( $claims ) {
	ob_start(
		static function ( $output ) use ( $claims ) {
			static $sent = false;

			$ticket = $sent || headers_sent() ? '' : heartbeatd_sign_ticket( $claims, heartbeatd_ticket_header_limit() );
			if ( '' !== $ticket ) {
				header( 'X-Heartbeatd-Ticket: ' . $ticket );
			}
			$sent = true;
			return $output;
		}
	);
}

/**
 * How many bytes a ticket may have beside the headers that the response has so far.
 *
 * @return int
 */
function heartbeatd_ticket_header_limit() {
	$used = strlen( "Status: 200 OK\r\nX-Heartbeatd-Ticket: \r\n\r\n" );
	foreach ( headers_list() as $line ) {
		$used += strlen( $line ) + strlen( "\r\n" );
	}
	return min( HEARTBEATD_MAX_JWT, HEARTBEATD_MAX_RESPONSE_HEADERS - $used );
}
