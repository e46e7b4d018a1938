<?php
/**
 * Rooms: which posts have one, and which ones a page may enter or hear.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * How many posts are looked at for one ticket. More rooms would not fit into it.
 */
const HEARTBEATD_MAX_ROOMS = 100;

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
 * The rooms that the current user may enter, of the posts that a page shows.
 *
 * @param int[]  $post_ids  The posts, the most important first.
 * @param string $screen_id The page's screen.
 * @return string[]
 */
function heartbeatd_rooms( $post_ids, $screen_id ) {
	$post_ids = array_slice( array_unique( array_filter( array_map( 'intval', $post_ids ) ) ), 0, HEARTBEATD_MAX_ROOMS );
	_prime_post_caches( $post_ids, false, false );
	$rooms = array();
	foreach ( $post_ids as $post_id ) {
		$room = heartbeatd_post_room( $post_id );
		if ( '' !== $room && current_user_can( 'edit_post', $post_id ) ) {
			$rooms[] = $room;
		}
	}
	/**
	 * Filters the rooms that a page may enter and hear, besides admin/online.
	 * Whoever adds one decides that the current user may. What does not fit
	 * into the ticket is left out, from the end.
	 *
	 * @param string[] $rooms     Rooms, as 'postType/post:42' or 'shop/orders'. A room contains a '/'.
	 * @param string   $screen_id The page's screen, 'front' outside the admin.
	 */
	$rooms = apply_filters( 'heartbeatd_rooms', $rooms, $screen_id );
	return array_slice( heartbeatd_usable_rooms( $rooms ), 0, HEARTBEATD_MAX_ROOMS );
}

/**
 * A list of names, each once and as a string: PHP makes an integer of a name that
 * is all digits when it is an array's key.
 *
 * @param mixed $names The names.
 * @return string[]
 */
function heartbeatd_names( $names ) {
	$is_name = static function ( $name ) {
		return is_string( $name ) || is_int( $name );
	};
	return array_values( array_unique( array_map( 'strval', array_filter( (array) $names, $is_name ) ) ) );
}

/**
 * The post types with rooms all of whose posts the current user may edit,
 * whichever they are: heartbeatd need not ask about each.
 *
 * @return string[] None when some plugin decides about single posts.
 */
function heartbeatd_editable_types() {
	if ( heartbeatd_has_foreign_callbacks( 'map_meta_cap' ) || heartbeatd_has_foreign_callbacks( 'user_has_cap' ) ) {
		return array();
	}
	// Core asks for more than the right to edit pages before this one is edited.
	$privacy = current_user_can( 'manage_privacy_options' ) ? '' : heartbeatd_privacy_page_type();
	$types   = array();
	foreach ( heartbeatd_names( get_post_types_by_support( 'presence' ) ) as $name ) {
		$type = get_post_type_object( $name );
		$may  = $type && $type->map_meta_cap
			&& current_user_can( $type->cap->edit_posts ) && current_user_can( $type->cap->edit_others_posts )
			&& current_user_can( $type->cap->edit_published_posts ) && current_user_can( $type->cap->edit_private_posts );
		if ( $may && $privacy !== $name ) {
			$types[] = $name;
		}
	}
	return array_slice( $types, 0, HEARTBEATD_MAX_TYPES );
}

/**
 * The post type of the site's privacy policy. It is remembered, so that it costs
 * no query with every ticket.
 *
 * @return string '' when there is none.
 */
function heartbeatd_privacy_page_type() {
	$id    = (int) get_option( 'wp_page_for_privacy_policy' );
	$known = get_option( 'heartbeatd_privacy_page' );
	if ( $id && ( ! is_array( $known ) || ( $known['id'] ?? 0 ) !== $id ) ) {
		$known = array(
			'id'   => $id,
			'type' => (string) get_post_type( $id ),
		);
		update_option( 'heartbeatd_privacy_page', $known, true );
	}
	return $id ? $known['type'] : '';
}

/**
 * The posts that an admin page shows: the one in the editor, or those in the list.
 *
 * @return int[]
 */
function heartbeatd_posts_of_page() {
	$screen = function_exists( 'get_current_screen' ) ? get_current_screen() : null;
	if ( ! $screen ) {
		return array();
	}
	if ( 'post' === $screen->base ) {
		$post = get_post();
		return $post ? array( $post->ID ) : array();
	}
	return 'edit' === $screen->base ? heartbeatd_rows() : array();
}

/**
 * The posts that the list on this page shows. Before the list is printed they are
 * known only if the query has found no others: of a hierarchical type it finds all
 * posts, without their contents.
 *
 * @param int|null $post_id Adds a row.
 * @return int[]
 */
function heartbeatd_rows( $post_id = null ) {
	static $rows = array();
	if ( null !== $post_id ) {
		$rows[] = (int) $post_id;
	}
	$query = $GLOBALS['wp_query'] ?? null;
	if ( $rows || ! $query instanceof WP_Query || 'id=>parent' === $query->get( 'fields' ) ) {
		return $rows;
	}
	return wp_list_pluck( (array) $query->posts, 'ID' );
}

/**
 * Remembers a post whose row is being printed in a list of posts, the only ones
 * with the class 'iedit'.
 *
 * @param string[] $classes   The row's classes, which stay as they are.
 * @param string[] $css_class Those that the list table gave it.
 * @param int      $post_id   The post.
 * @return string[]
 */
function heartbeatd_see_row( $classes, $css_class, $post_id ) {
	if ( in_array( 'iedit', (array) $css_class, true ) ) {
		heartbeatd_rows( $post_id );
	}
	return $classes;
}

/**
 * The posts that a beat speaks of, so that a ticket made for a beat names the
 * same rooms as the page's first.
 *
 * @param array $data The beat's data.
 * @return int[]
 */
function heartbeatd_posts_of_beat( $data ) {
	$post_ids = array();
	foreach ( array( 'wp-refresh-post-lock', 'presence-editor-ping', 'wp_autosave', 'wp-refresh-post-nonces' ) as $handle ) {
		if ( isset( $data[ $handle ]['post_id'] ) && is_scalar( $data[ $handle ]['post_id'] ) ) {
			$post_ids[] = (int) $data[ $handle ]['post_id'];
		}
	}
	foreach ( array_slice( (array) ( $data['wp-check-locked-posts'] ?? array() ), 0, HEARTBEATD_MAX_ROOMS ) as $key ) {
		$post_ids[] = is_string( $key ) ? absint( substr( $key, 5 ) ) : 0;
	}
	return $post_ids;
}
