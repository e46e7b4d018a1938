<?php
/**
 * The functions of the Presence API, if no other plugin provides them.
 *
 * @package heartbeatd
 */

// phpcs:disable WordPress.NamingConventions.PrefixAllGlobals -- The Presence API's own names.

defined( 'ABSPATH' ) || exit;

if ( ! defined( 'WP_PRESENCE_DEFAULT_TTL' ) ) {
	define( 'WP_PRESENCE_DEFAULT_TTL', 60 );
}

if ( ! function_exists( 'wp_get_presence' ) ) {

	/**
	 * Returns the entries in a room, from newest to oldest. Empty if heartbeatd does not
	 * answer.
	 *
	 * @param string $room    The room.
	 * @param int    $timeout Leaves out entries that are older, in seconds. With the default or
	 *                        more, heartbeatd decides: it knows which pages are open and idle.
	 * @return object[] Entries with room, client_id, user_id, data (an array) and date_gmt.
	 */
	function wp_get_presence( $room, $timeout = WP_PRESENCE_DEFAULT_TTL ) {
		$entries = heartbeatd_presence_is_valid_name( $room ) ? heartbeatd_presence_list_all( array( 'room' => $room ) ) : null;
		return array_map( 'heartbeatd_presence_entry_object', heartbeatd_presence_recent_entries( (array) $entries, $timeout ) );
	}

	/**
	 * Writes an entry to a room, or renews it.
	 *
	 * @param string $room      The room, at most 191 characters.
	 * @param string $client_id The client id, at most 191 characters.
	 * @param array  $state     The data that other users see, at most 10,240 bytes as JSON.
	 * @param int    $user_id   The entry's user. Default the current user.
	 * @return bool
	 */
	function wp_set_presence( $room, $client_id, $state, $user_id = 0 ) {
		return ! is_wp_error( heartbeatd_presence_put( $room, $client_id, (array) $state, $user_id ? (int) $user_id : get_current_user_id() ) );
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
			&& ! is_wp_error( heartbeatd_presence_delete( compact( 'room', 'client_id' ) ) );
	}

	/**
	 * Removes a user's entries from all rooms.
	 *
	 * @param int $user_id The user.
	 * @return bool
	 */
	function wp_remove_user_presence( $user_id ) {
		return (int) $user_id > 0 && ! is_wp_error( heartbeatd_presence_delete( array( 'user_id' => (int) $user_id ) ) );
	}

	/**
	 * Determines whether a user may see and enter a room: a post's room if they may edit the
	 * post, any other room if they may edit posts.
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
		$post = heartbeatd_room_post_id( $room );
		return $post ? user_can( $user_id, 'edit_post', $post ) : user_can( $user_id, 'edit_posts' );
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
