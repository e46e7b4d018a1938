<?php
/**
 * The public functions, which use a table.
 *
 * @package stand-in-lists
 */

function stand_in_create_table() {
	global $wpdb;
	require_once ABSPATH . 'wp-admin/includes/upgrade.php';
	dbDelta(
		"CREATE TABLE {$wpdb->presence} (
			id bigint(20) unsigned NOT NULL auto_increment,
			room varchar(191) NOT NULL default '',
			client_id varchar(191) NOT NULL default '',
			user_id bigint(20) unsigned NOT NULL default 0,
			data longtext NOT NULL,
			date_gmt datetime NOT NULL default '0000-00-00 00:00:00',
			PRIMARY KEY  (id),
			UNIQUE KEY room_client (room,client_id),
			KEY date_gmt (date_gmt)
		) {$wpdb->get_charset_collate()};"
	);
}

function wp_get_presence( $room, $timeout = WP_PRESENCE_DEFAULT_TTL ) {
	return stand_in_read( 'room = %s', $room, $timeout );
}

function stand_in_read( $where, $value, $timeout = WP_PRESENCE_DEFAULT_TTL ) {
	global $wpdb;
	$after = gmdate( 'Y-m-d H:i:s', time() - (int) apply_filters( 'wp_presence_default_ttl', $timeout ) );
	$rows  = $wpdb->get_results( $wpdb->prepare( "SELECT room, client_id, user_id, data, date_gmt FROM {$wpdb->presence} WHERE $where AND date_gmt > %s ORDER BY date_gmt DESC", $value, $after ) );
	foreach ( $rows as $row ) {
		$row->data = (array) json_decode( $row->data, true );
	}
	return $rows;
}

function wp_set_presence( $room, $client_id, $state, $user_id = 0 ) {
	global $wpdb;
	$written = $wpdb->query(
		$wpdb->prepare(
			"INSERT INTO {$wpdb->presence} (room, client_id, user_id, data, date_gmt) VALUES (%s, %s, %d, %s, UTC_TIMESTAMP()) ON DUPLICATE KEY UPDATE user_id = VALUES(user_id), data = VALUES(data), date_gmt = VALUES(date_gmt)",
			$room,
			$client_id,
			$user_id,
			wp_json_encode( $state )
		)
	);
	if ( $written && STAND_IN_HAS_ACTIONS ) {
		do_action( 'set_presence', $room, $client_id, $state, $user_id );
		stand_in_room_changed( $room );
	}
	return false !== $written;
}

function stand_in_room_changed( $room ) {
	if ( wp_presence_admin_room() === $room ) {
		do_action( 'wp_presence_admin_room_changed' );
	}
}

function wp_remove_presence( $room, $client_id ) {
	global $wpdb;
	$deleted = $wpdb->delete( $wpdb->presence, compact( 'room', 'client_id' ) );
	if ( $deleted && STAND_IN_HAS_ACTIONS ) {
		do_action( 'removed_presence', $room, $client_id );
		stand_in_room_changed( $room );
	}
	return false !== $deleted;
}

function wp_remove_user_presence( $user_id ) {
	global $wpdb;
	$deleted = $wpdb->delete( $wpdb->presence, compact( 'user_id' ) );
	if ( $deleted && STAND_IN_HAS_ACTIONS ) {
		do_action( 'removed_user_presence', $user_id );
		stand_in_room_changed( wp_presence_admin_room() );
	}
	return false !== $deleted;
}

function wp_can_access_presence_room( $room, $user_id = 0 ) {
	$user_id = $user_id ? $user_id : get_current_user_id();
	$post    = preg_match( '#^postType/([^:]+):(\d+)$#', $room, $match ) ? (int) $match[2] : 0;
	return $user_id && ( $post ? user_can( $user_id, 'edit_post', $post ) : user_can( $user_id, 'edit_posts' ) );
}

function wp_presence_post_room( $post ) {
	$post = get_post( $post );
	return $post && post_type_supports( $post->post_type, 'presence' ) ? "postType/{$post->post_type}:{$post->ID}" : false;
}

function wp_presence_admin_room() {
	return 'admin/online';
}
