<?php
/**
 * The beats that PHP answers.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * Looks at the hooks before anything of the beat has run: what hangs there may
 * take itself off.
 */
function heartbeatd_look_before_beat() {
	if ( heartbeatd_is_configured() ) {
		heartbeatd_seen_before_beat( heartbeatd_foreign_callbacks() );
	}
}

/**
 * What was foreign when the beat began.
 *
 * @param array[]|null $foreign Sets it.
 * @return array[]
 */
function heartbeatd_seen_before_beat( $foreign = null ) {
	static $seen = array();
	if ( null !== $foreign ) {
		$seen = $foreign;
	}
	return $seen;
}

/**
 * Learns from the beat and sends a fresh ticket with its tick. It is the last thing
 * hooked, and core has checked the nonce.
 *
 * @param array  $response  The tick.
 * @param string $screen_id The page's screen.
 */
function heartbeatd_send_ticket( $response, $screen_id ) {
	if ( ! heartbeatd_is_configured() || headers_sent() ) {
		return;
	}
	$nonce = heartbeatd_next_nonce( $response );
	if ( '' === $nonce ) {
		return;
	}
	heartbeatd_learn( $screen_id, heartbeatd_seen_before_beat() + heartbeatd_foreign_callbacks() );
	if ( heartbeatd_last_call_failed() ) {
		add_action( 'shutdown', 'heartbeatd_call_again', PHP_INT_MAX );
	}
	heartbeatd_send_ticket_for( $nonce, $screen_id );
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
			heartbeatd_send_ticket_for( $nonce, $screen_id );
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
function heartbeatd_send_ticket_for( $nonce, $screen_id ) {
	if ( isset( $_SERVER['HTTP_HEARTBEAT_NO_TICKET'] ) ) {
		return; // The answer to the page's last beat may have had too many headers with one.
	}
	// phpcs:ignore WordPress.Security.NonceVerification.Missing, WordPress.Security.ValidatedSanitizedInput -- Post ids are made integers and checked one by one.
	$posts  = heartbeatd_posts_of_beat( isset( $_POST['data'] ) ? wp_unslash( (array) $_POST['data'] ) : array() );
	$post   = $posts && post_type_exists( $screen_id ) ? $posts[0] : 0;
	$claims = heartbeatd_ticket_claims( $nonce, $screen_id, $posts, $post );
	if ( $claims ) {
		heartbeatd_send_ticket_last( $claims );
	}
}

/**
 * Sends a ticket that fits beside the response's other headers. Other plugins may
 * add headers until the response is written, so they are counted then.
 *
 * @param array $claims What the ticket says.
 */
function heartbeatd_send_ticket_last( $claims ) {
	ob_start(
		static function ( $output ) use ( $claims ) {
			static $sent = false;
			$ticket = $sent || headers_sent() ? '' : heartbeatd_sign_what_fits( $claims, heartbeatd_header_room() );
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
function heartbeatd_header_room() {
	$used = strlen( "Status: 200 OK\r\nX-Heartbeatd-Ticket: \r\n\r\n" );
	foreach ( headers_list() as $line ) {
		$used += strlen( $line ) + strlen( "\r\n" );
	}
	return min( HEARTBEATD_MAX_TICKET, HEARTBEATD_MAX_HEADERS - $used );
}

/**
 * The nonce that the page's next beat carries: the one it has while that is in
 * its first half, else the one that the tick brings. '' if that is not known.
 *
 * @param array $response The tick.
 * @return string
 */
function heartbeatd_next_nonce( $response ) {
	if ( isset( $response['heartbeat_nonce'] ) && is_string( $response['heartbeat_nonce'] ) ) {
		$nonce = $response['heartbeat_nonce'];
	} else {
		// phpcs:ignore WordPress.Security.NonceVerification.Missing -- It is verified in the next line.
		$nonce = isset( $_POST['_nonce'] ) && is_string( $_POST['_nonce'] ) ? sanitize_text_field( wp_unslash( $_POST['_nonce'] ) ) : '';
	}
	return 1 === wp_verify_nonce( $nonce, 'heartbeat-nonce' ) ? $nonce : '';
}
