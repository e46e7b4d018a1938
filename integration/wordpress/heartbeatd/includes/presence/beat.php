<?php
/**
 * Presence in the beats that PHP answers. While a page's link is open, PHP calls heartbeatd
 * neither to write nor to read presence. For other pages, entries are written after the tick,
 * so that no user waits; the rooms that a beat asks for are read with a single call.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * How many users a tick lists. If there are more, it also contains their number.
 */
const HEARTBEATD_MAX_ONLINE = 200;

/**
 * Writes the entries of a beat and answers its presence handles.
 *
 * @param array  $response  The tick.
 * @param string $screen_id The page's screen.
 * @return array
 */
function heartbeatd_answer_presence( $response, $screen_id ) {
	$data = heartbeatd_beat_data();
	if ( isset( $_SERVER['HTTP_HEARTBEAT_LINK'] ) ) {
		$data = heartbeatd_without_link_handles( $data );
	}
	if ( ! $data || ! current_user_can( 'edit_posts' ) ) {
		return $response;
	}
	$entries = heartbeatd_presence_is_recording() ? heartbeatd_presence_beat_entries( $data, (array) $response, $screen_id ) : array();
	$more    = heartbeatd_beat_connection_id() + ( $entries ? heartbeatd_presence_default_lifetime() : array() );
	foreach ( $entries as $entry ) {
		heartbeatd_enqueue_call( '/presence', $entry + $more );
	}
	return array_replace( (array) $response, heartbeatd_presence_answers( $data, $entries ) ); // Keeps handles that are numbers.
}

/**
 * Removes the handles that need no answer of PHP in the beat of a page whose link is open: the
 * link writes the page's entries, and the page knows who is online. If it asks for frames, it
 * also knows which posts are being edited. A page that does not know all of this does not say
 * that it has a link.
 *
 * @param array $data The beat's data.
 * @return array
 */
function heartbeatd_without_link_handles( $data ) {
	$posts = $data['presence-active-posts-ping'] ?? 'frames';
	return 'frames' === $posts ? array() : array( 'presence-active-posts-ping' => $posts );
}

/**
 * Returns the page's connection id. The page's link writes its entries under the same id.
 *
 * @return array{conn?: string}
 */
function heartbeatd_beat_connection_id() {
	$conn = isset( $_SERVER['HTTP_HEARTBEAT_CONNECTION'] ) ? sanitize_text_field( wp_unslash( $_SERVER['HTTP_HEARTBEAT_CONNECTION'] ) ) : '';
	return preg_match( '/^[\w-]{8,64}$/D', $conn ) ? array( 'conn' => $conn ) : array();
}

/**
 * Returns the entries that a beat writes.
 *
 * @param array  $data      The beat's data.
 * @param array  $response  The tick so far, with the answer about the post lock.
 * @param string $screen_id The page's screen.
 * @return array[] At most one for each handle.
 */
function heartbeatd_presence_beat_entries( $data, $response, $screen_id ) {
	$user    = get_current_user_id();
	$entries = array();
	if ( ! empty( $data['presence-ping'] ) && is_array( $data['presence-ping'] ) ) {
		$entries[] = heartbeatd_presence_create_entry( 'admin/online', "user-$user", heartbeatd_presence_ping_data( $data['presence-ping'] ), $user );
	}
	$editing = heartbeatd_presence_handle_post( $data['presence-editor-ping'] ?? null );
	if ( $editing ) {
		$state     = array(
			'action' => 'editing',
			'screen' => $screen_id,
		);
		$entries[] = heartbeatd_presence_create_entry( heartbeatd_post_room( $editing ), "editor-$user", $state + heartbeatd_presence_post_data( $editing ), $user );
	}
	$locked = heartbeatd_presence_handle_post( $data['wp-refresh-post-lock'] ?? null );
	if ( $locked && isset( $response['wp-refresh-post-lock'] ) && empty( $response['wp-refresh-post-lock']['lock_error'] ) ) {
		$entries[] = heartbeatd_presence_create_entry( heartbeatd_post_room( $locked ), "lock-$user", array( 'action' => 'lock' ) + heartbeatd_presence_post_data( $locked ), $user );
	}
	return array_values( array_filter( $entries ) );
}

/**
 * Returns the data of the entry for a presence-ping.
 *
 * @param array $ping The handle's value.
 * @return array
 */
function heartbeatd_presence_ping_data( $ping ) {
	$text = static function ( $name ) use ( $ping ) {
		return isset( $ping[ $name ] ) && is_string( $ping[ $name ] ) ? mb_substr( sanitize_text_field( $ping[ $name ] ), 0, HEARTBEATD_MAX_NAME ) : '';
	};
	// On the site's front end the page's title says where the user is.
	$title = 'front' === $text( 'screen' ) ? $text( 'title' ) : '';
	$where = array(
		'screen'       => $text( 'screen' ),
		'screen_label' => '' !== $title ? $title : heartbeatd_screen_name( $text( 'screen' ) ),
	);
	$what  = array(
		'title'   => $text( 'title' ),
		'post_id' => absint( $text( 'post_id' ) ),
	);
	return $where + array_filter( $what );
}

/**
 * Returns the post that a handle names, if it has a room that the current user may enter.
 *
 * @param mixed $handle The handle's value, as {post_id}.
 * @return WP_Post|null
 */
function heartbeatd_presence_handle_post( $handle ) {
	$id   = is_array( $handle ) && isset( $handle['post_id'] ) && is_scalar( $handle['post_id'] ) ? (int) $handle['post_id'] : 0;
	$post = $id > 0 ? get_post( $id ) : null;
	return $post && '' !== heartbeatd_post_room( $post ) && current_user_can( 'edit_post', $post->ID ) ? $post : null;
}

/**
 * Returns the data about a post in an entry of its room.
 *
 * @param WP_Post $post The post.
 * @return array
 */
function heartbeatd_presence_post_data( $post ) {
	return array(
		'post_id'     => $post->ID,
		'post_type'   => (string) $post->post_type,
		'post_status' => (string) $post->post_status,
		'title'       => heartbeatd_post_title( $post ),
	);
}

/**
 * Returns the answers to a beat's presence handles. If heartbeatd does not answer there are
 * none: an empty list would mean that nobody is there.
 *
 * @param array   $data The beat's data.
 * @param array[] $own  The entries that the beat writes.
 * @return array
 */
function heartbeatd_presence_answers( $data, $own ) {
	$online = ! empty( $data['presence-ping'] ) && is_array( $data['presence-ping'] );
	$active = ! empty( $data['presence-active-posts-ping'] );
	$rooms  = heartbeatd_presence_list_for_beat( $online, $active );
	if ( null === $rooms ) {
		return array();
	}
	$focused = isset( $_POST['has_focus'] ) && 'true' === $_POST['has_focus']; // phpcs:ignore WordPress.Security.NonceVerification.Missing -- Core has checked it.
	$entries = heartbeatd_presence_merge_entries( $rooms['entries'], $own, $focused );
	$answers = array();
	if ( $online ) {
		$people = heartbeatd_presence_with_user( wp_list_filter( $entries, array( 'room' => 'admin/online' ) ) );
		$total  = max( $rooms['online'], count( $people ) );

		$answers['presence-online'] = array_map( 'heartbeatd_presence_online_user', array_slice( $people, 0, HEARTBEATD_MAX_ONLINE ) );
		if ( $total > HEARTBEATD_MAX_ONLINE ) {
			$answers['presence-online-total'] = $total;
		}
	}
	if ( $active ) {
		$answers['presence-active-posts'] = heartbeatd_presence_active_posts( $entries, $rooms['complete'] );
	}
	return $answers;
}

/**
 * Reads the rooms that a beat asks for, with one call if it is possible.
 *
 * @param bool $online Whether it asks who is online.
 * @param bool $active Whether it asks which posts are being edited.
 * @return array{entries: array[], online: int, complete: bool}|null Null if the beat asks for nothing, or heartbeatd does not answer.
 *         'complete' says whether these are all entries in posts' rooms.
 */
function heartbeatd_presence_list_for_beat( $online, $active ) {
	if ( ! $online && ! $active ) {
		return null;
	}
	$all = $online && $active ? heartbeatd_presence_list_page( HEARTBEATD_PRESENCE_SHORT + array( 'per_page' => HEARTBEATD_PRESENCE_PER_PAGE ) ) : array( 'total' => PHP_INT_MAX );
	if ( null === $all || $all['total'] <= HEARTBEATD_PRESENCE_PER_PAGE ) {
		$rest = array(
			'online'   => 0,
			'complete' => true,
		);
		return null === $all ? null : $all + $rest;
	}
	$none   = array(
		'entries' => array(),
		'total'   => 0,
	);
	$people = $online ? heartbeatd_presence_list_page(
		HEARTBEATD_PRESENCE_SHORT + array(
			'room'     => 'admin/online',
			'per_page' => HEARTBEATD_MAX_ONLINE,
		)
	) : $none;
	$posts  = $active ? heartbeatd_presence_list_page(
		HEARTBEATD_PRESENCE_SHORT + array(
			'prefix'   => 'postType/',
			'per_page' => HEARTBEATD_PRESENCE_PER_PAGE,
		)
	) : $none;
	return null === $people || null === $posts ? null : array(
		'entries'  => array_merge( $people['entries'], $posts['entries'] ),
		'online'   => $people['total'],
		'complete' => $posts['total'] <= HEARTBEATD_PRESENCE_PER_PAGE,
	);
}

/**
 * Returns the entries as they are after the beat's own are written.
 *
 * @param array[] $entries Entries.
 * @param array[] $own     The entries that the beat writes.
 * @param bool    $focused Whether the page has the focus: then its entries replace those of the user's other pages.
 * @return array[]
 */
function heartbeatd_presence_merge_entries( $entries, $own, $focused ) {
	$now = array( 'date_gmt' => gmdate( 'Y-m-d H:i:s' ) );
	foreach ( array_reverse( $own ) as $entry ) {
		$same = wp_list_filter(
			$entries,
			array(
				'room'      => $entry['room'],
				'client_id' => $entry['client_id'],
			)
		);
		if ( $same && ! $focused ) {
			continue;
		}
		$entries = array_diff_key( $entries, $same );
		array_unshift( $entries, array( 'data' => (array) $entry['data'] ) + $now + $entry );
	}
	return $entries;
}

/**
 * Returns an item of the handle presence-online, with 'idle' if the user's page reports it:
 * an active user's last beat may be a minute old.
 *
 * @param array $entry The entry.
 * @return array
 */
function heartbeatd_presence_online_user( $entry ) {
	return array(
		'user_id'      => $entry['user_id'],
		'display_name' => $entry['display_name'],
		'avatar_url'   => $entry['avatar_url'],
		'screen'       => heartbeatd_presence_text( $entry['data']['screen'] ?? '' ),
		'screen_label' => heartbeatd_presence_text( $entry['data']['screen_label'] ?? '' ),
		'date_gmt'     => $entry['date_gmt'],
	) + array_intersect_key( $entry, array( 'idle' => true ) );
}
