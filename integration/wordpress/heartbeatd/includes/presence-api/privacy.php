<?php
/**
 * The exporter and the eraser of personal data for presence entries.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * Adds the exporter.
 *
 * @param array $exporters The exporters.
 * @return array
 */
function heartbeatd_add_privacy_exporter( $exporters ) {
	$exporters['presence-api'] = array(
		'exporter_friendly_name' => __( 'Presence', 'heartbeatd' ),
		'callback'               => 'heartbeatd_export_presence',
	);
	return $exporters;
}

/**
 * Adds the eraser.
 *
 * @param array $erasers The erasers.
 * @return array
 */
function heartbeatd_add_privacy_eraser( $erasers ) {
	$erasers['presence-api'] = array(
		'eraser_friendly_name' => __( 'Presence', 'heartbeatd' ),
		'callback'             => 'heartbeatd_erase_presence',
	);
	return $erasers;
}

/**
 * Exports the entries of the user with an email address.
 *
 * @param string $email The address.
 * @return array{data: array[], done: bool}
 */
function heartbeatd_export_presence( $email ) {
	$user  = get_user_by( 'email', $email );
	$items = array();
	foreach ( $user ? (array) heartbeatd_presence_list_all( array( 'user_id' => $user->ID ) ) : array() as $entry ) {
		$fields = array(
			__( 'Room', 'heartbeatd' )            => $entry['room'],
			__( 'Client id', 'heartbeatd' )       => $entry['client_id'],
			__( 'Last seen (UTC)', 'heartbeatd' ) => $entry['date_gmt'],
			__( 'Data', 'heartbeatd' )            => (string) heartbeatd_json_encode( (object) $entry['data'] ),
		);
		$data   = array();
		foreach ( $fields as $name => $value ) {
			$data[] = array(
				'name'  => $name,
				'value' => esc_html( $value ), // Core prints values as HTML.
			);
		}
		$items[] = array(
			'group_id'          => 'presence-api',
			'group_label'       => __( 'Presence', 'heartbeatd' ),
			'group_description' => __( 'Where the user is at the moment. Entries are not stored in the database, and disappear when the page is closed, or after at most an hour.', 'heartbeatd' ),
			'item_id'           => 'presence-' . md5( $entry['room'] . "\n" . $entry['client_id'] ),
			'data'              => $data,
		);
	}
	return array(
		'data' => $items,
		'done' => true,
	);
}

/**
 * Removes the entries of the user with an email address.
 *
 * @param string $email The address.
 * @return array{items_removed: bool, items_retained: bool, messages: string[], done: bool}
 */
function heartbeatd_erase_presence( $email ) {
	$user    = get_user_by( 'email', $email );
	$removed = $user ? heartbeatd_presence_delete( array( 'user_id' => $user->ID ) ) : 0;
	if ( $user && ! is_wp_error( $removed ) && $removed ) {
		heartbeatd_presence_fire_user_removed( $user->ID );
	}
	return array(
		'items_removed'  => ! is_wp_error( $removed ) && $removed > 0,
		'items_retained' => is_wp_error( $removed ),
		'messages'       => is_wp_error( $removed ) ? array( __( 'heartbeatd does not answer. Presence entries expire by themselves, after at most an hour.', 'heartbeatd' ) ) : array(),
		'done'           => true,
	);
}
