<?php
/**
 * Lets a test choose by cookie which client the admin runs: `client=ours` for
 * the drop-in, with a link whose tickets allow every handle, and
 * `editor=classic` for the classic editor without its visual mode.
 */

function consumers_ticket(): string {
	$claims = array(
		'sub'         => (string) get_current_user_id(),
		'iat'         => time(),
		'exp'         => time() + 3600,
		'fresh_until' => time() + 3600,
		'nonce'       => hash( 'sha256', wp_create_nonce( 'heartbeat-nonce' ) ),
		'native'      => array( 'wp-check-locked-posts', 'wp-refresh-post-lock', 'wp_autosave', 'wp-refresh-post-nonces', 'wp-refresh-metabox-loader-nonces' ),
		'rooms'       => array(),
	);
	return 'h.' . rtrim( strtr( base64_encode( wp_json_encode( $claims ) ), '+/', '-_' ), '=' ) . '.' . wp_generate_password( 8, false );
}

if ( 'ours' === ( $_COOKIE['client'] ?? '' ) ) {
	add_action( 'wp_default_scripts', fn( $scripts ) => $scripts->registered['heartbeat']->src = CONSUMERS_FAKE . '/client/dist/heartbeat.js', 20 );
	add_filter( 'heartbeat_settings', fn( $settings ) => array( 'heartbeatd' => array( 'url' => CONSUMERS_FAKE . '/heartbeat', 'ticket' => consumers_ticket(), 'transports' => array( 'websocket' ) ) ) + $settings );
	add_action( 'wp_ajax_heartbeat', fn() => header( 'X-Heartbeatd-Ticket: ' . consumers_ticket() ), 0 );
}

if ( 'classic' === ( $_COOKIE['editor'] ?? '' ) ) {
	add_filter( 'use_block_editor_for_post', '__return_false' );
	add_filter( 'user_can_richedit', '__return_false' );
}
