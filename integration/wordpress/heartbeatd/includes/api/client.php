<?php
/**
 * The HTTP client for heartbeatd's API.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * The timeout of a call while a visitor waits for it, in seconds.
 */
const HEARTBEATD_CALL_TIMEOUT = 0.3;

/**
 * How deep objects and lists may be nested in an answer. A list with a value that is nested too
 * deep can be read, without this value.
 */
const HEARTBEATD_ANSWER_DEPTH = 1024;

/**
 * The errors of json_decode() for an answer that is complete, but has a value that PHP does not
 * have. They do not mean that heartbeatd is down.
 */
const HEARTBEATD_UNREADABLE = array( JSON_ERROR_DEPTH, JSON_ERROR_UTF16, JSON_ERROR_INVALID_PROPERTY_NAME );

/**
 * Calls heartbeatd's API, unless calls pause.
 *
 * @param string     $method  HTTP method.
 * @param string     $path    The path below /api/v1.
 * @param array|null $body    The body, sent as JSON.
 * @param float      $timeout The timeout in seconds.
 * @param mixed      $headers Receives the answer's headers, readable as an array with lower-case names.
 * @return array|WP_Error The same as heartbeatd_send_call().
 */
function heartbeatd_call_api( $method, $path, $body = null, $timeout = HEARTBEATD_CALL_TIMEOUT, &$headers = array() ) {
	if ( heartbeatd_is_circuit_open() ) {
		return new WP_Error( 'unreachable', __( 'heartbeatd did not answer the last calls.', 'heartbeatd' ) );
	}
	return heartbeatd_send_call( $method, $path, $body, $timeout, $headers );
}

/**
 * Calls heartbeatd's API even if calls pause, and records whether it answers.
 *
 * @param string     $method  HTTP method.
 * @param string     $path    The path below /api/v1.
 * @param array|null $body    The body, sent as JSON.
 * @param float      $timeout The timeout in seconds.
 * @param mixed      $headers Receives the answer's headers, readable as an array with lower-case names.
 * @return array|WP_Error The answer. The error's code is 'unreachable' if heartbeatd did not answer, 'unreadable' if
 *                        PHP cannot read its answer.
 */
function heartbeatd_send_call( $method, $path, $body, $timeout, &$headers = array() ) {
	// WordPress does not allow a timeout of less than a second.
	$set_curl_timeouts   = static function ( $handle ) use ( $timeout ) {
		// phpcs:disable WordPress.WP.AlternativeFunctions.curl_curl_setopt
		curl_setopt( $handle, CURLOPT_NOSIGNAL, true );
		curl_setopt( $handle, CURLOPT_CONNECTTIMEOUT_MS, (int) ( $timeout * 1000 ) );
		curl_setopt( $handle, CURLOPT_TIMEOUT_MS, (int) ( $timeout * 1000 ) );
		// phpcs:enable
	};
	$set_connect_timeout = static function ( &$url, &$headers, &$data, &$type, &$options ) use ( $timeout ) {
		$options['connect_timeout'] = $timeout; // Without cURL.
	};
	add_action( 'http_api_curl', $set_curl_timeouts );
	add_action( 'requests-requests.before_request', $set_connect_timeout, 10, 5 );
	add_filter( 'pre_http_send_through_proxy', '__return_false' ); // A proxy must not see the key.
	$answer = wp_remote_request(
		untrailingslashit( heartbeatd_setting( 'api' ) ) . '/api/v1' . $path,
		array(
			'method'      => $method,
			'timeout'     => $timeout,
			'redirection' => 0,
			'headers'     => array(
				'Authorization' => 'Bearer ' . heartbeatd_api_key(),
				'Content-Type'  => 'application/json',
			),
			'body'        => null === $body ? null : heartbeatd_json_encode( $body ),
		)
	);
	remove_action( 'http_api_curl', $set_curl_timeouts );
	remove_action( 'requests-requests.before_request', $set_connect_timeout );
	remove_filter( 'pre_http_send_through_proxy', '__return_false' );
	$headers = is_wp_error( $answer ) ? array() : wp_remote_retrieve_headers( $answer );
	$answer  = heartbeatd_parse_answer( $answer );
	heartbeatd_record_call( heartbeatd_was_call_accepted( $answer ) );
	return $answer;
}

/**
 * Determines whether heartbeatd answered a call and accepted its key.
 *
 * @param array|WP_Error $answer The answer of heartbeatd_send_call().
 * @return bool
 */
function heartbeatd_was_call_accepted( $answer ) {
	return ! is_wp_error( $answer )
		|| ( 'unreachable' !== $answer->get_error_code() && 401 !== ( $answer->get_error_data()['status'] ?? 0 ) );
}

/**
 * Returns the key of one call. It is valid for this site, for a minute.
 *
 * @return string
 */
function heartbeatd_api_key() {
	return heartbeatd_sign_jwt(
		array(
			'aud' => 'api',
			'iat' => time(),
			'exp' => time() + MINUTE_IN_SECONDS,
		)
	);
}

/**
 * Turns a response of the HTTP API into an answer or an error.
 *
 * @param array|WP_Error $answer The response of the HTTP API.
 * @return array|WP_Error
 */
function heartbeatd_parse_answer( $answer ) {
	if ( is_wp_error( $answer ) ) {
		return new WP_Error( 'unreachable', $answer->get_error_message() );
	}
	$status = wp_remote_retrieve_response_code( $answer );
	$body   = heartbeatd_decode_answer( wp_remote_retrieve_body( $answer ) );
	if ( $status >= 200 && $status < 300 && is_array( $body ) ) {
		return $body;
	}
	if ( $status >= 200 && $status < 300 && in_array( json_last_error(), HEARTBEATD_UNREADABLE, true ) ) {
		/* translators: %s: an error message. */
		return new WP_Error( 'unreadable', sprintf( __( 'PHP cannot read the answer of heartbeatd: %s', 'heartbeatd' ), json_last_error_msg() ), array( 'status' => $status ) );
	}
	if ( is_array( $body ) && isset( $body['code'], $body['message'] ) && is_string( $body['code'] ) && is_string( $body['message'] ) ) {
		return new WP_Error( $status >= 500 ? 'unreachable' : $body['code'], $body['message'], array( 'status' => $status ) );
	}
	return heartbeatd_unknown_answer_error( $status );
}

/**
 * Decodes an answer: an object, or a list of objects, as arrays. Objects in these stay
 * objects, so that an empty one does not become a list.
 *
 * @param string $json The answer.
 * @return mixed
 */
function heartbeatd_decode_answer( $json ) {
	$answer = json_decode( $json, false, HEARTBEATD_ANSWER_DEPTH, JSON_INVALID_UTF8_SUBSTITUTE );
	if ( JSON_ERROR_INVALID_PROPERTY_NAME === json_last_error() ) {
		$answer = json_decode( $json, true, HEARTBEATD_ANSWER_DEPTH, JSON_INVALID_UTF8_SUBSTITUTE ); // An object of PHP cannot have a name that begins with NUL.
	}
	$to_array = static function ( $value ) {
		return is_object( $value ) ? (array) $value : $value;
	};
	return is_array( $answer ) ? array_map( $to_array, $answer ) : $to_array( $answer );
}

/**
 * Returns the error for an answer that heartbeatd does not send.
 *
 * @param int $status The HTTP status code.
 * @return WP_Error
 */
function heartbeatd_unknown_answer_error( $status ) {
	/* translators: %d: HTTP status code. */
	return new WP_Error( 'unreachable', sprintf( __( 'The server at this address is not heartbeatd (status %d).', 'heartbeatd' ), $status ) );
}
