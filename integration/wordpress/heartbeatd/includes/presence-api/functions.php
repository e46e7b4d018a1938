<?php
/**
 * The Presence API's functions, for sites where nobody else provides them.
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
	 * Who is in a room, the newest first. Nobody, when heartbeatd does not answer.
	 *
	 * @param string $room    The room.
	 * @param int    $timeout Leaves out who was last heard of longer ago, in seconds. What
	 *                        is not shorter than the default means everybody who is there:
	 *                        heartbeatd knows of pages that are open and idle.
	 * @return object[] Entries with room, client_id, user_id, data (an array) and date_gmt.
	 */
	function wp_get_presence( $room, $timeout = WP_PRESENCE_DEFAULT_TTL ) {
		$entries = heartbeatd_presence_is_valid_name( $room ) ? heartbeatd_presence_list_all( array( 'room' => $room ) ) : null;
		return array_map( 'heartbeatd_presence_entry_object', heartbeatd_presence_recent_entries( (array) $entries, $timeout ) );
	}

	/**
	 * Puts a client into a room, or renews it there.
	 *
	 * @param string $room      The room, at most 191 characters.
	 * @param string $client_id The client id, at most 191 characters.
	 * @param array  $state     What others see of it, at most 10,240 bytes as JSON.
	 * @param int    $user_id   Whose it is. Default the current user.
	 * @return bool
	 */
	function wp_set_presence( $room, $client_id, $state, $user_id = 0 ) {
		return ! is_wp_error( heartbeatd_presence_put( $room, $client_id, (array) $state, $user_id ? (int) $user_id : get_current_user_id() ) );
	}

	/**
	 * Takes a client out of a room.
	 *
	 * @param string $room      The room.
	 * @param string $client_id The client id.
	 * @return bool Whether it is out, which it may have been before.
	 */
	function wp_remove_presence( $room, $client_id ) {
		return heartbeatd_presence_is_valid_name( $room ) && heartbeatd_presence_is_valid_name( $client_id )
			&& ! is_wp_error( heartbeatd_presence_delete( compact( 'room', 'client_id' ) ) );
	}

	/**
	 * Takes a user out of all rooms.
	 *
	 * @param int $user_id The user.
	 * @return bool
	 */
	function wp_remove_user_presence( $user_id ) {
		return (int) $user_id > 0 && ! is_wp_error( heartbeatd_presence_delete( array( 'user_id' => (int) $user_id ) ) );
	}

	/**
	 * Whether a user may see a room and enter it: a post's with the right to edit
	 * that post, any other with the right to edit posts.
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
	 * The room of a post.
	 *
	 * @param int|WP_Post|null $post The post. Default the global one.
	 * @return string|false As 'postType/post:42'; false when there is no such post, or its type has no rooms.
	 */
	function wp_presence_post_room( $post ) {
		$post = get_post( $post );
		$room = $post ? heartbeatd_post_room( $post ) : '';
		return '' === $room ? false : $room;
	}

	/**
	 * The room of everybody in the admin.
	 *
	 * @return string
	 */
	function wp_presence_admin_room() {
		return 'admin/online';
	}
}
