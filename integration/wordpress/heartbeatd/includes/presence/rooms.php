<?php
/**
 * The rooms of posts.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * Gives posts and pages rooms.
 */
function heartbeatd_add_presence_support() {
	/**
	 * Filters the post types whose posts have rooms, besides those that
	 * register support for 'presence' themselves.
	 *
	 * @param string[] $post_types Post types. Default post and page.
	 */
	$post_types = apply_filters( 'heartbeatd_presence_post_types', array( 'post', 'page' ) );
	foreach ( array_filter( (array) $post_types, 'post_type_exists' ) as $post_type ) {
		add_post_type_support( $post_type, 'presence' );
	}
}

/**
 * The room of a post, or '' when it has none.
 *
 * @param int|WP_Post|null $post The post.
 * @return string As 'postType/post:42'.
 */
function heartbeatd_post_room( $post ) {
	$post = $post ? get_post( $post ) : null;
	if ( ! $post || ! post_type_supports( $post->post_type, 'presence' ) ) {
		return '';
	}
	return "postType/{$post->post_type}:{$post->ID}";
}

/**
 * The post that a room is of.
 *
 * @param string $room The room.
 * @return int 0 for another room.
 */
function heartbeatd_room_post_id( $room ) {
	return preg_match( '#^postType/[^:]+:(\d+)$#D', (string) $room, $match ) ? (int) $match[1] : 0;
}
