<?php
/**
 * The HTTP client of heartbeatd's API.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * How long a call that somebody waits for may take, in seconds.
 */
const HEARTBEATD_CALL_TIMEOUT = 0.3;

/**
 * Calls heartbeatd's API, unless calls pause.
 *
 * @param string     $method  HTTP method.
 * @param string     $path    What comes after /api/v1.
 * @param array|null $body    What is sent as JSON.
 * @param float      $wait    Seconds until the call is given up.
 * @param mixed      $headers Becomes the answer's headers, to be read as an array with names in lower case.
 * @return array|WP_Error As heartbeatd_send_call().
 */
function heartbeatd_call_api( $method, $path, $body = null, $wait = HEARTBEATD_CALL_TIMEOUT, &$headers = array() ) {
	if ( heartbeatd_is_circuit_open() ) {
		return new WP_Error( 'unreachable', __( 'heartbeatd did not answer lately.', 'heartbeatd' ) );
	}
	return heartbeatd_send_call( $method, $path, $body, $wait, $headers );
}

/**
 * Calls heartbeatd's API, and remembers whether it answers.
 *
 * @param string     $method  HTTP method.
 * @param string     $path    What comes after /api/v1.
 * @param array|null $body    What is sent as JSON.
 * @param float      $wait    Seconds until the call is given up.
 * @param mixed      $headers Becomes the answer's headers, to be read as an array with names in lower case.
 * @return array|WP_Error The answer. The error's code is 'unreachable' when heartbeatd gave none.
 */
function heartbeatd_send_call( $method, $path, $body, $wait, &$headers = array() ) {
	$in_time   = static function ( $handle ) use ( $wait ) {
		// WordPress itself never waits less than a second.
		// phpcs:disable WordPress.WP.AlternativeFunctions.curl_curl_setopt
		curl_setopt( $handle, CURLOPT_NOSIGNAL, true );
		curl_setopt( $handle, CURLOPT_CONNECTTIMEOUT_MS, (int) ( $wait * 1000 ) );
		curl_setopt( $handle, CURLOPT_TIMEOUT_MS, (int) ( $wait * 1000 ) );
		// phpcs:enable
	};
	$connected = static function ( &$url, &$headers, &$data, &$type, &$options ) use ( $wait ) {
		$options['connect_timeout'] = $wait; // where there is no curl
	};
	add_action( 'http_api_curl', $in_time );
	add_action( 'requests-requests.before_request', $connected, 10, 5 );
	add_filter( 'pre_http_send_through_proxy', '__return_false' ); // the key is nobody else's
	$answer = wp_remote_request(
		untrailingslashit( heartbeatd_setting( 'api' ) ) . '/api/v1' . $path,
		array(
			'method'      => $method,
			'timeout'     => $wait,
			'redirection' => 0,
			'headers'     => array(
				'Authorization' => 'Bearer ' . heartbeatd_api_key(),
				'Content-Type'  => 'application/json',
			),
			'body'        => null === $body ? null : heartbeatd_json_encode( $body ),
		)
	);
	remove_action( 'http_api_curl', $in_time );
	remove_action( 'requests-requests.before_request', $connected );
	remove_filter( 'pre_http_send_through_proxy', '__return_false' );
	$headers = is_wp_error( $answer ) ? array() : wp_remote_retrieve_headers( $answer );
	$answer  = heartbeatd_parse_answer( $answer );
	heartbeatd_record_call( heartbeatd_was_call_accepted( $answer ) );
	return $answer;
}

/**
 * Whether heartbeatd was reached and took the key.
 *
 * @param array|WP_Error $answer As heartbeatd_send_call() returns it.
 * @return bool
 */
function heartbeatd_was_call_accepted( $answer ) {
	return ! is_wp_error( $answer )
		|| ( 'unreachable' !== $answer->get_error_code() && 401 !== ( $answer->get_error_data()['status'] ?? 0 ) );
}

/**
 * The key of one call: good for this site, for a minute.
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
 * Makes an answer or an error of what came.
 *
 * @param array|WP_Error $answer What the HTTP API returned.
 * @return array|WP_Error
 */
function heartbeatd_parse_answer( $answer ) {
	if ( is_wp_error( $answer ) ) {
		return new WP_Error( 'unreachable', $answer->get_error_message() );
	}
	$status = wp_remote_retrieve_response_code( $answer );
	$body   = json_decode( wp_remote_retrieve_body( $answer ), true );
	if ( $status >= 200 && $status < 300 && is_array( $body ) ) {
		return $body;
	}
	if ( is_array( $body ) && isset( $body['code'], $body['message'] ) && is_string( $body['code'] ) && is_string( $body['message'] ) ) {
		return new WP_Error( $status >= 500 ? 'unreachable' : $body['code'], $body['message'], array( 'status' => $status ) );
	}
	return heartbeatd_unknown_answer_error( $status );
}

/**
 * The error for an answer that heartbeatd does not give.
 *
 * @param int $status Its status.
 * @return WP_Error
 */
function heartbeatd_unknown_answer_error( $status ) {
	/* translators: %d: HTTP status code. */
	return new WP_Error( 'unreachable', sprintf( __( 'What answers there (status %d) is not heartbeatd.', 'heartbeatd' ), $status ) );
}
