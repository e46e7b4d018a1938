<?php
/**
 * Validation and permissions of the REST routes wp-presence/v1.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * Validates a room or a client id.
 *
 * @param mixed           $value   The value.
 * @param WP_REST_Request $request The request.
 * @param string          $param   The parameter's name.
 * @return true|WP_Error
 */
function heartbeatd_rest_validate_name( $value, $request, $param ) {
	unset( $request );
	/* translators: 1: a parameter's name, 2: a number. */
	return heartbeatd_presence_is_valid_name( $value ) ? true : new WP_Error( 'rest_invalid_param', sprintf( __( '%1$s must be text of 1 to %2$d characters, none of them a control character.', 'heartbeatd' ), $param, HEARTBEATD_MAX_NAME ) );
}

/**
 * Validates the data of an entry.
 *
 * @param mixed           $value   The value.
 * @param WP_REST_Request $request The request.
 * @param string          $param   The parameter's name.
 * @return true|WP_Error
 */
function heartbeatd_rest_validate_data( $value, $request, $param ) {
	unset( $request );
	$json = is_array( $value ) && ( ! $value || array_keys( $value ) !== range( 0, count( $value ) - 1 ) ) ? wp_json_encode( (object) $value ) : false;
	if ( false === $json ) {
		/* translators: %s: a parameter's name. */
		return new WP_Error( 'rest_invalid_param', sprintf( __( '%s must be an object.', 'heartbeatd' ), $param ) );
	}
	/* translators: 1: a parameter's name, 2: a number. */
	return strlen( $json ) <= HEARTBEATD_MAX_ENTRY_DATA ? true : new WP_Error( 'rest_invalid_param', sprintf( __( '%1$s must have at most %2$d bytes as JSON.', 'heartbeatd' ), $param, HEARTBEATD_MAX_ENTRY_DATA ) );
}

/**
 * Sanitizes the strings in the data of an entry: other users see them.
 *
 * @param array $value The data.
 * @return array
 */
function heartbeatd_rest_sanitize_data( $value ) {
	$clean = static function ( $item ) {
		return is_string( $item ) ? sanitize_text_field( $item ) : $item;
	};
	return map_deep( $value, $clean );
}

/**
 * Checks whether the current user may edit posts.
 *
 * @return true|WP_Error
 */
function heartbeatd_rest_can_edit_posts() {
	return current_user_can( 'edit_posts' ) ? true : heartbeatd_rest_forbidden();
}

/**
 * Checks whether the current user may see and enter a room.
 *
 * @param WP_REST_Request $request The request.
 * @return true|WP_Error
 */
function heartbeatd_rest_can_access_room( $request ) {
	return wp_can_access_presence_room( $request['room'] ) ? true : heartbeatd_rest_forbidden();
}

/**
 * Checks whether the current user may see a screen.
 *
 * @param WP_REST_Request $request The request.
 * @return true|WP_Error
 */
function heartbeatd_rest_can_access_screen( $request ) {
	return heartbeatd_can_access_screen( $request['screen_key'] ) ? true : heartbeatd_rest_forbidden();
}

/**
 * Returns the error for a missing permission.
 *
 * @return WP_Error With status 401 if nobody is logged in, otherwise 403.
 */
function heartbeatd_rest_forbidden() {
	return new WP_Error( 'rest_forbidden', __( 'Sorry, you are not allowed to do that.', 'heartbeatd' ), array( 'status' => rest_authorization_required_code() ) );
}
