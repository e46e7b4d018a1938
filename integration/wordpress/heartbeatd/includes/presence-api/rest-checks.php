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
 * Validates the place after which a list continues, as heartbeatd writes it.
 *
 * @param mixed $value The value.
 * @return true|WP_Error
 */
function heartbeatd_rest_validate_after( $value ) {
	$place = is_string( $value ) ? json_decode( (string) base64_decode( strtr( $value, '-_', '+/' ), true ) ) : null;
	if ( '' === $value || is_array( $place ) && 2 === count( array_filter( $place, 'is_string' ) ) ) {
		return true;
	}
	return new WP_Error( 'rest_invalid_param', __( 'after must be empty, or the header X-Heartbeatd-Next of the last answer.', 'heartbeatd' ) );
}

/**
 * Validates the client id of an entry that is written or removed.
 *
 * @param mixed           $value   The value.
 * @param WP_REST_Request $request The request.
 * @param string          $param   The parameter's name.
 * @return true|WP_Error
 */
function heartbeatd_rest_validate_client_id( $value, $request, $param ) {
	$valid = heartbeatd_rest_validate_name( $value, $request, $param );
	if ( true === $valid && heartbeatd_presence_is_reserved( $value ) ) {
		/* translators: %s: a parameter's name. */
		return new WP_Error( 'rest_invalid_param', sprintf( __( '%s must not begin with "_": such ids are reserved.', 'heartbeatd' ), $param ) );
	}
	return $valid;
}

/**
 * Returns the data of an entry as the client has sent it. WordPress decodes objects as arrays,
 * and cannot tell an empty object from an empty list.
 *
 * @param WP_REST_Request $request The request.
 * @param mixed           $value   The data as WordPress has decoded it.
 * @return mixed
 */
function heartbeatd_rest_sent_data( $request, $value ) {
	$sent = $request->is_json_content_type() ? json_decode( (string) $request->get_body() ) : null;
	return is_object( $sent ) && isset( $sent->data ) ? $sent->data : $value;
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
	$data = heartbeatd_rest_sent_data( $request, $value );
	if ( ! is_object( $data ) && ( ! is_array( $data ) || ( $data && array_keys( $data ) === range( 0, count( $data ) - 1 ) ) ) ) {
		/* translators: %s: a parameter's name. */
		return new WP_Error( 'rest_invalid_param', sprintf( __( '%s must be an object.', 'heartbeatd' ), $param ) );
	}
	if ( null === heartbeatd_presence_encode_data( $data ) ) {
		/* translators: 1: a parameter's name, 2: a number of bytes, 3: a number of values, 4: a number of levels. */
		return new WP_Error( 'rest_invalid_param', sprintf( __( '%1$s must have at most %2$d bytes as JSON and %3$d values, and be nested at most %4$d levels deep.', 'heartbeatd' ), $param, HEARTBEATD_MAX_ENTRY_DATA, HEARTBEATD_MAX_ENTRY_VALUES, HEARTBEATD_MAX_DEPTH ) );
	}
	/* translators: %s: a parameter's name. */
	return heartbeatd_presence_has_nul_name( $data ) ? new WP_Error( 'rest_invalid_param', sprintf( __( '%s must not have names with a NUL character.', 'heartbeatd' ), $param ) ) : true;
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
