<?php
/**
 * The rows of users: their states, and the rows that page loads, log-ins and log-outs write.
 *
 * @package stand-in-fragments
 */

/**
 * Returns the state of user-N.
 *
 * @param array $ping    The screen, and any of title, post_id and object_id.
 * @param int   $user_id The user. Default the current one.
 */
function stand_in_admin_state( $ping = array(), $user_id = 0 ) {
	$user_id = $user_id ? $user_id : get_current_user_id();
	$post    = get_post( (int) ( $ping['post_id'] ?? 0 ) ? (int) $ping['post_id'] : -1 );
	return array_filter(
		array(
			'screen'      => sanitize_text_field( $ping['screen'] ?? '' ),
			'title'       => sanitize_text_field( $ping['title'] ?? '' ),
			'post_id'     => $post ? $post->ID : 0,
			'post_status' => $post ? $post->post_status : '',
			'color'       => stand_in_color( $user_id ),
		)
	);
}

function stand_in_editor_state( $post, $user_id = 0 ) {
	$post  = get_post( $post );
	$user  = get_userdata( $user_id ? $user_id : get_current_user_id() );
	$state = array(
		'action'      => 'editing',
		'post_status' => $post->post_status,
		'locked'      => (bool) stand_in_live_row( stand_in_room_of( $post ), '_lock' ),
		'color'       => stand_in_color( $user->ID ),
	);
	return (array) apply_filters( 'wp_presence_editor_state', $state, $post, $user );
}

function stand_in_color( $user_id ) {
	return sprintf( '#%06x', ( $user_id * 2654435 ) % 0xffffff );
}

function stand_in_write_admin_row( $ping ) {
	$id = get_current_user_id();
	wp_set_presence( wp_presence_admin_room(), "user-$id", stand_in_admin_state( $ping ), array( 'user_id' => $id ) );
}

function stand_in_write_editor_row( $post_id ) {
	$id   = get_current_user_id();
	$room = wp_presence_post_room( $post_id );
	if ( $room && current_user_can( 'edit_post', $post_id ) ) {
		wp_set_presence( $room, "editor-$id", stand_in_editor_state( $post_id ), array( 'user_id' => $id ) );
	}
}

/**
 * Writes the rows of an admin page.
 */
function stand_in_on_admin_page() {
	if ( ! current_user_can( 'edit_posts' ) ) {
		return;
	}
	$screen = get_current_screen();
	$post   = 'post' === $screen->base ? get_post() : null;
	$ping   = array( 'screen' => $screen->id );
	if ( $post ) {
		$ping += array(
			'title'   => $post->post_title,
			'post_id' => $post->ID,
		);
	}
	stand_in_on_page( $ping, $post ? $post->ID : 0 );
}

function stand_in_on_front_page() {
	if ( current_user_can( 'edit_posts' ) ) {
		stand_in_on_page(
			array(
				'screen' => 'front',
				'title'  => wp_get_document_title(),
			),
			0
		);
	}
}

/**
 * Writes the rows of a page, and adds its script.
 */
function stand_in_on_page( $ping, $editing ) {
	stand_in_write_admin_row( $ping );
	if ( $editing ) {
		stand_in_write_editor_row( $editing );
	}
	$room   = $editing ? wp_presence_post_room( $editing ) : false;
	$config = array(
		'ajaxUrl'           => admin_url( 'admin-ajax.php', 'relative' ),
		'ping'              => $ping + array( 'token' => wp_create_nonce( "wp_presence_screen_{$ping['screen']}" ) ),
		'editing'           => $room ? $editing : 0,
		'rows'              => array_values( array_filter( array( array( wp_presence_admin_room(), 'user-' . get_current_user_id() ), $room ? array( $room, 'editor-' . get_current_user_id() ) : null ) ) ),
		'rest'              => rest_url( 'wp-presence/v1/presence' ),
		'nonce'             => wp_create_nonce( 'wp_rest' ),
		'ttl'               => stand_in_ttl(),
		'ticks'             => (int) apply_filters( 'wp_presence_heartbeat_idle_ticks', 5 ),
		'pause'             => (int) apply_filters( 'wp_presence_heartbeat_idle_interval', 45 ),
		'hasTransportHooks' => STAND_IN_HAS_TRANSPORT_HOOKS,
	);
	wp_enqueue_script( 'stand-in', plugins_url( 'page.js', __FILE__ ), array( 'jquery', 'heartbeat', 'wp-hooks' ), '1', true );
	wp_add_inline_script( 'stand-in', 'window.standIn = ' . wp_json_encode( $config ) . ';', 'before' );
}

function stand_in_on_login( $login, $user ) {
	if ( user_can( $user, 'edit_posts' ) ) {
		wp_set_presence( wp_presence_admin_room(), "user-$user->ID", stand_in_admin_state( array( 'screen' => 'login' ), $user->ID ), array( 'user_id' => $user->ID ) );
	}
}

function stand_in_on_logout( $user_id ) {
	wp_remove_user_presence( $user_id );
}
