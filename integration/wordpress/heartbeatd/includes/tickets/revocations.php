<?php
/**
 * Tickets end with what they vouch for: the log-in, the password, the role, the user.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * When more log-ins than this end at once, all of the user's tickets do. Those
 * that should have stayed get new ones with the next beat.
 */
const HEARTBEATD_MAX_SESSIONS = 10;

/**
 * Ends all tickets of a user that were issued until now.
 *
 * @param int $user_id The user.
 */
function heartbeatd_revoke_user( $user_id ) {
	$user_id = $user_id instanceof WP_User ? $user_id->ID : (int) $user_id;
	if ( $user_id > 0 ) {
		heartbeatd_enqueue_call( '/revoke', array( 'user' => $user_id ) );
	}
}

/**
 * Ends the tickets of log-ins.
 *
 * @param int      $user_id  The user.
 * @param string[] $sessions The hashes of the log-ins' tokens, which is how WordPress keeps them.
 */
function heartbeatd_revoke_sessions( $user_id, $sessions ) {
	if ( count( $sessions ) > HEARTBEATD_MAX_SESSIONS ) {
		heartbeatd_revoke_user( $user_id );
		return;
	}
	foreach ( $sessions as $sid ) {
		heartbeatd_enqueue_call(
			'/revoke',
			array(
				'user' => (int) $user_id,
				'sid'  => (string) $sid,
			)
		);
	}
}

/**
 * Takes a post's room from the pages that hear it, until each has a new ticket
 * that says whether its reader may still edit the post.
 *
 * @param int     $post_id The post.
 * @param WP_Post $after   The post now.
 * @param WP_Post $before  The post before.
 */
function heartbeatd_on_post_updated( $post_id, $after, $before ) {
	$room = heartbeatd_post_room( $after );
	if ( '' !== $room && ( $after->post_author !== $before->post_author || $after->post_status !== $before->post_status ) ) {
		heartbeatd_enqueue_call( '/revoke', array( 'room' => $room ) );
	}
}

/**
 * Before the roles change: everybody's tickets may say too much.
 */
function heartbeatd_revoke_all() {
	heartbeatd_enqueue_call( '/revoke', array( 'all' => true ) );
}

/**
 * The log-ins of a user that WordPress has stored.
 *
 * @param int $user_id The user.
 * @return array By the hash of the token.
 */
function heartbeatd_stored_sessions( $user_id ) {
	$sessions = get_user_meta( $user_id, 'session_tokens', true );
	return is_array( $sessions ) ? $sessions : array();
}

/**
 * The key of a user's roles in this site's user meta.
 *
 * @return string
 */
function heartbeatd_roles_meta_key() {
	return $GLOBALS['wpdb']->get_blog_prefix() . 'capabilities';
}

/**
 * Before a user's meta changes: log-ins that are gone afterwards, or other roles.
 *
 * @param int    $meta_id The row.
 * @param int    $user_id The user.
 * @param string $key     The meta key.
 * @param mixed  $value   The new value.
 */
function heartbeatd_on_user_meta_update( $meta_id, $user_id, $key, $value ) {
	if ( 'session_tokens' === $key ) {
		$kept = is_array( $value ) ? $value : array();
		heartbeatd_revoke_sessions( $user_id, array_keys( array_diff_key( heartbeatd_stored_sessions( $user_id ), $kept ) ) );
	} elseif ( heartbeatd_roles_meta_key() === $key ) {
		heartbeatd_revoke_user( $user_id );
	}
}

/**
 * Before a user's meta is deleted: all log-ins of one user, or of everybody.
 *
 * @param int[]  $meta_ids The rows.
 * @param int    $user_id  The user, 0 for everybody.
 * @param string $key      The meta key.
 */
function heartbeatd_on_user_meta_delete( $meta_ids, $user_id, $key ) {
	if ( heartbeatd_roles_meta_key() !== $key && 'session_tokens' !== $key ) {
		return;
	}
	if ( ! $user_id ) {
		foreach ( array_slice( (array) $meta_ids, 0, HEARTBEATD_MAX_CALLS ) as $meta_id ) {
			$row = get_metadata_by_mid( 'user', $meta_id );
			heartbeatd_revoke_user( $row ? $row->user_id : 0 );
		}
	} elseif ( 'session_tokens' === $key ) {
		heartbeatd_revoke_sessions( $user_id, array_keys( heartbeatd_stored_sessions( $user_id ) ) );
	} else {
		heartbeatd_revoke_user( $user_id );
	}
}

/**
 * Somebody gets a role in place of others. Who had none has no tickets that say too
 * much.
 *
 * @param int      $user_id The user.
 * @param string   $role    The new role.
 * @param string[] $before  The roles before.
 */
function heartbeatd_on_set_user_role( $user_id, $role, $before ) {
	unset( $role );
	if ( $before ) {
		heartbeatd_revoke_user( $user_id );
	}
}

/**
 * Somebody logs out. Where log-ins are not kept in user meta, this is all there is to hear of it.
 *
 * @param int $user_id The user.
 */
function heartbeatd_on_logout( $user_id ) {
	$token = wp_get_session_token();
	if ( '' !== $token ) {
		heartbeatd_revoke_sessions( $user_id, array( hash( 'sha256', $token ) ) );
	}
}

/**
 * A password is set: every cookie of the user is void.
 *
 * @param string $password The new password, which is nobody's business.
 * @param int    $user_id  The user.
 */
function heartbeatd_on_set_password( $password, $user_id ) {
	unset( $password );
	heartbeatd_revoke_user( $user_id );
}

/**
 * A user was saved, perhaps with another password.
 *
 * @param int     $user_id The user.
 * @param WP_User $before  The user before.
 */
function heartbeatd_on_profile_update( $user_id, $before ) {
	$user = get_userdata( $user_id );
	if ( $user && $user->user_pass !== $before->user_pass ) {
		heartbeatd_revoke_user( $user_id );
	}
}
