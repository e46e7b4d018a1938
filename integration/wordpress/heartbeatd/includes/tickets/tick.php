<?php
/**
 * Fresh tickets. PHP sends one in a header with every tick.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * The largest number of bytes of response headers, including a ticket. Web servers with a 4 KB buffer for
 * headers, the default of nginx, answer 502 if there are more. The rest is left for headers
 * that the servers add.
 */
const HEARTBEATD_MAX_RESPONSE_HEADERS = 3584;

/**
 * Records the observation of the beat and sends a fresh ticket. Runs as the last callback,
 * after core has verified the nonce.
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
	heartbeatd_record_beat( $screen_id );
	if ( heartbeatd_last_call_failed() ) {
		add_action( 'shutdown', 'heartbeatd_probe_api', PHP_INT_MAX );
	}
	heartbeatd_send_fresh_ticket( $nonce, $screen_id );
}

/**
 * Prepares for a beat with an expired nonce, for example after a log-in in the log-in
 * dialog. Core answers it with new nonces, and without the action heartbeat_tick.
 *
 * @param string     $nonce  The nonce.
 * @param string|int $action The action that the nonce is for.
 */
function heartbeatd_on_failed_nonce( $nonce, $action ) {
	if ( 'heartbeat-nonce' === $action ) {
		add_filter( 'wp_refresh_nonces', 'heartbeatd_send_ticket_with_nonces', PHP_INT_MAX, 3 );
	}
}

/**
 * Sends a fresh ticket with new nonces, to the user who gets these. Records no observation:
 * another site's page can make the browser send such a beat.
 *
 * @param array  $response  The tick.
 * @param array  $data      The beat's data.
 * @param string $screen_id The page's screen.
 * @return array The tick, unchanged.
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
		return; // With a ticket, the page's last tick may have had more headers than a server accepts.
	}
	$data   = heartbeatd_beat_data();
	$posts  = heartbeatd_beat_post_ids( $data );
	$post   = $posts && post_type_exists( $screen_id ) ? $posts[0] : 0;
	$claims = heartbeatd_ticket_claims( $nonce, $screen_id, $posts, $post );
	if ( ! $claims ) {
		return;
	}
	$callbacks = heartbeatd_callbacks_that_need_php( $screen_id, heartbeatd_foreign_callbacks(), heartbeatd_observed_handles() );
	if ( $callbacks ) {
		$claims['callbacks'] = $callbacks;
	}
	if ( isset( $claims['repeat_until'], $data['wp-check-locked-posts'] ) ) {
		$claims['repeat_until'] = (int) $claims['iat'] + HEARTBEATD_LIST_REPEAT_TIME;
		$claims                += array_filter( array( 'locks' => heartbeatd_locks_of_others( $posts ) ) );
	}
	heartbeatd_send_ticket_header( $claims );
}

/**
 * Returns when the locks expire that a list shows, unless they are renewed.
 *
 * @param int[] $post_ids The posts in the list.
 * @return array<string, int> Milliseconds by row, as in core's answer to the list.
 */
function heartbeatd_locks_of_others( $post_ids ) {
	$locks = array();
	foreach ( $post_ids as $post_id ) {
		list( $user, $left ) = heartbeatd_lock_holder( get_post_meta( $post_id, '_edit_lock', true ) );
		if ( $user && get_current_user_id() !== $user ) {
			$locks[ "post-$post_id" ] = 1000 * $left;
		}
	}
	return $locks;
}

/**
 * Returns the posts that a beat names, so that a ticket for a beat names the same rooms as
 * the page's first ticket.
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
 * Sends a ticket that fits beside the other headers of the response. Other plugins may add
 * headers until the output is sent, so they are counted then.
 *
 * @param array $claims The ticket's claims.
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
 * Returns how many bytes a ticket may have beside the headers of the response.
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
