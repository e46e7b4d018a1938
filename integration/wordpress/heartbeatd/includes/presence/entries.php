<?php
/**
 * Presence entries: their fields, their limits and who is idle.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * The most characters of a room and of a client id; the most bytes and values of an entry's data
 * as JSON.
 */
const HEARTBEATD_MAX_NAME         = 191;
const HEARTBEATD_MAX_ENTRY_DATA   = 10240;
const HEARTBEATD_MAX_ENTRY_VALUES = 500;

/**
 * A user whose page does not report whether they are idle is idle this many seconds after
 * the last beat.
 */
const HEARTBEATD_IDLE_AFTER = 30;

/**
 * Returns an entry with every field, 'idle' if the user's page reports it, and 'expires_gmt'
 * if the entry has a lifetime of its own. Objects in the data are objects of PHP.
 *
 * @param mixed $entry An entry as heartbeatd sends it.
 * @return array|null Null if it is invalid.
 */
function heartbeatd_presence_read_entry( $entry ) {
	if ( ! is_array( $entry ) ) {
		return null;
	}
	$entry += array(
		'display_name' => '',
		'avatar_url'   => '',
		'data'         => array(),
	);
	foreach ( array( 'room', 'client_id', 'display_name', 'avatar_url', 'date_gmt' ) as $name ) {
		if ( ! is_string( $entry[ $name ] ?? null ) ) {
			return null;
		}
	}
	if ( ! is_int( $entry['user_id'] ?? null ) || heartbeatd_is_unreadable( $entry['data'], HEARTBEATD_MAX_DEPTH ) ) {
		return null;
	}
	$optional = isset( $entry['idle'] ) ? array( 'idle' => (bool) $entry['idle'] ) : array();
	if ( isset( $entry['expires_gmt'] ) ) {
		$optional['expires_gmt'] = (string) $entry['expires_gmt'];
	}
	return array(
		'room'         => $entry['room'],
		'client_id'    => $entry['client_id'],
		'user_id'      => $entry['user_id'],
		'display_name' => $entry['display_name'],
		'avatar_url'   => $entry['avatar_url'],
		'data'         => (array) $entry['data'],
		'date_gmt'     => $entry['date_gmt'],
	) + $optional;
}

/**
 * Returns a new entry.
 *
 * @param string       $room      The room.
 * @param string       $client_id The client id.
 * @param array|object $data      The entry's data.
 * @param int          $user_id   The entry's user; 0 for none.
 * @return array|null Null if there is no such user or a value is invalid.
 */
function heartbeatd_presence_create_entry( $room, $client_id, $data, $user_id ) {
	$user = $user_id ? get_userdata( $user_id ) : null;
	if ( false === $user || ! heartbeatd_presence_is_valid_name( $room ) || ! heartbeatd_presence_is_valid_name( $client_id ) || heartbeatd_presence_is_reserved( $client_id ) || null === heartbeatd_presence_encode_data( $data ) || heartbeatd_presence_has_nul_name( $data ) ) {
		return null;
	}
	return array(
		'room'         => $room,
		'client_id'    => $client_id,
		'user_id'      => $user ? $user->ID : 0,
		'display_name' => $user ? mb_substr( $user->display_name, 0, 60 ) : '',
		'avatar_url'   => $user ? heartbeatd_avatar_url( $user ) : '',
		'data'         => (object) $data,
	);
}

/**
 * Encodes an entry's data.
 *
 * @param array|object $data The data.
 * @return string|null JSON; null if it is too large, nested too deep, or has a number that is not finite.
 */
function heartbeatd_presence_encode_data( $data ) {
	$json = (string) wp_json_encode( (object) $data, 0, HEARTBEATD_MAX_DEPTH );
	return '' !== $json && strlen( $json ) <= HEARTBEATD_MAX_ENTRY_DATA && heartbeatd_count_values( $json ) <= HEARTBEATD_MAX_ENTRY_VALUES ? $json : null;
}

/**
 * Returns a value of an entry's data as the text that users see: other users can write any data.
 *
 * @param mixed $value The value.
 * @return string
 */
function heartbeatd_presence_text( $value ) {
	return is_scalar( $value ) ? mb_substr( (string) $value, 0, HEARTBEATD_MAX_NAME ) : '';
}

/**
 * Determines whether a value cannot be sent in JSON: it is nested too deep, or has a number that is
 * not finite.
 *
 * @param mixed $value The value.
 * @param int   $depth How deep it may be nested.
 * @return bool
 */
function heartbeatd_is_unreadable( $value, $depth ) {
	if ( ! is_array( $value ) && ! is_object( $value ) ) {
		return is_float( $value ) && ! is_finite( $value );
	}
	if ( $depth < 1 ) {
		return true;
	}
	foreach ( (array) $value as $part ) {
		if ( heartbeatd_is_unreadable( $part, $depth - 1 ) ) {
			return true;
		}
	}
	return false;
}

/**
 * Returns the field with the title of the room's post. The title in an entry's data is what the
 * entry's author has written.
 *
 * @param string $room The room.
 * @return array{post_title?: string} Empty if it is no post's room.
 */
function heartbeatd_presence_post_title_field( $room ) {
	$post = heartbeatd_room_post( $room );
	return $post ? array( 'post_title' => heartbeatd_post_title( $post ) ) : array();
}

/**
 * Determines whether a name in an entry's data has a NUL character. An object of PHP cannot have
 * such a name.
 *
 * @param mixed $data The data, nested at most HEARTBEATD_MAX_DEPTH levels deep.
 * @return bool
 */
function heartbeatd_presence_has_nul_name( $data ) {
	if ( ! is_array( $data ) && ! $data instanceof stdClass ) {
		return false;
	}
	foreach ( (array) $data as $name => $value ) {
		if ( false !== strpos( (string) $name, "\0" ) || heartbeatd_presence_has_nul_name( $value ) ) {
			return true;
		}
	}
	return false;
}

/**
 * Determines whether a value is valid as a room or a client id. Names are never truncated.
 *
 * @param mixed $name The name.
 * @return bool
 */
function heartbeatd_presence_is_valid_name( $name ) {
	return is_string( $name ) && preg_match( '/^[^\p{Cc}]{1,' . HEARTBEATD_MAX_NAME . '}$/Du', $name );
}

/**
 * Determines whether a client id is reserved for the Presence API plugin's own rows, which
 * are no participants.
 *
 * @param string $client_id The client id.
 * @return bool
 */
function heartbeatd_presence_is_reserved( $client_id ) {
	return 0 === strpos( $client_id, '_' );
}

/**
 * Determines whether an entry's user is idle. Uses what their page reports, otherwise the
 * entry's date.
 *
 * @param array $entry The entry.
 * @return bool
 */
function heartbeatd_presence_is_idle( $entry ) {
	return $entry['idle'] ?? $entry['date_gmt'] < gmdate( 'Y-m-d H:i:s', time() - HEARTBEATD_IDLE_AFTER );
}

/**
 * Returns the entries that are not older than a timeout. An entry that the link of a page
 * renews is never too old for a timeout of a minute or more: an unfocused page beats every
 * two minutes.
 *
 * @param array[]  $entries Entries.
 * @param int|null $timeout Seconds; null returns all.
 * @return array[]
 */
function heartbeatd_presence_recent_entries( $entries, $timeout ) {
	if ( null === $timeout ) {
		return $entries;
	}
	$after = gmdate( 'Y-m-d H:i:s', time() - (int) $timeout );
	$is_in = static function ( $entry ) use ( $after, $timeout ) {
		return $entry['date_gmt'] > $after || ( isset( $entry['idle'] ) && $timeout >= MINUTE_IN_SECONDS );
	};
	return array_values( array_filter( $entries, $is_in ) );
}

/**
 * Returns the entries that belong to a user. The others are of the back end, for example of
 * an import: they are in the room, and not among the people in it.
 *
 * @param array[] $entries Entries.
 * @return array[]
 */
function heartbeatd_presence_with_user( $entries ) {
	$has_user = static function ( $entry ) {
		return $entry['user_id'] > 0;
	};
	return array_values( array_filter( $entries, $has_user ) );
}

/**
 * Returns an entry in the form that the Presence API's functions return. Objects in its data
 * become arrays.
 *
 * @param array $entry The entry.
 * @return object
 */
function heartbeatd_presence_entry_object( $entry ) {
	$entry['data'] = (array) json_decode( (string) wp_json_encode( (object) $entry['data'] ), true );
	return (object) array_intersect_key( $entry, array_flip( array( 'room', 'client_id', 'user_id', 'data', 'date_gmt' ) ) );
}
