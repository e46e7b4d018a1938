<?php
/**
 * Answers the handles of beats, and has the REST route that lists a room.
 *
 * @package stand-in-lists
 */

function stand_in_support() {
	add_post_type_support( 'post', 'presence' );
	add_post_type_support( 'page', 'presence' );
}

function stand_in_ping( $response, $data ) {
	$user = wp_get_current_user();
	if ( ! current_user_can( 'edit_posts' ) ) {
		return $response;
	}
	if ( ! empty( $data['presence-ping'] ) ) {
		$state = array_intersect_key( array_map( 'sanitize_text_field', (array) $data['presence-ping'] ), array_flip( array( 'screen', 'title', 'post_id' ) ) );
		wp_set_presence( wp_presence_admin_room(), "user-{$user->ID}", $state, $user->ID );
		$response['presence-online'] = array_map( 'stand_in_person', wp_get_presence( wp_presence_admin_room() ) );
	}
	$post = (int) ( $data['presence-editor-ping']['post_id'] ?? 0 );
	if ( $post && wp_presence_post_room( $post ) && current_user_can( 'edit_post', $post ) ) {
		wp_set_presence( wp_presence_post_room( $post ), "editor-{$user->ID}", array( 'action' => 'editing' ), $user->ID );
	}
	return $response;
}

function stand_in_lock( $response, $data ) {
	$post = (int) ( $data['wp-refresh-post-lock']['post_id'] ?? 0 );
	if ( $post && wp_presence_post_room( $post ) && current_user_can( 'edit_post', $post ) ) {
		wp_set_presence( wp_presence_post_room( $post ), 'lock-' . get_current_user_id(), array( 'action' => 'lock' ), get_current_user_id() );
	}
	return $response;
}

function stand_in_person( $entry ) {
	$user = get_userdata( $entry->user_id );
	return array(
		'user_id'      => (int) $entry->user_id,
		'display_name' => $user->display_name,
		'avatar_url'   => get_avatar_url( $user->ID ),
		'screen'       => $entry->data['screen'] ?? '',
		'screen_label' => ucfirst( $entry->data['screen'] ?? '' ),
		'date_gmt'     => $entry->date_gmt,
	);
}

class Stand_In_Widgets {
	public static function active_posts( $response, $data ) {
		if ( ! empty( $data['presence-active-posts-ping'] ) && current_user_can( 'edit_posts' ) ) {
			$response['presence-active-posts'] = array_values( self::posts() );
		}
		return $response;
	}

	private static function posts() {
		$posts = array();
		foreach ( stand_in_read( 'room LIKE %s', 'postType/%' ) as $entry ) {
			$post = get_post( (int) substr( strrchr( $entry->room, ':' ), 1 ) );
			if ( ! $post || ! current_user_can( 'edit_post', $post->ID ) ) {
				continue;
			}
			$posts += array(
				$post->ID => array(
					'post_id'    => $post->ID,
					'post_title' => $post->post_title,
					'post_type'  => $post->post_type,
					'edit_url'   => get_edit_post_link( $post->ID, 'raw' ),
					'editors'    => array(),
				),
			);
			$posts[ $post->ID ]['editors'][] = array( 'status' => 'active' ) + array_intersect_key( stand_in_person( $entry ), array_flip( array( 'user_id', 'display_name', 'avatar_url' ) ) );
		}
		return $posts;
	}
}

function stand_in_routes() {
	$may    = static function ( $request ) {
		return wp_can_access_presence_room( $request['room'] );
	};
	$get    = static function ( $request ) {
		return wp_get_presence( $request['room'] );
	};
	$remove = static function ( $request ) {
		return array(
			'deleted' => wp_remove_presence( $request['room'], $request['client_id'] ),
			'room'    => $request['room'],
		);
	};
	foreach ( array( 'GET' => $get, 'DELETE' => $remove ) as $method => $callback ) {
		register_rest_route(
			'wp-presence/v1',
			'/presence',
			array(
				'methods'             => $method,
				'callback'            => $callback,
				'permission_callback' => $may,
			)
		);
	}
}
