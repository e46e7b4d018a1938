<?php
/**
 * The REST routes of a room.
 *
 * @package stand-in-fragments
 */

function stand_in_add_routes() {
	$may = static fn ( $request ) => wp_can_access_presence_room( (string) $request['room'] );
	$all = array( 'stand_in_rest_get', 'stand_in_rest_set', 'stand_in_rest_remove' );
	foreach ( array_combine( array( 'GET', 'POST', 'DELETE' ), $all ) as $method => $callback ) {
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

function stand_in_rest_entry( $entry ) {
	$entry->user_id      = (int) $entry->user_id;
	$entry->display_name = stand_in_name( $entry->user_id );
	if ( wp_presence_admin_room() === $entry->room && ! stand_in_can_see_location( $entry->user_id ) ) {
		$entry->data = array();
	}
	return $entry;
}

function stand_in_rest_get( $request ) {
	return array_map( 'stand_in_rest_entry', wp_get_presence( $request['room'] ) );
}

function stand_in_rest_set( $request ) {
	if ( stand_in_is_reserved( $request['client_id'] ) ) {
		return new WP_Error( 'rest_invalid_param', 'The client id is reserved.', array( 'status' => 400 ) );
	}
	$args = array(
		'user_id'  => get_current_user_id(),
		'wp_error' => true,
	);
	$done = wp_set_presence( $request['room'], $request['client_id'], (array) $request['data'], $args );
	if ( is_wp_error( $done ) ) {
		return new WP_Error( 'rest_' . $done->get_error_code(), $done->get_error_message(), array( 'status' => 501 ) );
	}
	return stand_in_rest_entry( stand_in_entry( stand_in_live_row( $request['room'], $request['client_id'] ) ) );
}

function stand_in_rest_remove( $request ) {
	$row = stand_in_live_row( $request['room'], $request['client_id'] );
	if ( $row && get_current_user_id() !== (int) $row->user_id && ! current_user_can( 'manage_options' ) ) {
		return new WP_Error( 'rest_forbidden', 'It is the entry of somebody else.', array( 'status' => 403 ) );
	}
	wp_remove_presence( $request['room'], $request['client_id'] );
	return array(
		'deleted' => true,
		'room'    => $request['room'],
	);
}
