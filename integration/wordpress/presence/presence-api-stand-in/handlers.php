<?php
/**
 * Answers the handles of beats, and has the REST route that lists a room.
 *
 * @package presence-api-stand-in
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
		wp_set_presence( wp_presence_admin_room(), "user-{$user->ID}", array( 'screen' => sanitize_text_field( $data['presence-ping']['screen'] ?? '' ) ), $user->ID );
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
			$response['presence-active-posts'] = array();
			foreach ( stand_in_read( 'room LIKE %s', 'postType/%' ) as $entry ) {
				$id = (int) substr( strrchr( $entry->room, ':' ), 1 );
				if ( current_user_can( 'edit_post', $id ) ) {
					$response['presence-active-posts'][] = array( 'post_id' => $id );
				}
			}
		}
		return $response;
	}
}

function stand_in_routes() {
	register_rest_route(
		'wp-presence/v1',
		'/presence',
		array(
			'methods'             => 'GET',
			'callback'            => static function ( $request ) {
				return wp_get_presence( $request['room'] );
			},
			'permission_callback' => static function ( $request ) {
				return wp_can_access_presence_room( $request['room'] );
			},
		)
	);
}
