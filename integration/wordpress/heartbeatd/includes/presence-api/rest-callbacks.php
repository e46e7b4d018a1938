<?php
/**
 * The callbacks of the REST routes wp-presence/v1. Permissions are checked before they run.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * Lists the entries in a room. Empty if heartbeatd does not answer.
 *
 * @param WP_REST_Request $request The request.
 * @return WP_REST_Response
 */
function heartbeatd_rest_list_entries( $request ) {
	$query = array(
		'room'     => $request['room'],
		'per_page' => $request['per_page'],
	);
	$part  = isset( $request['after'] ) ? array( 'after' => $request['after'] ) : array( 'page' => $request['page'] );
	$read  = heartbeatd_presence_list_page( $query + $part );
	$items = new Heartbeatd_Presence_Items();
	$list  = array();
	foreach ( $read['entries'] ?? array() as $entry ) {
		$list[] = $items->prepare_item( $entry, $request );
	}
	$response = heartbeatd_rest_list_response( $list, $read['total'] ?? 0, $request['per_page'] );
	if ( ! empty( $read['next'] ) ) {
		$response->header( 'X-Heartbeatd-Next', $read['next'] );
	}
	return $response;
}

/**
 * Writes an entry of the current user to a room.
 *
 * @param WP_REST_Request $request The request.
 * @return WP_REST_Response|WP_Error
 */
function heartbeatd_rest_set_entry( $request ) {
	if ( heartbeatd_rest_is_reserved_client_id( $request['client_id'] ) ) {
		return heartbeatd_rest_error( new WP_Error( 'conflict' ) );
	}
	$data  = heartbeatd_rest_sent_data( $request, $request['data'] );
	$entry = heartbeatd_presence_write( $request['room'], $request['client_id'], $data, array( 'user_id' => get_current_user_id() ) );
	if ( is_wp_error( $entry ) ) {
		return heartbeatd_rest_error( $entry );
	}
	$items   = new Heartbeatd_Presence_Items();
	$updated = $items->update_added_fields( $entry, $request );
	return is_wp_error( $updated ) ? $updated : new WP_REST_Response( $items->prepare_item( $entry, $request ) );
}

/**
 * Determines whether a client id contains the id of another user.
 *
 * @param string $client_id The client id.
 * @return bool
 */
function heartbeatd_rest_is_reserved_client_id( $client_id ) {
	return preg_match( '/^(?:user|editor|lock|cli|agent)-([1-9]\d{0,18})$/D', $client_id, $match )
		&& get_current_user_id() !== (int) $match[1] && get_userdata( (int) $match[1] );
}

/**
 * Removes an entry from a room: an entry of the current user, or any entry if the user may
 * manage options.
 *
 * @param WP_REST_Request $request The request.
 * @return WP_REST_Response|WP_Error
 */
function heartbeatd_rest_delete_entry( $request ) {
	$of   = current_user_can( 'manage_options' ) ? null : get_current_user_id();
	$done = heartbeatd_presence_remove( $request['room'], $request['client_id'], $of );
	if ( is_wp_error( $done ) ) {
		return heartbeatd_rest_error( $done );
	}
	return new WP_REST_Response(
		array(
			'deleted' => true,
			'room'    => $request['room'],
		)
	);
}

/**
 * Converts an error of heartbeatd to an error of the REST API.
 *
 * @param WP_Error $error The error.
 * @return WP_Error
 */
function heartbeatd_rest_error( $error ) {
	switch ( $error->get_error_code() ) {
		case 'conflict':
			return new WP_Error( 'rest_presence_client_id_conflict', __( 'This client id belongs to another user.', 'heartbeatd' ), array( 'status' => 409 ) );
		case 'too_many':
			return new WP_Error( 'rest_presence_limit_exceeded', __( 'You are in too many rooms.', 'heartbeatd' ), array( 'status' => 429 ) );
		case 'limit_reached':
			return new WP_Error( 'rest_presence_limit_exceeded', __( 'This site has too many presence entries, or too large ones. Try again later.', 'heartbeatd' ), array( 'status' => 429 ) );
		case 'forbidden':
			return heartbeatd_rest_forbidden();
		case 'recording_disabled':
			return new WP_Error( 'rest_presence_recording_disabled', $error->get_error_message(), array( 'status' => 501 ) );
		case 'bad_request':
			return new WP_Error( 'rest_invalid_param', $error->get_error_message(), array( 'status' => 400 ) );
	}
	return new WP_Error( 'rest_presence_unavailable', __( 'Presence is not available right now.', 'heartbeatd' ), array( 'status' => 503 ) );
}

/**
 * Lists the rooms that are not empty and that the current user may see, those with the most
 * users first.
 *
 * @param WP_REST_Request $request The request.
 * @return WP_REST_Response
 */
function heartbeatd_rest_list_rooms( $request ) {
	$rooms = array();
	foreach ( (array) heartbeatd_presence_list_all( HEARTBEATD_PRESENCE_SHORT ) as $entry ) {
		$rooms += array( $entry['room'] => array() );
		if ( $entry['user_id'] ) {
			$rooms[ $entry['room'] ][ $entry['user_id'] ] = array(
				'user_id'      => $entry['user_id'],
				'display_name' => $entry['display_name'],
				'avatar_url'   => $entry['avatar_url'],
			);
		}
	}
	_prime_post_caches( array_filter( array_map( 'heartbeatd_room_post_id', array_keys( $rooms ) ) ), false, false );
	$shown = array();
	foreach ( $rooms as $room => $users ) {
		if ( wp_can_access_presence_room( (string) $room ) ) {
			$shown[] = array(
				'room'       => (string) $room,
				'user_count' => count( $users ),
				'users'      => array_values( $users ),
			);
		}
	}
	$busiest_first = static function ( $a, $b ) {
		return $a['user_count'] === $b['user_count'] ? strcmp( $a['room'], $b['room'] ) : $b['user_count'] - $a['user_count'];
	};
	usort( $shown, $busiest_first );
	$page = array_slice( $shown, ( $request['page'] - 1 ) * $request['per_page'], $request['per_page'] );
	return heartbeatd_rest_list_response( $page, count( $shown ), $request['per_page'] );
}

/**
 * Gives a screen a new revision after a save that only the page knows about.
 *
 * @param WP_REST_Request $request The request.
 * @return WP_REST_Response
 */
function heartbeatd_rest_bump_screen_revision( $request ) {
	$named = ! preg_match( '#^(?:post|options|user-edit|term|comment)/#', $request['screen_key'] ); // The others exist: the user may edit what they show.
	return new WP_REST_Response(
		array(
			'screen_key' => $request['screen_key'],
			'rev'        => heartbeatd_bump_screen_revision( $request['screen_key'], 0, $named ),
		)
	);
}

/**
 * Returns the response with one page of a list.
 *
 * @param array $items    The page's items.
 * @param int   $total    The number of all items.
 * @param int   $per_page The number of items on a page.
 * @return WP_REST_Response
 */
function heartbeatd_rest_list_response( $items, $total, $per_page ) {
	$response = new WP_REST_Response( array_values( $items ) );
	$response->header( 'X-WP-Total', $total );
	$response->header( 'X-WP-TotalPages', (int) ceil( $total / $per_page ) );
	$response->header( 'Cache-Control', 'no-store' );
	return $response;
}
