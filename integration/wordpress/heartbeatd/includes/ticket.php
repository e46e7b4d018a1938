<?php
/**
 * Tickets: what WordPress tells heartbeatd about a page, signed.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * The most bytes a ticket may have: it travels in headers.
 */
const HEARTBEATD_MAX_TICKET = 2048;

/**
 * The most bytes of response headers, a ticket among them. Web servers that buffer
 * 4 KB of them, as nginx does by default, answer 502 when there are more. The rest
 * is for the headers that servers add.
 */
const HEARTBEATD_MAX_HEADERS = 3584;

/**
 * For how many seconds pages may repeat what PHP says of post locks. PHP ends that
 * earlier by a call to heartbeatd.
 */
const HEARTBEATD_REPEAT = 100;

/**
 * Handles that heartbeatd can answer. The last two, with which editors ask for
 * nonces, get no answer while the page's own is in the first half of its life,
 * and only then is a beat native.
 */
const HEARTBEATD_NATIVE_HANDLES = array( 'presence-ping', 'presence-editor-ping', 'presence-active-posts-ping', 'wp-refresh-post-nonces', 'wp-refresh-metabox-loader-nonces' );

/**
 * The capabilities that tickets name when no filter says otherwise.
 */
const HEARTBEATD_CAPABILITIES = array( 'edit_posts', 'manage_options' );

/**
 * How many post types a ticket names.
 */
const HEARTBEATD_MAX_TYPES = 20;

/**
 * Signs claims as a JWT (HS256) of this site.
 *
 * @param array $claims The claims.
 * @return string
 */
function heartbeatd_sign( $claims ) {
	$header = array(
		'alg' => 'HS256',
		'typ' => 'JWT',
		'kid' => heartbeatd_setting( 'site' ),
	);
	$signed = heartbeatd_base64url( heartbeatd_json( $header ) ) . '.' . heartbeatd_base64url( heartbeatd_json( $claims ) );
	return $signed . '.' . heartbeatd_base64url( hash_hmac( 'sha256', $signed, heartbeatd_setting( 'secret' ), true ) );
}

/**
 * JSON without the escapes that only cost bytes.
 *
 * @param mixed $value The value.
 * @return string|false
 */
function heartbeatd_json( $value ) {
	return wp_json_encode( $value, JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE );
}

/**
 * Base64 as a JWT has it.
 *
 * @param string $bytes The bytes.
 * @return string
 */
function heartbeatd_base64url( $bytes ) {
	// phpcs:ignore WordPress.PHP.DiscouragedPHPFunctions.obfuscation_base64_encode -- A JWT is written so.
	return rtrim( strtr( base64_encode( $bytes ), '+/', '-_' ), '=' );
}

/**
 * A ticket for the current user's page, or '' when there is nobody to vouch for.
 *
 * @param string $nonce     The heartbeat nonce that the page's next beat carries.
 * @param string $screen_id The page's screen.
 * @param int[]  $post_ids  The posts that the page shows or edits.
 * @param int    $editing   The post that the page edits, or 0.
 * @return string
 */
function heartbeatd_ticket( $nonce, $screen_id, $post_ids, $editing ) {
	$claims = heartbeatd_ticket_claims( $nonce, $screen_id, $post_ids, $editing );
	return $claims ? heartbeatd_sign_what_fits( $claims, HEARTBEATD_MAX_TICKET ) : '';
}

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
	$end  = heartbeatd_login_end( $token );
	if ( $end <= $now ) {
		return array(); // what core calls the grace period: the page is to show the log-in dialog
	}

	$claims = array(
		'sub'          => (string) $user->ID,
		'name'         => mb_substr( $user->display_name, 0, 60 ),
		'avatar'       => heartbeatd_avatar( $user ),
		'sid'          => hash( 'sha256', $token ),
		'cookie'       => substr( hash( 'sha256', LOGGED_IN_COOKIE ), 0, 16 ), // its name: other sites on this host have others
		'can'          => heartbeatd_capabilities(),
		'rooms'        => heartbeatd_rooms( $post_ids, $screen_id ),
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
	$types = heartbeatd_editable_types();
	if ( $types ) {
		$claims['types'] = $types;
		$claims['admin'] = admin_url();
	}
	if ( '' !== heartbeatd_sync_url() ) {
		$claims['sync'] = heartbeatd_sync_url();
	}
	if ( ! heartbeatd_last_call_failed() ) {
		$claims['repeat_until'] = (int) $now + HEARTBEATD_REPEAT;
	}
	$event = heartbeatd_next_event( get_option( 'cron' ) );
	if ( $event ) {
		$claims['cron'] = $event;
	}
	if ( heartbeatd_may_be_native( $screen_id ) ) {
		$claims['native'] = HEARTBEATD_NATIVE_HANDLES;
	}
	return $claims;
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

/**
 * Signs a ticket, leaving out the rooms that do not fit, and if need be the post types.
 *
 * @param array $claims The claims.
 * @param int   $limit  The most bytes that the ticket may have.
 * @return string '' when it does not fit.
 */
function heartbeatd_sign_what_fits( $claims, $limit ) {
	$ticket = heartbeatd_sign( $claims );
	while ( strlen( $ticket ) > $limit && ( $claims['rooms'] || isset( $claims['types'] ) ) ) {
		if ( ! $claims['rooms'] ) {
			unset( $claims['types'], $claims['admin'] );
		}
		array_pop( $claims['rooms'] );
		$ticket = heartbeatd_sign( $claims );
	}
	return strlen( $ticket ) > $limit ? '' : $ticket;
}

/**
 * Whether a JWT is one of this site's, for one purpose, and of a minute's life at most.
 *
 * @param string $jwt      The JWT.
 * @param string $audience What it must be for.
 * @return bool
 */
function heartbeatd_is_own_key( $jwt, $audience ) {
	$parts = explode( '.', $jwt );
	if ( 3 !== count( $parts ) || strlen( $jwt ) > HEARTBEATD_MAX_TICKET ) {
		return false;
	}
	$signed = false;
	foreach ( heartbeatd_secrets() as $secret ) {
		$signature = heartbeatd_base64url( hash_hmac( 'sha256', "$parts[0].$parts[1]", $secret, true ) );
		$signed    = hash_equals( $signature, $parts[2] ) || $signed;
	}
	// phpcs:disable WordPress.PHP.DiscouragedPHPFunctions.obfuscation_base64_decode -- A JWT is written so.
	$header = json_decode( (string) base64_decode( strtr( $parts[0], '-_', '+/' ) ), true );
	$claims = json_decode( (string) base64_decode( strtr( $parts[1], '-_', '+/' ) ), true );
	// phpcs:enable
	if ( ! $signed || 'HS256' !== ( $header['alg'] ?? '' ) || heartbeatd_setting( 'site' ) !== ( $header['kid'] ?? '' ) ) {
		return false;
	}
	$issued  = (int) ( $claims['iat'] ?? 0 );
	$expires = (int) ( $claims['exp'] ?? 0 );
	return array( $audience ) === (array) ( $claims['aud'] ?? '' )
		&& $expires - $issued <= MINUTE_IN_SECONDS && $expires > time() && $issued <= time() + MINUTE_IN_SECONDS;
}

/**
 * The secrets that a key may be signed with: this site's, and while it is being
 * changed the one before.
 *
 * @return string[]
 */
function heartbeatd_secrets() {
	$old = defined( 'HEARTBEATD_OLD_SECRET' ) ? (string) HEARTBEATD_OLD_SECRET : '';
	return array_filter( array( heartbeatd_setting( 'secret' ), $old ), 'strlen' );
}

/**
 * A user's picture, if the site shows any and its address is not too long.
 *
 * @param WP_User $user The user.
 * @return string
 */
function heartbeatd_avatar( $user ) {
	$url = get_option( 'show_avatars' ) ? (string) get_avatar_url( $user->ID, array( 'size' => 64 ) ) : '';
	return strlen( $url ) > 255 ? '' : $url;
}

/**
 * Which capabilities heartbeatd hears that the current user has.
 *
 * @return string[]
 */
function heartbeatd_capabilities() {
	return array_values( array_filter( heartbeatd_ticket_capabilities(), 'current_user_can' ) );
}

/**
 * The capabilities that tickets name, of whoever has them.
 *
 * @return string[]
 */
function heartbeatd_ticket_capabilities() {
	/**
	 * Filters the capabilities that can be pushed to and nudged, as 'can:edit_posts'.
	 *
	 * @param string[] $capabilities Capabilities.
	 */
	$capabilities = apply_filters( 'heartbeatd_capabilities', HEARTBEATD_CAPABILITIES );
	return array_slice( heartbeatd_names( $capabilities ), 0, 10 );
}

/**
 * When the current user's log-in has ended by itself: the first second after the
 * end of its session and of its cookie. The session's data were read to check the
 * cookie, and are cached.
 *
 * @param string $token The session token.
 * @return int Unix seconds.
 */
function heartbeatd_login_end( $token ) {
	$cookie  = wp_parse_auth_cookie( '', 'logged_in' );
	$session = WP_Session_Tokens::get_instance( get_current_user_id() )->get( $token );
	return 1 + min( (int) $cookie['expiration'], (int) ( $session['expiration'] ?? $cookie['expiration'] ) );
}

/**
 * When a nonce made now is no longer in the first half of its life.
 *
 * @return int Unix seconds.
 */
function heartbeatd_nonce_fresh_until() {
	// phpcs:ignore WordPress.NamingConventions.PrefixAllGlobals.NonPrefixedHooknameFound -- Core's filter.
	$life = apply_filters( 'nonce_life', DAY_IN_SECONDS, 'heartbeat-nonce' );
	return (int) floor( wp_nonce_tick( 'heartbeat-nonce' ) * $life / 2 );
}
