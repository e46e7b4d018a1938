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

/**
 * Whether a parameter can be a room or a client id.
 *
 * @param mixed           $value   The value.
 * @param WP_REST_Request $request The request.
 * @param string          $param   Its name.
 * @return true|WP_Error
 */
function heartbeatd_rest_is_name( $value, $request, $param ) {
	unset( $request );
	/* translators: 1: a parameter's name, 2: a number. */
	return heartbeatd_presence_is_name( $value ) ? true : new WP_Error( 'rest_invalid_param', sprintf( __( '%1$s must be text of 1 to %2$d characters, none of them a control character.', 'heartbeatd' ), $param, HEARTBEATD_MAX_NAME ) );
}

/**
 * Whether a parameter can be an entry's data.
 *
 * @param mixed           $value   The value.
 * @param WP_REST_Request $request The request.
 * @param string          $param   Its name.
 * @return true|WP_Error
 */
function heartbeatd_rest_is_data( $value, $request, $param ) {
	unset( $request );
	$json = is_array( $value ) && ( ! $value || array_keys( $value ) !== range( 0, count( $value ) - 1 ) ) ? wp_json_encode( (object) $value ) : false;
	if ( false === $json ) {
		/* translators: %s: a parameter's name. */
		return new WP_Error( 'rest_invalid_param', sprintf( __( '%s must be an object.', 'heartbeatd' ), $param ) );
	}
	/* translators: 1: a parameter's name, 2: a number. */
	return strlen( $json ) <= HEARTBEATD_MAX_ENTRY_DATA ? true : new WP_Error( 'rest_invalid_param', sprintf( __( '%1$s may have %2$d bytes as JSON.', 'heartbeatd' ), $param, HEARTBEATD_MAX_ENTRY_DATA ) );
}

/**
 * Plain text of every text in an entry's data: others show it.
 *
 * @param array $value The data.
 * @return array
 */
function heartbeatd_rest_clean_data( $value ) {
	$clean = static function ( $item ) {
		return is_string( $item ) ? sanitize_text_field( $item ) : $item;
	};
	return map_deep( $value, $clean );
}

/**
 * The error for what somebody may not do.
 *
 * @return WP_Error 401 for nobody, 403 for somebody.
 */
function heartbeatd_rest_forbidden() {
	return new WP_Error( 'rest_forbidden', __( 'Sorry, you are not allowed to do that.', 'heartbeatd' ), array( 'status' => rest_authorization_required_code() ) );
}

/**
 * Whether the current user may edit posts.
 *
 * @return true|WP_Error
 */
function heartbeatd_rest_may_edit() {
	return current_user_can( 'edit_posts' ) ? true : heartbeatd_rest_forbidden();
}

/**
 * Whether the current user may see a room and enter it.
 *
 * @param WP_REST_Request $request The request.
 * @return true|WP_Error
 */
function heartbeatd_rest_may_enter( $request ) {
	return wp_can_access_presence_room( $request['room'] ) ? true : heartbeatd_rest_forbidden();
}

/**
 * Whether the current user may see a screen.
 *
 * @param WP_REST_Request $request The request.
 * @return true|WP_Error
 */
function heartbeatd_rest_may_see_screen( $request ) {
	return heartbeatd_may_see_screen( $request['screen_key'] ) ? true : heartbeatd_rest_forbidden();
}

/**
 * A page of a list.
 *
 * @param array $items    The page's items.
 * @param int   $total    How many there are.
 * @param int   $per_page How many a page has.
 * @return WP_REST_Response
 */
function heartbeatd_rest_page( $items, $total, $per_page ) {
	$response = new WP_REST_Response( array_values( $items ) );
	$response->header( 'X-WP-Total', $total );
	$response->header( 'X-WP-TotalPages', (int) ceil( $total / $per_page ) );
	$response->header( 'Cache-Control', 'no-store' );
	return $response;
}
