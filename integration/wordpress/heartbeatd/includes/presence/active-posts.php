<?php
/**
 * Which posts are being edited, and by whom.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * How many posts are listed, and how many editors for each.
 */
const HEARTBEATD_MAX_ACTIVE_POSTS   = 50;
const HEARTBEATD_MAX_ACTIVE_EDITORS = 20;

/**
 * Returns which of the posts that are being edited the current user may edit, as far as this
 * request has found out.
 *
 * @param array|null $decided Sets it: posts, from newest to oldest, and whether these are all.
 * @return array{posts: array<int, bool>, complete: bool}
 */
function heartbeatd_decided_posts( $decided = null ) {
	static $by_user = array();

	$user = get_current_blog_id() . ' ' . get_current_user_id();
	if ( null !== $decided ) {
		$by_user[ $user ] = $decided;
	}
	return $by_user[ $user ] ?? array(
		'posts'    => array(),
		'complete' => true,
	);
}

/**
 * Returns the posts that are being edited and that the current user may edit, from newest to
 * oldest.
 *
 * @param array[] $entries  Entries of any rooms.
 * @param bool    $complete Whether these are all entries in posts' rooms.
 * @return array[] Items of the handle presence-active-posts.
 */
function heartbeatd_presence_active_posts( $entries, $complete ) {
	$posts = array();
	foreach ( heartbeatd_presence_with_user( $entries ) as $entry ) {
		$id = heartbeatd_room_post_id( $entry['room'] );
		if ( $id ) {
			$posts[ $id ][] = $entry;
		}
	}
	$newest = static function ( $in_room ) {
		return max( array_column( $in_room, 'date_gmt' ) );
	};
	$dates  = array_map( $newest, $posts );
	arsort( $dates );
	_prime_post_caches( array_keys( $dates ), false, false );

	$active  = array();
	$decided = array();
	foreach ( array_keys( $dates ) as $id ) {
		if ( HEARTBEATD_MAX_ACTIVE_POSTS === count( $active ) ) {
			$complete = false;
			break;
		}
		$post           = get_post( $id );
		$decided[ $id ] = $post && current_user_can( 'edit_post', $id );
		if ( $decided[ $id ] ) {
			$active[] = array(
				'post_id'    => $id,
				'post_title' => heartbeatd_post_title( $post ),
				'post_type'  => (string) $post->post_type,
				'edit_url'   => admin_url( "post.php?post=$id&action=edit" ),
				'editors'    => heartbeatd_presence_editors( $posts[ $id ] ),
			);
		}
	}
	heartbeatd_decided_posts(
		array(
			'posts'    => $decided,
			'complete' => $complete,
		)
	);
	return $active;
}

/**
 * Returns the users in a post's room, each once, from newest to oldest. A user is idle if
 * all of their entries are.
 *
 * @param array[] $entries The room's entries.
 * @return array[]
 */
function heartbeatd_presence_editors( $entries ) {
	$by_date = static function ( $a, $b ) {
		return strcmp( $b['date_gmt'], $a['date_gmt'] );
	};
	usort( $entries, $by_date );
	$people = array();
	foreach ( $entries as $entry ) {
		$people += array(
			$entry['user_id'] => array(
				'user_id'      => $entry['user_id'],
				'display_name' => $entry['display_name'],
				'avatar_url'   => $entry['avatar_url'],
				'status'       => 'idle',
			),
		);
		if ( ! heartbeatd_presence_is_idle( $entry ) ) {
			$people[ $entry['user_id'] ]['status'] = 'active';
		}
	}
	return array_slice( array_values( $people ), 0, HEARTBEATD_MAX_ACTIVE_EDITORS );
}
