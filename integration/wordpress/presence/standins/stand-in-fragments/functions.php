<?php
/**
 * The public functions. Where a function takes $args, a number or null in their place is the
 * older positional form.
 *
 * @package stand-in-fragments
 */

function stand_in_args( $args, $first, $rest ) {
	return is_null( $args ) || is_numeric( $args ) ? array( $first => $args ) + $rest : wp_parse_args( $args, $rest );
}

function wp_get_presence( $room, $args = array(), $client_prefix = '' ) {
	$args = stand_in_args( $args, 'timeout', array( 'client_prefix' => $client_prefix ) );
	return stand_in_entries( stand_in_live_rows( 'room = %s', $room ), $args['timeout'] ?? null, (string) ( $args['client_prefix'] ?? '' ) );
}

function wp_get_presence_by_room_prefix( $prefix, $timeout = null ) {
	return stand_in_entries( stand_in_live_rows( 'room LIKE %s', $GLOBALS['wpdb']->esc_like( $prefix ) . '%' ), $timeout, '' );
}

function stand_in_entries( $rows, $timeout, $prefix ) {
	$wanted = static function ( $row ) use ( $timeout, $prefix ) {
		return ! stand_in_is_reserved( $row->client_id )
			&& ( '' === $prefix || 0 === strpos( $row->client_id, $prefix ) )
			&& ( null === $timeout || stand_in_time( $row->date_gmt ) > time() - (int) $timeout );
	};
	return array_map( 'stand_in_entry', array_values( array_filter( $rows, $wanted ) ) );
}

function wp_set_presence( $room, $client_id, $state, $args = array(), $date_gmt = null, $expires_in = null ) {
	$args  = stand_in_args( $args, 'user_id', compact( 'date_gmt', 'expires_in' ) );
	$date  = null === ( $args['date_gmt'] ?? null ) ? time() : stand_in_time( $args['date_gmt'] );
	$life  = min( (int) ( $args['expires_in'] ?? stand_in_ttl() ), (int) apply_filters( 'wp_presence_max_expires_in', HOUR_IN_SECONDS ) );
	$error = stand_in_refusal( $client_id, $date, $life );
	$done  = $error ? false : stand_in_set( $room, $client_id, $state, (int) ( $args['user_id'] ?? 0 ), min( $date, time() ), $life );
	if ( ! $error && ! $done ) {
		$error = new WP_Error( 'presence_write_failed', 'The row was not written.' );
	}
	return $error && ! empty( $args['wp_error'] ) ? $error : $done;
}

function stand_in_ttl() {
	return (int) apply_filters( 'wp_presence_default_ttl', WP_PRESENCE_DEFAULT_TTL );
}

function stand_in_refusal( $client_id, $date, $life ) {
	if ( ! stand_in_is_reserved( $client_id ) && ! wp_presence_recording_enabled() ) {
		return new WP_Error( 'presence_recording_disabled', 'Presence is not recorded.' );
	}
	if ( $date <= 0 ) {
		return new WP_Error( 'presence_invalid_date_gmt', 'The date is invalid.' );
	}
	return $life <= 0 ? new WP_Error( 'presence_invalid_expires_in', 'The lifetime is invalid.' ) : null;
}

function stand_in_set( $room, $client_id, $state, $user_id, $date, $life ) {
	$old    = stand_in_live_row( $room, $client_id );
	$json   = wp_json_encode( $state );
	$same   = $old && $old->data === $json && (int) $old->user_id === $user_id;
	$recent = isset( $_POST['has_focus'] ) && 'true' !== $_POST['has_focus'] ? 15 : 30;
	if ( $same && stand_in_time( $old->date_gmt ) > time() - $recent ) {
		return true;
	}
	$hash  = STAND_IN_HAS_TRANSPORT_HOOKS && get_current_user_id() === $user_id ? wp_presence_session_hash( $room ) : '';
	$count = stand_in_count_editors( $room );
	if ( ! stand_in_put_row( $room, $client_id, $user_id, $json, $date, $date + $life, $hash ) ) {
		return false;
	}
	if ( ! stand_in_is_reserved( $client_id ) ) {
		do_action( 'set_presence', $room, $client_id, $state, $user_id );
		if ( ! $same ) {
			stand_in_room_changed( $room, $count );
		}
	}
	return true;
}

function wp_remove_presence( $room, $client_id ) {
	$count = stand_in_count_editors( $room );
	if ( ! stand_in_delete_row( $room, $client_id ) || stand_in_is_reserved( $client_id ) ) {
		return true;
	}
	do_action( 'removed_presence', $room, $client_id );
	stand_in_room_changed( $room, $count );
	return true;
}

function wp_remove_user_presence( $user_id ) {
	global $wpdb;
	$counts = array();
	foreach ( stand_in_live_rows( 'user_id = %d', $user_id ) as $row ) {
		if ( ! stand_in_is_reserved( $row->client_id ) ) {
			$counts[ $row->room ] = stand_in_count_editors( $row->room );
		}
	}
	$wpdb->query( $wpdb->prepare( "DELETE FROM {$wpdb->presence} WHERE user_id = %d AND client_id NOT LIKE %s", $user_id, '\\_%' ) ); // phpcs:ignore WordPress.DB
	foreach ( $counts as $room => $count ) {
		stand_in_room_changed( $room, $count );
	}
	do_action( 'removed_user_presence', $user_id );
	return true;
}

function wp_presence_exchange( $room, $client_id, $state, $args = array() ) {
	$args = wp_parse_args( $args );
	$done = wp_set_presence( $room, $client_id, $state, array_intersect_key( $args, array_flip( array( 'user_id', 'wp_error' ) ) ) );
	return is_wp_error( $done ) ? $done : wp_get_presence( $room, array_intersect_key( $args, array_flip( array( 'timeout', 'client_prefix' ) ) ) );
}

function wp_presence_leave( $room, $client_id, $args = array() ) {
	wp_remove_presence( $room, $client_id );
	return wp_get_presence( $room, $args );
}

function wp_presence_recording_enabled() {
	$network = apply_filters( 'wp_presence_network_recording_enabled', '0' !== get_site_option( 'wp_presence_network_recording', '1' ) );
	return $network && apply_filters( 'wp_presence_recording_enabled', '0' !== get_option( 'wp_presence_recording', '1' ) );
}

function wp_presence_is_available() {
	return get_option( 'wp_presence_db_version' ) && wp_presence_recording_enabled();
}

function wp_presence_feature_enabled( $key ) {
	return (bool) apply_filters( 'wp_presence_feature_enabled', get_option( 'wp_presence_features', array() )[ $key ] ?? true, $key );
}

function wp_presence_is_agent_user( $user_id ) {
	return (bool) apply_filters( 'wp_presence_is_agent_user', false, $user_id );
}
