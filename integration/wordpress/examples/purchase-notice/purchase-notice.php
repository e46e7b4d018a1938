<?php
/**
 * Plugin Name: Purchase notice
 * Description: Tells everyone in the shop's back office when somebody buys: at once with heartbeatd, with the next beat without it. An example for heartbeatd.
 * Requires PHP: 7.4
 * License: MIT
 */

// The answer to the handle 'purchase' is the last order. heartbeatd gets it in advance.
function purchase_notice_answer() {
	$order = (int) get_option( 'purchase_notice_order' );
	if ( function_exists( 'heartbeatd_answer' ) ) {
		heartbeatd_answer( 'can:edit_posts', 'purchase', $order, HOUR_IN_SECONDS );
	}
	return $order;
}
function purchase_notice_received( $response, $data ) {
	if ( isset( $data['purchase'] ) && current_user_can( 'edit_posts' ) ) {
		$response['purchase'] = purchase_notice_answer();
	}
	return $response;
}
add_filter( 'heartbeat_received', 'purchase_notice_received', 10, 2 );
add_filter( 'heartbeatd_known_callbacks', fn( $known ) => array_merge_recursive( $known, array( 'heartbeat_received' => array( 'purchase_notice_received' ) ) ) );
add_action( 'woocommerce_payment_complete', function ( $order_id ) {
	update_option( 'purchase_notice_order', (int) $order_id );
	purchase_notice_answer();
} );

add_action( 'admin_enqueue_scripts', function () {
	$last = (int) get_option( 'purchase_notice_order' );
	wp_add_inline_script( 'heartbeat', "jQuery( function( $ ) {
		let last = $last;
		$( document ).on( 'heartbeat-send', function( event, data ) {
			data.purchase = last;
		} ).on( 'heartbeat-tick', function( event, tick ) {
			if ( tick.purchase && tick.purchase !== last ) {
				last = tick.purchase;
				$( '<div class=\"notice notice-info\"><p></p></div>' ).insertAfter( '.wrap > h1' )
					.find( 'p' ).text( 'Someone just made a purchase (order ' + last + ').' );
			}
		} );
	} );" );
} );
