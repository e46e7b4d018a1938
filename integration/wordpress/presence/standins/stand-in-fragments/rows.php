<?php
/**
 * The table. A row is present until its own expiry; client ids that begin with an underscore
 * are reserved.
 *
 * @package stand-in-fragments
 */

function stand_in_create_table() {
	global $wpdb;
	require_once ABSPATH . 'wp-admin/includes/upgrade.php';
	$hash = STAND_IN_HAS_TRANSPORT_HOOKS ? "session_hash varchar(16) NOT NULL default ''," : '';
	dbDelta(
		"CREATE TABLE {$wpdb->presence} (
			id bigint(20) unsigned NOT NULL auto_increment,
			room varchar(191) NOT NULL default '',
			client_id varchar(191) NOT NULL default '',
			user_id bigint(20) unsigned NOT NULL default 0,
			$hash
			data longtext NOT NULL,
			date_gmt datetime NOT NULL default '0000-00-00 00:00:00',
			expires_gmt datetime NOT NULL default '0000-00-00 00:00:00',
			PRIMARY KEY  (id),
			UNIQUE KEY room_client (room,client_id),
			KEY expires_gmt (expires_gmt)
		) {$wpdb->get_charset_collate()};"
	);
	update_option( 'wp_presence_db_version', 3 );
}

function stand_in_date( $time ) {
	return gmdate( 'Y-m-d H:i:s', $time );
}

function stand_in_time( $date ) {
	return (int) strtotime( "$date UTC" );
}

function stand_in_is_reserved( $client_id ) {
	return 0 === strpos( (string) $client_id, '_' );
}

/**
 * Returns the live rows that match a condition, newest first. Their data is JSON.
 */
function stand_in_live_rows( $where, ...$values ) {
	global $wpdb;
	// phpcs:ignore WordPress.DB
	return $wpdb->get_results( $wpdb->prepare( "SELECT * FROM {$wpdb->presence} WHERE $where AND expires_gmt > %s ORDER BY date_gmt DESC, id DESC", array_merge( $values, array( stand_in_date( time() ) ) ) ) );
}

function stand_in_live_row( $room, $client_id ) {
	return stand_in_live_rows( 'room = %s AND client_id = %s', $room, $client_id )[0] ?? null;
}

/**
 * Writes a row without regard to what is there.
 */
function stand_in_put_row( $room, $client_id, $user_id, $json, $date, $expires, $hash = '' ) {
	global $wpdb;
	$row = array(
		'room'        => $room,
		'client_id'   => $client_id,
		'user_id'     => $user_id,
		'data'        => $json,
		'date_gmt'    => stand_in_date( $date ),
		'expires_gmt' => stand_in_date( $expires ),
	);
	if ( STAND_IN_HAS_TRANSPORT_HOOKS ) {
		$row['session_hash'] = $hash;
	}
	$columns = implode( ', ', array_keys( $row ) );
	$update  = implode( ', ', array_map( static fn ( $name ) => "$name = VALUES($name)", array_keys( $row ) ) );
	$values  = implode( ', ', array_fill( 0, count( $row ), '%s' ) );
	// phpcs:ignore WordPress.DB
	return false !== $wpdb->query( $wpdb->prepare( "INSERT INTO {$wpdb->presence} ($columns) VALUES ($values) ON DUPLICATE KEY UPDATE $update", array_values( $row ) ) );
}

function stand_in_delete_row( $room, $client_id ) {
	global $wpdb;
	return $wpdb->delete( $wpdb->presence, compact( 'room', 'client_id' ) );
}

/**
 * Returns a row as the public functions do.
 */
function stand_in_entry( $row ) {
	$entry = array(
		'room'      => $row->room,
		'client_id' => $row->client_id,
		'user_id'   => $row->user_id,
	);
	if ( STAND_IN_HAS_TRANSPORT_HOOKS ) {
		$entry['session_hash'] = $row->session_hash;
	}
	$data = json_decode( $row->data, true );
	return (object) ( $entry + array(
		'data'     => is_array( $data ) ? $data : array(),
		'date_gmt' => $row->date_gmt,
	) );
}
