<?php
/**
 * The REST route for tickets. Pages of the site's front end carry no ticket and have no beats,
 * so they ask for one.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * Registers the route.
 */
function heartbeatd_register_ticket_route() {
	register_rest_route(
		'heartbeatd/v1',
		'/ticket',
		array(
			'methods'             => 'GET',
			'callback'            => 'heartbeatd_rest_get_ticket',
			'permission_callback' => static function () {
				return current_user_can( 'edit_posts' );
			},
		)
	);
}

/**
 * Returns a ticket for a page of the front end. heartbeatd answers no beats with it: the page
 * has none.
 *
 * @return WP_REST_Response|WP_Error
 */
function heartbeatd_rest_get_ticket() {
	$claims = heartbeatd_ticket_claims( wp_create_nonce( 'heartbeat-nonce' ), 'front', array(), 0 );
	unset( $claims['native'], $claims['deposits'], $claims['repeat_until'], $claims['sets'], $claims['counted'] );
	$ticket = heartbeatd_sign_ticket( $claims );
	if ( '' === $ticket ) {
		return new WP_Error( 'rest_forbidden', __( 'A ticket needs a log-in session.', 'heartbeatd' ), array( 'status' => 403 ) );
	}
	$response = new WP_REST_Response(
		array(
			'ticket'     => $ticket,
			'expires_in' => $claims['exp'] - time(),
		)
	);
	$response->header( 'Cache-Control', 'no-store, private' );
	return $response;
}
