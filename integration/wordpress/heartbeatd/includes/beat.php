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
 * Learns from the beat and sends a fresh ticket with its tick. It is the last
 * thing hooked, and core has checked the nonce.
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
	// phpcs:ignore WordPress.Security.NonceVerification.Missing, WordPress.Security.ValidatedSanitizedInput -- Core has checked the nonce; post ids are made integers and checked one by one.
	$posts  = heartbeatd_posts_of_beat( isset( $_POST['data'] ) ? wp_unslash( (array) $_POST['data'] ) : array() );
	$post   = $posts && post_type_exists( $screen_id ) ? $posts[0] : 0;
	$ticket = heartbeatd_ticket( $nonce, $screen_id, $posts, $post );
	if ( '' !== $ticket ) {
		header( 'X-Heartbeatd-Ticket: ' . $ticket );
	}
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
