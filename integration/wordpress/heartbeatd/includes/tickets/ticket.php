<?php
/**
 * Tickets: what WordPress tells heartbeatd about a page and its user, signed.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * For how many seconds editors may repeat PHP's last answer about their post's lock, and lists
 * that about the locks that they show. A call to heartbeatd tells pages when a lock changes.
 */
const HEARTBEATD_LOCK_REPEAT_TIME = 100;
const HEARTBEATD_LIST_REPEAT_TIME = 300;

/**
 * For how many seconds heartbeatd may answer the beats of a page while its lock is renewed by calls: as
 * long as it answers beats with a ticket at all.
 */
const HEARTBEATD_LOCK_RENEWAL_TIME = 720;

/**
 * For how many seconds heartbeatd may answer the beats of a page at least and at most, if callbacks of
 * plugins are registered: PHP observes whether they act. Random, so that not all pages ask PHP at once.
 */
const HEARTBEATD_OBSERVED_TICKET_TIME = array( 240, 360 );

/**
 * Returns the claims of a ticket for a page of the current user.
 *
 * @param string $nonce     The heartbeat nonce that the page's next beat carries.
 * @param string $screen_id The page's screen.
 * @param int[]  $post_ids  The posts that the page shows or edits.
 * @param int    $editing   The post that the page edits, or 0.
 * @return array Empty if nobody is logged in, or without a session.
 */
function heartbeatd_ticket_claims( $nonce, $screen_id, $post_ids, $editing ) {
	$cookie = wp_parse_auth_cookie( '', 'logged_in' );
	$token  = $cookie['token'] ?? ''; // As wp_get_session_token() returns it.
	// Without a session, the log-in cannot be revoked or compared with the cookie.
	if ( ! heartbeatd_is_configured() || ! is_user_logged_in() || '' === $token ) {
		return array();
	}
	$user = wp_get_current_user();
	$now  = heartbeatd_request_time();
	$end  = heartbeatd_session_expiration( $cookie );
	if ( $end <= $now ) {
		return array(); // Core's grace period: the page shows the log-in dialog.
	}

	$claims = array(
		'sub'          => (string) $user->ID,
		'name'         => mb_substr( $user->display_name, 0, 60 ),
		'avatar'       => heartbeatd_avatar_url( $user ),
		'sid'          => hash( 'sha256', $token ),
		'cookie'       => substr( hash( 'sha256', LOGGED_IN_COOKIE ), 0, 16 ), // Its name, which differs between the sites of a host.
		'can'          => heartbeatd_user_capabilities(),
		'rooms'        => heartbeatd_ticket_rooms( $post_ids, $screen_id ),
		'screen'       => mb_substr( $screen_id, 0, 100 ),
		'screen_label' => mb_substr( heartbeatd_screen_label( $screen_id ), 0, 60 ),
		'nonce'        => hash( 'sha256', $nonce ),
		'fresh_until'  => min( $end, heartbeatd_nonce_fresh_until() ),
		'iat'          => round( $now, 3 ),
		'exp'          => min( $end, (int) $now + HOUR_IN_SECONDS ),
		'serials'      => heartbeatd_last_serials(),
	);
	if ( ! heartbeatd_presence_is_recording( $user->ID ) ) {
		$claims['unrecorded'] = true;
	}
	// A beat may name any post.
	$post = $editing && current_user_can( 'edit_post', $editing ) ? get_post( $editing ) : null;
	if ( $post ) {
		$claims['post'] = array(
			'id'     => $post->ID,
			'type'   => (string) $post->post_type,
			'status' => (string) $post->post_status,
			'title'  => heartbeatd_post_title( $post ),
		);
	}
	$types   = heartbeatd_editable_post_types();
	$except  = $types ? heartbeatd_post_except_from_types() : 0;
	$claims += array_filter( compact( 'types', 'except' ) ) + heartbeatd_post_claims( $types );
	if ( $types || isset( $claims['editable'] ) ) {
		$claims['admin'] = admin_url();
	}
	if ( 'other' === heartbeatd_presence_provider() ) {
		$claims += array_filter( array( 'sync' => heartbeatd_sync_url() ) ) + heartbeatd_push_transport_claims( $screen_id );
	}
	$event = heartbeatd_cron_needs_requests() ? heartbeatd_next_event_time( get_option( 'cron' ) ) : 0; // The option is large.
	if ( $event ) {
		$claims['cron'] = $event;
	}
	return heartbeatd_add_native_claims( $claims, $screen_id );
}

/**
 * Adds the claims about the beats that heartbeatd may answer. A page may repeat answers about
 * post locks only if heartbeatd may answer beats with handles of core. The claim `sets` has the sets
 * of handles that a beat may carry, and `counted` the native handles that belong to a set.
 *
 * @param array  $claims    The ticket's claims.
 * @param string $screen_id The page's screen.
 * @return array
 */
function heartbeatd_add_native_claims( $claims, $screen_id ) {
	list( $sets, $pace ) = heartbeatd_page_native_sets( $screen_id );
	if ( ! $sets ) {
		return $claims;
	}
	$native = heartbeatd_native_handles();
	$own    = heartbeatd_own_handles();
	if ( array( '' ) === $sets ) {
		$claims['native'] = array_values( array_intersect( $native, $own ) );
	} else {
		$claims['native']       = $native;
		$claims['deposits']     = true;
		$claims['repeat_until'] = (int) $claims['iat'] + HEARTBEATD_LOCK_REPEAT_TIME;
		$renewal                = heartbeatd_lock_renewal_url( $claims['post']['id'] ?? 0 );
		if ( '' !== $renewal ) {
			$claims['renewal']      = $renewal;
			$claims['repeat_until'] = (int) $claims['iat'] + HEARTBEATD_LOCK_RENEWAL_TIME;
		}
		if ( true !== $sets ) {
			$counted = array_values( array_diff( $native, $own ) );
			$claims += array_filter( compact( 'sets', 'counted' ) );
		}
	}
	if ( true !== $sets ) {
		$observed              = random_int( ...HEARTBEATD_OBSERVED_TICKET_TIME );
		$claims['fresh_until'] = min( $claims['fresh_until'], (int) $claims['iat'] + ( $pace ? min( $pace, $observed ) : $observed ) );
	}
	return $claims;
}

/**
 * Signs a ticket. Leaves out what does not fit: what is only counted, single posts, when locks
 * expire, the renewal of the page's lock, then sets of several handles, the ping, rooms, from the end,
 * the post types, and then the other sets of handles.
 *
 * @param array $claims The claims.
 * @param int   $limit  The most bytes that the ticket may have.
 * @return string Empty if there are no claims, or the ticket does not fit.
 */
function heartbeatd_sign_ticket( $claims, $limit = HEARTBEATD_MAX_JWT ) {
	if ( ! $claims ) {
		return '';
	}
	$ticket = heartbeatd_sign_jwt( $claims );
	while ( strlen( $ticket ) > $limit ) {
		if ( isset( $claims['callbacks'] ) ) {
			unset( $claims['callbacks'] );
		} elseif ( isset( $claims['editable'] ) || isset( $claims['not_editable'] ) ) {
			$claims = heartbeatd_cut_post_claims( $claims );
		} elseif ( isset( $claims['locks'] ) ) {
			$claims['repeat_until'] = min( $claims['repeat_until'], (int) ( $claims['iat'] + min( $claims['locks'] ) / 1000 ) );
			unset( $claims['locks'] );
		} elseif ( isset( $claims['renewal'] ) ) {
			$claims['repeat_until'] = (int) $claims['iat'] + HEARTBEATD_LOCK_REPEAT_TIME;
			unset( $claims['renewal'] );
		} elseif ( preg_grep( '/,/', $claims['sets'] ?? array() ) ) {
			$several = preg_grep( '/,/', $claims['sets'] );
			array_splice( $claims['sets'], array_key_last( $several ), 1 );
		} elseif ( isset( $claims['ping'] ) ) {
			unset( $claims['ping'] );
		} elseif ( $claims['rooms'] ) {
			array_pop( $claims['rooms'] );
		} elseif ( isset( $claims['admin'] ) ) {
			unset( $claims['types'], $claims['admin'] );
		} elseif ( isset( $claims['sets'][1] ) ) {
			array_pop( $claims['sets'] );
		} else {
			return '';
		}
		$ticket = heartbeatd_sign_jwt( $claims );
	}
	return $ticket;
}

/**
 * Returns the capabilities of the current user that the ticket names.
 *
 * @return string[]
 */
function heartbeatd_user_capabilities() {
	return array_values( array_filter( heartbeatd_ticket_capabilities(), heartbeatd_capability_check() ) );
}

/**
 * Returns the first second after the current user's session or cookie expires. The session
 * is cached: core has read it to validate the cookie.
 *
 * @param string[] $cookie The parts of the log-in cookie.
 * @return int Unix seconds.
 */
function heartbeatd_session_expiration( $cookie ) {
	$session = WP_Session_Tokens::get_instance( get_current_user_id() )->get( $cookie['token'] );
	return 1 + min( (int) $cookie['expiration'], (int) ( $session['expiration'] ?? $cookie['expiration'] ) );
}

/**
 * Returns the time at which the request began. A ticket is issued at this time, so that a
 * revocation during the request also ends the ticket.
 *
 * @return float Unix seconds.
 */
function heartbeatd_request_time() {
	return 'cli' === PHP_SAPI ? microtime( true ) : (float) $_SERVER['REQUEST_TIME_FLOAT']; // phpcs:ignore WordPress.Security.ValidatedSanitizedInput -- It is the server's own.
}
