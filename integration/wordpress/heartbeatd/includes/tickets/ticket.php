<?php
/**
 * Tickets: signed claims, as long as a header may be.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * A ticket for the current user's page, or '' when there is nobody to vouch for.
 *
 * @param string $nonce     The heartbeat nonce that the page's next beat carries.
 * @param string $screen_id The page's screen.
 * @param int[]  $post_ids  The posts that the page shows or edits.
 * @param int    $editing   The post that the page edits, or 0.
 * @return string
 */
function heartbeatd_ticket( $nonce, $screen_id, $post_ids, $editing ) {
	$claims = heartbeatd_ticket_claims( $nonce, $screen_id, $post_ids, $editing );
	return $claims ? heartbeatd_sign_ticket( $claims, HEARTBEATD_MAX_JWT ) : '';
}

/**
 * Signs a ticket, leaving out the rooms that do not fit, and if need be the post types.
 *
 * @param array $claims The claims.
 * @param int   $limit  The most bytes that the ticket may have.
 * @return string '' when it does not fit.
 */
function heartbeatd_sign_ticket( $claims, $limit ) {
	$ticket = heartbeatd_sign_jwt( $claims );
	while ( strlen( $ticket ) > $limit && ( $claims['rooms'] || isset( $claims['types'] ) ) ) {
		if ( ! $claims['rooms'] ) {
			unset( $claims['types'], $claims['admin'] );
		}
		array_pop( $claims['rooms'] );
		$ticket = heartbeatd_sign_jwt( $claims );
	}
	return strlen( $ticket ) > $limit ? '' : $ticket;
}
