<?php
/**
 * The rooms of posts.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * Registers support for presence for posts and pages.
 */
function heartbeatd_add_presence_support() {
	/**
	 * Filters the post types whose posts have rooms, besides those that register support
	 * for 'presence' themselves.
	 *
	 * @param string[] $post_types Post types. Default post and page.
	 */
	$post_types = apply_filters( 'heartbeatd_presence_post_types', array( 'post', 'page' ) );
	foreach ( array_filter( (array) $post_types, 'post_type_exists' ) as $post_type ) {
		add_post_type_support( $post_type, 'presence' );
	}
}

/**
 * Returns the room of a post.
 *
 * @param int|WP_Post|null $post The post.
 * @return string As 'postType/post:42'; empty if the post has no room.
 */
function heartbeatd_post_room( $post ) {
	$post = $post ? get_post( $post ) : null;
	if ( ! $post || ! post_type_supports( $post->post_type, 'presence' ) ) {
		return '';
	}
	return "postType/{$post->post_type}:{$post->ID}";
}

/**
 * Determines whether a room has a name as that of a post's room, and there is no such post.
 *
 * @param string $room The room.
 * @return bool
 */
function heartbeatd_is_room_of_no_post( $room ) {
	return preg_match( '#^postType/[^:]+:\d+$#D', $room ) && ! heartbeatd_room_post( $room );
}

/**
 * Returns the post whose room has exactly this name.
 *
 * @param string $room The room.
 * @return WP_Post|null Null if there is no such post, or it has another type.
 */
function heartbeatd_room_post( $room ) {
	$post = preg_match( '#^postType/([^:]+):([1-9]\d{0,17})$#D', $room, $match ) ? get_post( (int) $match[2] ) : null;
	return $post && $post->post_type === $match[1] ? $post : null;
}

/**
 * Returns the post that a room belongs to.
 *
 * @param string $room The room.
 * @return int 0 if it belongs to no post.
 */
function heartbeatd_room_post_id( $room ) {
	return preg_match( '#^postType/[^:]+:(\d+)$#D', (string) $room, $match ) ? (int) $match[1] : 0;
}
