<?php
/**
 * The REST routes wp-presence/v1, for sites where nobody else provides them.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * Registers the routes.
 */
function heartbeatd_register_presence_routes() {
	$room   = array(
		'description'       => __( 'The room.', 'heartbeatd' ),
		'type'              => 'string',
		'required'          => true,
		'validate_callback' => 'heartbeatd_rest_is_name',
	);
	$client = array( 'description' => __( 'The client in the room.', 'heartbeatd' ) ) + $room;
	$data   = array(
		'description'       => __( 'What others see of the client.', 'heartbeatd' ),
		'type'              => 'object',
		'default'           => array(),
		'validate_callback' => 'heartbeatd_rest_is_data',
		'sanitize_callback' => 'heartbeatd_rest_clean_data',
	);
	$one    = array(
		'room'      => $room,
		'client_id' => $client,
	);
	$route  = static function ( $path, $methods ) {
		register_rest_route( 'wp-presence/v1', $path, $methods );
	};
	$route(
		'/presence',
		array(
			heartbeatd_rest_method( 'GET', 'heartbeatd_rest_list', 'heartbeatd_rest_may_enter', array( 'room' => $room ) + heartbeatd_rest_paging( 100 ) ),
			heartbeatd_rest_method( 'POST', 'heartbeatd_rest_set', 'heartbeatd_rest_may_enter', $one + array( 'data' => $data ) ),
			heartbeatd_rest_method( 'DELETE', 'heartbeatd_rest_delete', 'heartbeatd_rest_may_enter', $one ),
			'schema' => 'heartbeatd_rest_entry_schema',
		)
	);
	$route( '/presence/rooms', heartbeatd_rest_method( 'GET', 'heartbeatd_rest_rooms', 'heartbeatd_rest_may_edit', heartbeatd_rest_paging( 50 ) ) );
	$route(
		'/presence/screen-revisions/stale',
		heartbeatd_rest_method(
			'POST',
			'heartbeatd_rest_stale',
			'heartbeatd_rest_may_see_screen',
			array(
				'screen_key' => array(
					'description' => __( 'The screen that was saved.', 'heartbeatd' ),
					'type'        => 'string',
					'required'    => true,
					'pattern'     => '^[a-z0-9/_-]+$',
					'minLength'   => 1,
					'maxLength'   => HEARTBEATD_MAX_NAME,
				),
			)
		)
	);
}

/**
 * One method of a route.
 *
 * @param string   $methods             HTTP method.
 * @param callable $callback            What answers.
 * @param callable $permission_callback Who may.
 * @param array    $args                What it takes.
 * @return array
 */
function heartbeatd_rest_method( $methods, $callback, $permission_callback, $args ) {
	return compact( 'methods', 'callback', 'permission_callback', 'args' );
}

/**
 * What lists take.
 *
 * @param int $per_page The default.
 * @return array
 */
function heartbeatd_rest_paging( $per_page ) {
	$number = array(
		'type'    => 'integer',
		'minimum' => 1,
	);
	return array(
		'per_page' => $number + array(
			'default' => $per_page,
			'maximum' => 100,
		),
		'page'     => $number + array(
			'default' => 1,
			'maximum' => 1000000,
		),
	);
}

/**
 * What an entry looks like.
 *
 * @return array
 */
function heartbeatd_rest_entry_schema() {
	$text = array( 'type' => 'string' );
	return array(
		'$schema'    => 'http://json-schema.org/draft-04/schema#',
		'title'      => 'presence',
		'type'       => 'object',
		'properties' => array(
			'room'         => $text,
			'client_id'    => $text,
			'user_id'      => array( 'type' => 'integer' ),
			'display_name' => $text,
			'avatar_url'   => $text,
			'data'         => array( 'type' => 'object' ),
			'date_gmt'     => $text,
		),
	);
}
