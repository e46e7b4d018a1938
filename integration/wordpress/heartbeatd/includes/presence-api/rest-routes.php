<?php
/**
 * The REST routes wp-presence/v1, if no other plugin provides them.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * Registers the routes.
 */
function heartbeatd_register_rest_routes() {
	$room   = array(
		'description'       => __( 'The room.', 'heartbeatd' ),
		'type'              => 'string',
		'required'          => true,
		'validate_callback' => 'heartbeatd_rest_validate_name',
	);
	$client = array(
		'description'       => __( 'The client in the room.', 'heartbeatd' ),
		'validate_callback' => 'heartbeatd_rest_validate_client_id',
	) + $room;
	$data   = array(
		'description'       => __( 'The data that other users see.', 'heartbeatd' ),
		'type'              => 'object',
		'default'           => array(),
		'validate_callback' => 'heartbeatd_rest_validate_data',
		'sanitize_callback' => null, // Data is kept as it was sent, and escaped where it is shown.
	);
	$one    = array(
		'room'      => $room,
		'client_id' => $client,
	);
	$after  = array(
		'description'       => __( 'Lists the entries that follow: empty, or the header X-Heartbeatd-Next of the last answer.', 'heartbeatd' ),
		'type'              => 'string',
		'validate_callback' => 'heartbeatd_rest_validate_after',
	);
	$route  = static function ( $path, $methods ) {
		register_rest_route( 'wp-presence/v1', $path, $methods );
	};
	$route(
		'/presence',
		array(
			heartbeatd_rest_endpoint( 'GET', 'heartbeatd_rest_list_entries', 'heartbeatd_rest_can_access_room', compact( 'room', 'after' ) + heartbeatd_rest_paging_args( 100 ) ),
			heartbeatd_rest_endpoint( 'POST', 'heartbeatd_rest_set_entry', 'heartbeatd_rest_can_access_room', $one + array( 'data' => $data ) + heartbeatd_rest_added_args() ),
			heartbeatd_rest_endpoint( 'DELETE', 'heartbeatd_rest_delete_entry', 'heartbeatd_rest_can_access_room', $one ),
			'schema' => 'heartbeatd_rest_entry_schema',
		)
	);
	$route( '/presence/rooms', heartbeatd_rest_endpoint( 'GET', 'heartbeatd_rest_list_rooms', 'heartbeatd_rest_can_edit_posts', heartbeatd_rest_paging_args( 50 ) ) );
	$route(
		'/presence/screen-revisions/stale',
		heartbeatd_rest_endpoint(
			'POST',
			'heartbeatd_rest_bump_screen_revision',
			'heartbeatd_rest_can_access_screen',
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
 * Returns one endpoint of a route.
 *
 * @param string   $methods             HTTP method.
 * @param callable $callback            The callback.
 * @param callable $permission_callback The permission callback.
 * @param array    $args                The arguments.
 * @return array
 */
function heartbeatd_rest_endpoint( $methods, $callback, $permission_callback, $args ) {
	return compact( 'methods', 'callback', 'permission_callback', 'args' );
}

/**
 * Returns the arguments for paging.
 *
 * @param int $per_page The default of per_page.
 * @return array
 */
function heartbeatd_rest_paging_args( $per_page ) {
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
 * Returns the schema of an entry.
 *
 * @return array
 */
function heartbeatd_rest_entry_schema() {
	return ( new Heartbeatd_Presence_Items() )->get_item_schema();
}

/**
 * Returns the arguments of the fields that plugins have added to entries.
 *
 * @return array
 */
function heartbeatd_rest_added_args() {
	$known = array( 'room', 'client_id', 'user_id', 'display_name', 'avatar_url', 'data', 'date_gmt' );
	return array_diff_key( ( new Heartbeatd_Presence_Items() )->get_endpoint_args_for_item_schema(), array_flip( $known ) );
}
