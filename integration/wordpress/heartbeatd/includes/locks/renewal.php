<?php
/**
 * The renewal of post locks by a call of heartbeatd: one call for the editors of all users of the
 * site, instead of a beat of each. While an editor's ticket has the claim 'renewal', its page repeats
 * the last answer about its lock after each renewal.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * The most locks of a call.
 */
const HEARTBEATD_MAX_RENEWED_LOCKS = 100;

/**
 * Registers the route.
 */
function heartbeatd_register_locks_route() {
	register_rest_route(
		'heartbeatd/v1',
		'/locks',
		array(
			'methods'             => 'POST',
			'callback'            => 'heartbeatd_renew_locks',
			'permission_callback' => 'heartbeatd_check_call',
			'args'                => array(
				'locks' => array(
					'type'     => 'array',
					'maxItems' => HEARTBEATD_MAX_RENEWED_LOCKS,
					'required' => true,
				),
			),
		)
	);
}

/**
 * Renews the locks that a call names.
 *
 * @param WP_REST_Request $request The call.
 * @return WP_REST_Response
 */
function heartbeatd_renew_locks( $request ) {
	$asked = array_filter( $request['locks'], 'heartbeatd_is_asked_lock' );
	cache_users( array_unique( array_column( $asked, 'user_id' ) ) );
	_prime_post_caches( array_unique( array_column( $asked, 'post_id' ) ), false, true );
	remove_action( 'update_post_meta', 'heartbeatd_on_lock_update' ); // heartbeatd pushes what the answer has.
	$locks = array();
	foreach ( $request['locks'] as $i => $lock ) {
		$locks[] = isset( $asked[ $i ] ) ? heartbeatd_renew_asked_lock( $lock ) : array( 'renewed' => false );
	}
	wp_set_current_user( 0 );
	return new WP_REST_Response( array( 'locks' => $locks ) );
}

/**
 * Determines whether a value names a lock.
 *
 * @param mixed $lock The value, as {post_id, user_id, session, lock}.
 * @return bool
 */
function heartbeatd_is_asked_lock( $lock ) {
	return is_array( $lock ) && is_int( $lock['post_id'] ?? null ) && is_int( $lock['user_id'] ?? null ) && $lock['post_id'] > 0 && $lock['user_id'] > 0
		&& is_string( $lock['session'] ?? null ) && is_string( $lock['lock'] ?? null );
}

/**
 * Renews a lock as its user, if the user and the document that the call names hold it now, the user is
 * still logged in, and may still edit the post.
 *
 * @param array $asked The lock, as {post_id, user_id, session, lock}.
 * @return array Whether it was renewed; if so, the post's room and what lists show; if not, which user holds it, or 0.
 */
function heartbeatd_renew_asked_lock( $asked ) {
	$post_id = $asked['post_id'];
	wp_set_current_user( $asked['user_id'] );
	$renewed = heartbeatd_has_session( $asked['user_id'], $asked['session'] ) && get_post( $post_id ) && current_user_can( 'edit_post', $post_id )
		&& heartbeatd_write_lock(
			$post_id,
			static function ( $stored ) use ( $asked ) {
				return heartbeatd_lock_renewed_by_call( $stored, $asked['lock'], $asked['user_id'] );
			}
		);
	$lock    = get_post_meta( $post_id, '_edit_lock', true );
	if ( ! $renewed ) {
		return array(
			'renewed' => false,
			'holder'  => heartbeatd_lock_holder( $lock )[0],
		);
	}
	return array(
		'renewed' => true,
		'room'    => heartbeatd_post_room( $post_id ),
		'change'  => heartbeatd_describe_lock( $asked['user_id'], $lock ),
	);
}

/**
 * Determines whether a user has a log-in that has not expired.
 *
 * @param int    $user_id The user.
 * @param string $session Hex SHA-256 of the session token, as core stores it.
 * @return bool
 */
function heartbeatd_has_session( $user_id, $session ) {
	$sessions = get_user_meta( $user_id, 'session_tokens', true );
	$found    = is_array( $sessions ) ? $sessions[ $session ] ?? 0 : 0;
	return (int) ( is_array( $found ) ? $found['expiration'] ?? 0 : $found ) >= time();
}
