<?php
/**
 * Revocations. A ticket ends when the session, password, role or user that it is based on
 * changes.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * If more sessions than this end at once, all tickets of the user are revoked. The user's
 * other pages get new ones with their next beats.
 */
const HEARTBEATD_MAX_SESSIONS = 10;

/**
 * Revokes all tickets of a user that have been issued so far.
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
 * Revokes the tickets of sessions.
 *
 * @param int      $user_id  The user.
 * @param string[] $sessions The hashes of the session tokens, as WordPress stores them.
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
 * Removes a post's room from pages when the post's author or status changes. A page gets the
 * room back with a new ticket, if its user may still edit the post.
 *
 * @param int     $post_id The post.
 * @param WP_Post $after   The post after the update.
 * @param WP_Post $before  The post before the update.
 */
function heartbeatd_on_post_updated( $post_id, $after, $before ) {
	$room = heartbeatd_post_room( $after );
	if ( '' !== $room && ( $after->post_author !== $before->post_author || $after->post_status !== $before->post_status ) ) {
		heartbeatd_enqueue_call( '/revoke', array( 'room' => $room ) );
	}
}

/**
 * Revokes all tickets before the capabilities of roles change.
 */
function heartbeatd_revoke_all() {
	heartbeatd_enqueue_call( '/revoke', array( 'all' => true ) );
}

/**
 * Revokes all tickets of the sites of a network, of at most as many as a request has calls. Pages
 * of other sites learn of a change with their next tickets.
 */
function heartbeatd_revoke_network() {
	$sites = get_sites(
		array(
			'fields'     => 'ids',
			'number'     => HEARTBEATD_MAX_CALLS,
			'network_id' => get_current_network_id(),
		)
	);
	foreach ( $sites as $site ) {
		switch_to_blog( $site );
		heartbeatd_revoke_all();
		restore_current_blog();
	}
}

/**
 * Revokes tickets when an option of the recording switch is added that turns recording off.
 *
 * @param string $option The option.
 * @param mixed  $value  Its value.
 */
function heartbeatd_on_recording_added( $option, $value ) {
	if ( '0' !== (string) $value ) {
		return; // As without the option.
	}
	if ( HEARTBEATD_NETWORK_RECORDING_OPTION === $option ) {
		heartbeatd_revoke_network();
	} else {
		heartbeatd_revoke_all();
	}
}

/**
 * Revokes a user's tickets when the user has chosen that their presence is not recorded.
 *
 * @param int    $meta_id The row.
 * @param int    $user_id The user.
 * @param string $key     The meta key.
 * @param mixed  $value   Its value.
 */
function heartbeatd_on_user_recording_added( $meta_id, $user_id, $key, $value ) {
	if ( HEARTBEATD_USER_RECORDING_KEY === $key && '0' === (string) $value ) {
		heartbeatd_revoke_user( $user_id );
	}
}

/**
 * Revokes all tickets when a plugin or theme is activated, deactivated or updated: it is not
 * known what the callbacks do that are registered from now on.
 *
 * @param mixed $upgrader What has updated it, or the option's old value.
 * @param array $extra    What was updated. Translations have no callbacks.
 */
function heartbeatd_on_code_change( $upgrader = null, $extra = array() ) {
	unset( $upgrader );
	// Before this plugin is active, there are no tickets.
	if ( 'translation' === ( $extra['type'] ?? '' ) || did_action( 'activate_' . plugin_basename( HEARTBEATD_PLUGIN_FILE ) ) ) {
		return;
	}
	if ( is_multisite() ) {
		heartbeatd_forget_network_reads();
	}
	heartbeatd_revoke_all();
}

/**
 * Returns the stored sessions of a user.
 *
 * @param int $user_id The user.
 * @return array Sessions by the hash of their token.
 */
function heartbeatd_stored_sessions( $user_id ) {
	$sessions = get_user_meta( $user_id, 'session_tokens', true );
	return is_array( $sessions ) ? $sessions : array();
}

/**
 * Returns the meta key of a user's roles on this site.
 *
 * @return string
 */
function heartbeatd_roles_meta_key() {
	return $GLOBALS['wpdb']->get_blog_prefix() . 'capabilities';
}

/**
 * Revokes tickets before an update of user meta removes sessions or changes roles.
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
	} elseif ( heartbeatd_roles_meta_key() === $key || HEARTBEATD_USER_RECORDING_KEY === $key ) {
		heartbeatd_revoke_user( $user_id );
	}
}

/**
 * Revokes tickets before sessions or roles of one user, or of all users, are deleted.
 *
 * @param int[]  $meta_ids The rows.
 * @param int    $user_id  The user; 0 for all users.
 * @param string $key      The meta key.
 */
function heartbeatd_on_user_meta_delete( $meta_ids, $user_id, $key ) {
	if ( ! in_array( $key, array( heartbeatd_roles_meta_key(), HEARTBEATD_USER_RECORDING_KEY, 'session_tokens' ), true ) ) {
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
 * Revokes a user's tickets when a role replaces other roles. A user without roles has no
 * tickets that name too much.
 *
 * @param int      $user_id The user.
 * @param string   $role    The new role.
 * @param string[] $before  The user's previous roles.
 */
function heartbeatd_on_set_user_role( $user_id, $role, $before ) {
	unset( $role );
	if ( $before ) {
		heartbeatd_revoke_user( $user_id );
	}
}

/**
 * Revokes the session's tickets when a user logs out. If sessions are not stored in user
 * meta, no other hook reports it.
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
 * Revokes a user's tickets when a password is set, which makes all cookies of the user
 * invalid.
 *
 * @param string $password The new password, unused.
 * @param int    $user_id  The user.
 */
function heartbeatd_on_set_password( $password, $user_id ) {
	unset( $password );
	heartbeatd_revoke_user( $user_id );
}

/**
 * Revokes a user's tickets when an update changes the password.
 *
 * @param int     $user_id The user.
 * @param WP_User $before  The user before the update.
 */
function heartbeatd_on_profile_update( $user_id, $before ) {
	$user = get_userdata( $user_id );
	if ( $user && $user->user_pass !== $before->user_pass ) {
		heartbeatd_revoke_user( $user_id );
	}
}
