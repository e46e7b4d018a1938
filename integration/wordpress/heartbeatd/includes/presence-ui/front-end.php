<?php
/**
 * Presence on the site's front end, for users who may see it and have the admin bar. Visitors'
 * pages get nothing. What a page gets has no data of other users and no ticket, because a page
 * may come from a cache: scripts add both.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * Adds the hooks of a page.
 */
function heartbeatd_front_add_hooks() {
	add_action( 'wp_enqueue_scripts', 'heartbeatd_ui_enqueue_style' );
	add_action( 'admin_bar_menu', 'heartbeatd_front_add_to_admin_bar', 20 );
	// Before the footer's scripts are printed. It is known then whether the page has Heartbeat.
	add_action( 'wp_footer', 'heartbeatd_front_enqueue_scripts', 19 );
}

/**
 * Adds the users online to the admin bar, hidden and without users until the scripts know them.
 *
 * @param WP_Admin_Bar $bar The admin bar.
 */
function heartbeatd_front_add_to_admin_bar( $bar ) {
	heartbeatd_ui_add_admin_bar_node( $bar, '', 'heartbeatd-waiting' );
	heartbeatd_ui_add_admin_bar_items( $bar, array( 'heartbeatd-online-none' => '<span class="heartbeatd-empty"></span>' ) );
}

/**
 * Enqueues the scripts. They use the page's Heartbeat if there is one. Otherwise they have a
 * link of their own, and post nothing.
 */
function heartbeatd_front_enqueue_scripts() {
	$config = array( 'title' => heartbeatd_page_title() );
	if ( wp_script_is( 'heartbeat', 'enqueued' ) && wp_script_is( 'heartbeat', 'registered' ) ) {
		$client = array( 'jquery', 'heartbeat' );
	} else {
		$client   = array( 'heartbeatd-link' );
		$settings = wp_json_encode( apply_filters( 'heartbeat_settings', array() )['heartbeatd'] ?? array(), JSON_HEX_TAG ); // phpcs:ignore WordPress.NamingConventions.PrefixAllGlobals -- Core's filter.
		$config  += array(
			'ticket_url' => rest_url( 'heartbeatd/v1/ticket' ),
			'nonce'      => wp_create_nonce( 'wp_rest' ),
			'session'    => heartbeatd_front_session(),
		);
		wp_enqueue_script( 'heartbeatd-link', heartbeatd_asset_url( 'heartbeat-link.js' ), array( 'wp-hooks' ), heartbeatd_asset_version( 'heartbeat-link.js' ), true );
		wp_add_inline_script( 'heartbeatd-link', "window.heartbeatdLinkSettings = $settings;", 'before' );
	}
	heartbeatd_ui_enqueue_script( 'people', $client );
	heartbeatd_ui_enqueue_script( 'render', array( 'wp-i18n', 'heartbeatd-people' ) );
	heartbeatd_ui_enqueue_script( 'ui-bar', array( 'wp-hooks', 'heartbeatd-render' ) );
	heartbeatd_ui_enqueue_script( 'front', array( 'heartbeatd-ui-bar' ) );
	heartbeatd_ui_add_config( array() );
	wp_add_inline_script( 'heartbeatd-front', 'window.heartbeatdFront = ' . wp_json_encode( $config, JSON_HEX_TAG ) . ';', 'before' );
}

/**
 * Returns an id of the current session on this site. A page uses a stored ticket only if it is
 * of the same session.
 *
 * @return string
 */
function heartbeatd_front_session() {
	return substr( wp_hash( 'heartbeatd ' . home_url() . ' ' . get_current_user_id() . ' ' . wp_get_session_token() ), 0, 16 );
}
