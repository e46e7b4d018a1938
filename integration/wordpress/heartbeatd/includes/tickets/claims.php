<?php
/**
 * The claims of a ticket: what WordPress tells heartbeatd about a page and its user.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * For how many seconds pages may repeat what PHP says of post locks. PHP ends that
 * earlier by a call to heartbeatd.
 */
const HEARTBEATD_LOCK_REPEAT_TIME = 100;

/**
 * What a ticket says; nothing when there is nobody to vouch for.
 *
 * @param string $nonce     As for heartbeatd_ticket().
 * @param string $screen_id As for heartbeatd_ticket().
 * @param int[]  $post_ids  As for heartbeatd_ticket().
 * @param int    $editing   As for heartbeatd_ticket().
 * @return array
 */
function heartbeatd_ticket_claims( $nonce, $screen_id, $post_ids, $editing ) {
	$token = wp_get_session_token();
	// A log-in without a session cannot be revoked, and its cookie not be compared.
	if ( ! heartbeatd_is_configured() || ! is_user_logged_in() || '' === $token ) {
		return array();
	}
	$user = wp_get_current_user();
	$now  = heartbeatd_request_time();
	$end  = heartbeatd_session_expiration( $token );
	if ( $end <= $now ) {
		return array(); // what core calls the grace period: the page is to show the log-in dialog
	}

	$claims = array(
		'sub'          => (string) $user->ID,
		'name'         => mb_substr( $user->display_name, 0, 60 ),
		'avatar'       => heartbeatd_avatar_url( $user ),
		'sid'          => hash( 'sha256', $token ),
		'cookie'       => substr( hash( 'sha256', LOGGED_IN_COOKIE ), 0, 16 ), // its name: other sites on this host have others
		'can'          => heartbeatd_user_capabilities(),
		'rooms'        => heartbeatd_ticket_rooms( $post_ids, $screen_id ),
		'screen'       => mb_substr( $screen_id, 0, 100 ),
		'screen_label' => mb_substr( heartbeatd_screen_label( $screen_id ), 0, 60 ),
		'nonce'        => hash( 'sha256', $nonce ),
		'fresh_until'  => min( $end, heartbeatd_nonce_fresh_until() ),
		'iat'          => round( $now, 3 ),
		'exp'          => min( $end, (int) $now + HOUR_IN_SECONDS ),
	);
	// A beat names whatever post it likes.
	$post = $editing && current_user_can( 'edit_post', $editing ) ? get_post( $editing ) : null;
	if ( $post ) {
		$claims['post'] = array(
			'id'    => $post->ID,
			'type'  => (string) $post->post_type,
			'title' => heartbeatd_post_title( $post ),
		);
	}
	$types = heartbeatd_editable_post_types();
	if ( $types ) {
		$claims['types'] = $types;
		$claims['admin'] = admin_url();
	}
	if ( '' !== heartbeatd_sync_url() ) {
		$claims['sync'] = heartbeatd_sync_url();
	}
	if ( ! heartbeatd_last_call_failed() ) {
		$claims['repeat_until'] = (int) $now + HEARTBEATD_LOCK_REPEAT_TIME;
	}
	$event = heartbeatd_next_event_time( get_option( 'cron' ) );
	if ( $event ) {
		$claims['cron'] = $event;
	}
	if ( heartbeatd_are_beats_native( $screen_id ) ) {
		$claims['native'] = HEARTBEATD_NATIVE_HANDLES;
	}
	return $claims;
}

/**
 * Which capabilities heartbeatd hears that the current user has.
 *
 * @return string[]
 */
function heartbeatd_user_capabilities() {
	return array_values( array_filter( heartbeatd_ticket_capabilities(), 'current_user_can' ) );
}

/**
 * When the current user's log-in has ended by itself: the first second after the
 * end of its session and of its cookie. The session's data were read to check the
 * cookie, and are cached.
 *
 * @param string $token The session token.
 * @return int Unix seconds.
 */
function heartbeatd_session_expiration( $token ) {
	$cookie  = wp_parse_auth_cookie( '', 'logged_in' );
	$session = WP_Session_Tokens::get_instance( get_current_user_id() )->get( $token );
	return 1 + min( (int) $cookie['expiration'], (int) ( $session['expiration'] ?? $cookie['expiration'] ) );
}

/**
 * When the request began. Nothing that a ticket says is older, so whatever is
 * revoked afterwards ends it.
 *
 * @return float Unix seconds.
 */
function heartbeatd_request_time() {
	return 'cli' === PHP_SAPI ? microtime( true ) : (float) $_SERVER['REQUEST_TIME_FLOAT']; // phpcs:ignore WordPress.Security.ValidatedSanitizedInput -- It is the server's own.
}
