<?php
/**
 * Entries in answers of the REST API.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * Makes the items of the REST type 'presence': with the fields that plugins add with
 * register_rest_field(), and without those that the request does not ask for in _fields.
 */
class Heartbeatd_Presence_Items extends WP_REST_Controller {

	/**
	 * Returns the schema of an item.
	 *
	 * @return array
	 */
	public function get_item_schema() {
		$text = array(
			'type'    => 'string',
			'context' => array( 'view', 'edit', 'embed' ),
		);
		return $this->add_additional_fields_schema(
			array(
				'$schema'    => 'http://json-schema.org/draft-04/schema#',
				'title'      => 'presence',
				'type'       => 'object',
				'properties' => array(
					'room'         => $text,
					'client_id'    => $text,
					'user_id'      => array( 'type' => 'integer' ) + $text,
					'display_name' => $text,
					'avatar_url'   => $text,
					'data'         => array( 'type' => 'object' ) + $text,
					'date_gmt'     => $text,
				),
			)
		);
	}

	/**
	 * Returns an item.
	 *
	 * @param array           $entry   The entry.
	 * @param WP_REST_Request $request The request.
	 * @return array
	 */
	public function prepare_item( $entry, $request ) {
		$entry['data'] = (object) $entry['data'];

		$fields  = $this->get_fields_for_response( $request );
		$is_sent = static function ( $name ) use ( $fields ) {
			return rest_is_field_included( $name, $fields ); // Also for data.screen.
		};
		$item    = array_filter( array_intersect_key( $entry, $this->get_item_schema()['properties'] ), $is_sent, ARRAY_FILTER_USE_KEY );
		return $this->add_additional_fields_to_object( $item, $request );
	}

	/**
	 * Updates the fields that plugins have added, with the values in the request.
	 *
	 * @param array           $entry   The entry.
	 * @param WP_REST_Request $request The request.
	 * @return true|WP_Error
	 */
	public function update_added_fields( $entry, $request ) {
		return $this->update_additional_fields_for_object( $entry, $request );
	}
}
