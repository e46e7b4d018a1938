<?php
/**
 * The functions of the Presence API, if no other plugin provides them.
 *
 * @package heartbeatd
 */

// phpcs:disable WordPress.NamingConventions.PrefixAllGlobals -- The Presence API's own names.

defined( 'ABSPATH' ) || exit;

if ( ! defined( 'WP_PRESENCE_DEFAULT_TTL' ) ) {
	define( 'WP_PRESENCE_DEFAULT_TTL', HEARTBEATD_PRESENCE_TTL );
}

/**
 * Returns the arguments of a function of the Presence API. Older callers pass a value in the
 * place of the array, and the other arguments after it.
 *
 * @param mixed    $args  The array, or that value.
 * @param string[] $names The names of the older arguments, in their order.
 * @param array    $more  The values of those after the first.
 * @return array The arguments that are given.
 */
function heartbeatd_presence_args( $args, $names, $more = array() ) {
	if ( is_array( $args ) ) {
		return $args;
	}
	$given = array_combine( $names, array_merge( array( $args ), $more ) );
	if ( empty( $given['user_id'] ) ) {
		unset( $given['user_id'] ); // The older default.
	}
	return $given;
}

/**
 * Returns the entries in a room for arguments.
 *
 * @param string $room The room.
 * @param array  $args The 'timeout' and 'client_prefix', if they are given.
 * @return object[]
 */
function heartbeatd_presence_read_with_args( $room, $args ) {
	$timeout = $args['timeout'] ?? null;
	return heartbeatd_presence_read_room( $room, null === $timeout ? null : (int) $timeout, (string) ( $args['client_prefix'] ?? '' ) );
}

/**
 * Writes an entry for arguments.
 *
 * @param string $room      The room.
 * @param string $client_id The client id.
 * @param mixed  $state     The entry's data.
 * @param array  $args      The 'user_id', 'date_gmt' and 'expires_in', if they are given.
 * @return true|WP_Error The codes are the Presence API's.
 */
function heartbeatd_presence_write_with_args( $room, $client_id, $state, $args ) {
	$args['user_id'] = (int) ( $args['user_id'] ?? get_current_user_id() );

	$entry = heartbeatd_presence_write( $room, $client_id, (array) $state, $args );
	if ( ! is_wp_error( $entry ) ) {
		return true;
	}
	$codes = array( 'recording_disabled', 'invalid_date_gmt', 'invalid_expires_in' );
	$code  = in_array( $entry->get_error_code(), $codes, true ) ? $entry->get_error_code() : 'write_failed';
	return new WP_Error( "presence_$code", $entry->get_error_message() );
}

if ( ! function_exists( 'wp_get_presence' ) ) {

	/**
	 * Returns the entries in a room, from newest to oldest. Empty if heartbeatd does not
	 * answer.
	 *
	 * @param string         $room          The room.
	 * @param array|int|null $args          The 'timeout': leaves out entries that are older, in seconds; default null,
	 *                                      all that have not expired. 'client_prefix': only entries whose client
	 *                                      ids begin with it. Or the timeout.
	 * @param string         $client_prefix The prefix, after a timeout.
	 * @return object[] Entries with room, client_id, user_id, data (an array) and date_gmt.
	 */
	function wp_get_presence( $room, $args = array(), $client_prefix = '' ) {
		return heartbeatd_presence_read_with_args( $room, heartbeatd_presence_args( $args, array( 'timeout', 'client_prefix' ), array( $client_prefix ) ) );
	}

	/**
	 * Writes an entry to a room, or renews it.
	 *
	 * @param string      $room       The room, at most 191 characters.
	 * @param string      $client_id  The client id, at most 191 characters, not beginning with '_'.
	 * @param array       $state      The data that other users see, at most 10,240 bytes as JSON and 500 values, nested at most 16 levels deep.
	 * @param array|int   $args       The 'user_id': the entry's user, 0 for none; default the current user. 'date_gmt':
	 *                                its date, as '2026-11-23 05:20:00' in UTC; default now. 'expires_in': how many
	 *                                seconds after its date it expires, at most 3600; default the TTL. 'wp_error':
	 *                                whether to return an error. Or the user.
	 * @param string|null $date_gmt   The date, after a user.
	 * @param int|null    $expires_in The lifetime, after a user.
	 * @return bool|WP_Error An error only with 'wp_error'.
	 */
	function wp_set_presence( $room, $client_id, $state, $args = array(), $date_gmt = null, $expires_in = null ) {
		$args = heartbeatd_presence_args( $args, array( 'user_id', 'date_gmt', 'expires_in' ), array( $date_gmt, $expires_in ) );
		$done = heartbeatd_presence_write_with_args( $room, $client_id, $state, $args );
		return is_wp_error( $done ) && empty( $args['wp_error'] ) ? false : $done;
	}

	/**
	 * Removes an entry from a room.
	 *
	 * @param string $room      The room.
	 * @param string $client_id The client id.
	 * @return bool Whether the entry is gone. It need not have existed.
	 */
	function wp_remove_presence( $room, $client_id ) {
		return heartbeatd_presence_is_valid_name( $room ) && heartbeatd_presence_is_valid_name( $client_id )
			&& ! is_wp_error( heartbeatd_presence_remove( $room, $client_id ) );
	}

	/**
	 * Removes a user's entries from all rooms.
	 *
	 * @param int $user_id The user.
	 * @return bool
	 */
	function wp_remove_user_presence( $user_id ) {
		return (int) $user_id > 0 && ! is_wp_error( heartbeatd_presence_remove_user( (int) $user_id ) );
	}

	/**
	 * Determines whether a user may see and enter a room: a post's room if they may edit the
	 * post, any other room if they may edit posts. Nobody may enter a room as 'postType/post:42' if
	 * there is no post with this id and type.
	 *
	 * @param string $room    The room.
	 * @param int    $user_id The user. Default the current one.
	 * @return bool
	 */
	function wp_can_access_presence_room( $room, $user_id = 0 ) {
		$user_id = $user_id ? (int) $user_id : get_current_user_id();
		if ( ! $user_id ) {
			return false;
		}
		$post = heartbeatd_room_post( (string) $room );
		if ( $post ) {
			return user_can( $user_id, 'edit_post', $post->ID );
		}
		return ! heartbeatd_is_room_of_no_post( (string) $room ) && user_can( $user_id, 'edit_posts' );
	}

	/**
	 * Returns the room of a post.
	 *
	 * @param int|WP_Post|null $post The post. Default the global one.
	 * @return string|false As 'postType/post:42'; false if there is no such post, or its type has no rooms.
	 */
	function wp_presence_post_room( $post ) {
		$post = get_post( $post );
		$room = $post ? heartbeatd_post_room( $post ) : '';
		return '' === $room ? false : $room;
	}

	/**
	 * Returns the room of all users in the admin.
	 *
	 * @return string
	 */
	function wp_presence_admin_room() {
		return 'admin/online';
	}
}
