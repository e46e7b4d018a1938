<?php
/**
 * Plugin Name: Purchase notice
 * Description: Shows a notice to the managers of a shop when a customer has paid. An example for heartbeatd.
 * Requires PHP: 7.4
 * License: MIT
 */

add_action( 'woocommerce_payment_complete', function ( $order_id ) {
	if ( function_exists( 'heartbeatd_push' ) ) {
		heartbeatd_push( 'can:edit_posts', array( 'purchase' => (int) $order_id ) );
	}
} );

add_action( 'admin_enqueue_scripts', function () {
	wp_add_inline_script( 'heartbeat', "wp.hooks.addAction( 'heartbeat.push', 'purchase-notice', function( push ) {
		if ( push.data && push.data.purchase ) {
			jQuery( '<div class=\"notice notice-info\"><p></p></div>' ).insertAfter( '.wrap > h1' )
				.find( 'p' ).text( 'Someone just made a purchase (order ' + push.data.purchase + ').' );
		}
	} );" );
} );
