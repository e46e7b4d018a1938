<?php
/**
 * Addresses of pushes and nudges: a room, a user, the users with a capability, or all users.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * The capabilities that tickets name unless a filter changes them.
 */
const HEARTBEATD_CAPABILITIES = array( 'edit_posts', 'manage_options' );

/**
 * Returns an address in the form of the API. If it is invalid, warns the caller of the
 * public function: a typing mistake would otherwise be a room that no page hears.
 *
 * @param mixed  $to     The address, as for heartbeatd_push().
 * @param string $called The public function that was called.
 * @return array|null Null if the address is invalid.
 */
function heartbeatd_check_address( $to, $called ) {
	$address = is_string( $to ) ? heartbeatd_parse_address( $to ) : null;
	if ( null === $address ) {
		$message = sprintf(
			/* translators: %s: the value that was given as an address. */
			__( '%s is not an address. An address is a room, which contains a "/", for example "postType/post:42"; or "user:7"; or "can:" with a capability that the filter heartbeatd_capabilities allows; or "all".', 'heartbeatd' ),
			esc_html( heartbeatd_describe_value( $to ) )
		);
		_doing_it_wrong( esc_html( $called ), $message, '0.1.0' ); // phpcs:ignore WordPress.Security.EscapeOutput.OutputNotEscaped -- The value is escaped above.
	}
	return $address;
}

/**
 * Parses an address.
 *
 * @param string $to The address, as for heartbeatd_push().
 * @return array|null The address in the form of the API; null if it is invalid.
 */
function heartbeatd_parse_address( $to ) {
	if ( 'all' === $to ) {
		return array( 'all' => true );
	}
	if ( preg_match( '/^user:([1-9]\d{0,17})$/D', $to, $match ) ) {
		return array( 'user' => (int) $match[1] );
	}
	if ( 0 === strpos( $to, 'can:' ) ) {
		$capability = substr( $to, 4 );
		return in_array( $capability, array_merge( HEARTBEATD_CAPABILITIES, heartbeatd_ticket_capabilities() ), true ) ? array( 'can' => $capability ) : null;
	}
	return heartbeatd_is_room_name( $to ) ? array( 'room' => $to ) : null;
}

/**
 * Determines whether a value is the name of a room that pages can hear: it contains a '/',
 * and a name that begins with 'postType/' names a post.
 *
 * @param mixed $room The room.
 * @return bool
 */
function heartbeatd_is_room_name( $room ) {
	if ( ! is_string( $room ) || strlen( $room ) > 191 || ! preg_match( '#^[^\p{Cc}]*/[^\p{Cc}]*$#Du', $room ) ) {
		return false;
	}
	return 0 !== stripos( $room, 'postType/' ) || preg_match( '#^postType/[^/:]+:[1-9]\d{0,17}$#D', $room );
}

/**
 * Returns a short description of a value for a message.
 *
 * @param mixed $value The value.
 * @return string
 */
function heartbeatd_describe_value( $value ) {
	$json = is_scalar( $value ) ? heartbeatd_json_encode( $value ) : false;
	return false === $json ? gettype( $value ) : mb_substr( $json, 0, 200 );
}

/**
 * Returns the capabilities that tickets name, whoever has them.
 *
 * @return string[]
 */
function heartbeatd_ticket_capabilities() {
	/**
	 * Filters the capabilities that can be pushed to and nudged, as 'can:edit_posts'.
	 *
	 * @param string[] $capabilities Capabilities.
	 */
	$capabilities = apply_filters( 'heartbeatd_capabilities', HEARTBEATD_CAPABILITIES );
	return array_slice( heartbeatd_unique_strings( $capabilities ), 0, 10 );
}

/**
 * Returns the strings and integers of a list, each once and as a string: PHP turns a numeric
 * string into an integer when it is an array key.
 *
 * @param mixed $names The list.
 * @return string[]
 */
function heartbeatd_unique_strings( $names ) {
	$unique = array();
	foreach ( (array) $names as $name ) {
		if ( ( is_string( $name ) || is_int( $name ) ) && ! in_array( (string) $name, $unique, true ) ) {
			$unique[] = (string) $name;
		}
	}
	return $unique;
}
