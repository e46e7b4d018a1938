<?php
/**
 * The scripts of a page: the drop-in, and the scripts that report presence and post locks.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * Puts the drop-in in the place of core's heartbeat.js. The handle stays: other
 * scripts depend on it, and inline scripts are attached to it.
 *
 * @param WP_Scripts $scripts The registered scripts.
 */
function heartbeatd_replace_script( $scripts ) {
	if ( ! heartbeatd_is_configured() || ! isset( $scripts->registered['heartbeat'] ) ) {
		return;
	}
	$scripts->registered['heartbeat']->src = heartbeatd_asset_url( 'heartbeat.js' );
	$scripts->registered['heartbeat']->ver = heartbeatd_asset_version( 'heartbeat.js' );
}

/**
 * Adds the address to Heartbeat's settings. Pages of the admin get a ticket with
 * the script; pages of the front end may come out of a cache and carry none: their
 * first beat fetches it.
 *
 * @param array $settings Heartbeat's settings.
 * @return array
 */
function heartbeatd_add_heartbeat_settings( $settings ) {
	if ( heartbeatd_is_configured() ) {
		$settings['heartbeatd'] = array( 'url' => heartbeatd_setting( 'url' ) );
	}
	return $settings;
}

/**
 * Takes back the scripts that depend on Heartbeat where another plugin has removed
 * it: WordPress warns about a script whose dependency is not registered.
 */
function heartbeatd_dequeue_without_heartbeat() {
	if ( wp_script_is( 'heartbeat', 'registered' ) ) {
		return;
	}
	foreach ( wp_scripts()->queue as $handle ) {
		if ( 0 === strpos( $handle, 'heartbeatd-' ) ) {
			wp_dequeue_script( $handle );
		}
	}
}

/**
 * Lets pages of the admin say who is where.
 */
function heartbeatd_enqueue_presence_script() {
	if ( ! heartbeatd_is_configured() || ! current_user_can( 'edit_posts' ) ) {
		return;
	}
	$screen = get_current_screen();
	$posts  = heartbeatd_page_post_ids();
	$config = array(
		// These screens ask PHP about locks with every beat: an early one would cost a request.
		'early' => ! in_array( $screen->base, array( 'edit', 'post' ), true ) && heartbeatd_are_beats_native( $screen->id ),
		'list'  => 'edit' === $screen->base,
	);
	if ( 'post' === $screen->base && $posts && '' !== heartbeatd_post_room( $posts[0] ) ) {
		$config['post'] = $posts[0];
		heartbeatd_enqueue_lock_script( $posts[0], $screen->is_block_editor() );
	}
	wp_enqueue_script( 'heartbeatd-presence', heartbeatd_asset_url( 'presence.js' ), array( 'jquery', 'heartbeat' ), heartbeatd_asset_version( 'presence.js' ), true );
	wp_add_inline_script( 'heartbeatd-presence', 'window.heartbeatdPresence = ' . wp_json_encode( $config ) . ';', 'before' );
}

/**
 * Lets an editor say which document holds the post lock, and release it.
 *
 * @param int  $post_id The post.
 * @param bool $block   Whether it is the block editor.
 */
function heartbeatd_enqueue_lock_script( $post_id, $block ) {
	$depends = array_merge( array( 'jquery', 'wp-hooks', 'heartbeat' ), $block ? array( 'wp-editor' ) : array() );
	$config  = array(
		'post'     => $post_id,
		'document' => heartbeatd_document_id(),
		'block'    => $block,
		'nonce'    => wp_create_nonce( 'update-post_' . $post_id ),
	);
	wp_enqueue_script( 'heartbeatd-lock', heartbeatd_asset_url( 'lock.js' ), $depends, heartbeatd_asset_version( 'lock.js' ), true );
	wp_add_inline_script( 'heartbeatd-lock', 'window.heartbeatdLock = ' . wp_json_encode( $config ) . ';', 'before' );
}

/**
 * A page of the front end beats once when it is ready: the answer, which no
 * cache keeps, brings its ticket. Only pages that enqueue Heartbeat do.
 */
function heartbeatd_add_front_end_beat() {
	if ( heartbeatd_is_configured() && is_user_logged_in() ) {
		// Only the drop-in has a use for a ticket, and only a page with a nonce gets one.
		wp_add_inline_script( 'heartbeat', 'jQuery( function() { window.heartbeatSettings && window.heartbeatSettings.nonce && window.wp && wp.heartbeat && wp.heartbeat.transport && wp.heartbeat.connectNow(); } );' );
	}
}

/**
 * The address of one of the plugin's scripts.
 *
 * @param string $name The file's name.
 * @return string
 */
function heartbeatd_asset_url( $name ) {
	return plugins_url( 'assets/' . $name, HEARTBEATD_PLUGIN_FILE );
}

/**
 * A script's version: what it is made of, so that caches never keep an old one.
 *
 * @param string $name The file's name.
 * @return string
 */
function heartbeatd_asset_version( $name ) {
	return substr( md5_file( dirname( HEARTBEATD_PLUGIN_FILE ) . '/assets/' . $name ), 0, 12 );
}
