<?php
/**
 * The scripts of a page: the drop-in, and the scripts that report presence and the
 * document that holds a post lock.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * Replaces core's heartbeat.js with the drop-in. The handle stays the same: other scripts
 * depend on it, and inline scripts are attached to it.
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
 * Adds heartbeatd's address to Heartbeat's settings. Admin pages get more with the
 * script's tag. Pages of the front end may come from a cache, so they carry no ticket:
 * their first beat fetches one.
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
 * Dequeues the plugin's scripts that depend on Heartbeat if another plugin has removed
 * it. WordPress warns about scripts whose dependency is not registered.
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
 * Enqueues the script that reports where the user is, on admin pages.
 */
function heartbeatd_enqueue_presence_script() {
	if ( ! heartbeatd_is_configured() || ! current_user_can( 'edit_posts' ) ) {
		return;
	}
	$screen   = get_current_screen();
	$post_ids = heartbeatd_page_post_ids();
	$post_id  = 'post' === $screen->base && $post_ids ? $post_ids[0] : 0;
	$room     = $post_id ? heartbeatd_post_room( $post_id ) : '';
	if ( '' !== $room ) {
		heartbeatd_enqueue_lock_script( $post_id, $screen->is_block_editor() );
	}
	if ( heartbeatd_is_push_transport() ) {
		heartbeatd_add_push_transport( $room );
		return;
	}
	$config = array(
		// Beats of lists and editors ask PHP about locks: an early beat would cost a request.
		'early'  => ! in_array( $screen->base, array( 'edit', 'post' ), true ),
		'list'   => 'edit' === $screen->base,
		// The widgets of another plugin show what ticks have.
		'beside' => 'other' === heartbeatd_presence_provider(),
	);
	if ( '' !== $room ) {
		$config['post'] = $post_id;
	}
	wp_enqueue_script( 'heartbeatd-presence', heartbeatd_asset_url( 'presence.js' ), array( 'jquery', 'heartbeat' ), heartbeatd_asset_version( 'presence.js' ), true );
	wp_add_inline_script( 'heartbeatd-presence', 'window.heartbeatdPresence = ' . wp_json_encode( $config ) . ';', 'before' );
}

/**
 * Adds the script that makes heartbeatd the push transport of the Presence API plugin to pages
 * that use Heartbeat. It runs before Heartbeat, whose link may be open before other scripts run.
 *
 * @param string $room The room of the post that the page edits, or an empty string.
 */
function heartbeatd_add_push_transport( $room ) {
	$heartbeat = wp_scripts()->query( 'heartbeat' );
	if ( ! $heartbeat ) {
		return;
	}
	wp_register_script( 'heartbeatd-presence-transport', heartbeatd_asset_url( 'presence-transport.js' ), array( 'jquery', 'wp-hooks' ), heartbeatd_asset_version( 'presence-transport.js' ), true );
	wp_add_inline_script( 'heartbeatd-presence-transport', 'window.heartbeatdPresence = ' . wp_json_encode( array( 'room' => $room ) ) . ';', 'before' );
	$heartbeat->deps[] = 'heartbeatd-presence-transport';
}

/**
 * The same on pages of the front end.
 */
function heartbeatd_add_front_end_push_transport() {
	if ( heartbeatd_is_configured() && current_user_can( 'edit_posts' ) && heartbeatd_is_push_transport() ) {
		heartbeatd_add_push_transport( '' );
	}
}

/**
 * Enqueues the script that reports which document holds the post lock, and releases it.
 *
 * @param int  $post_id         The post.
 * @param bool $is_block_editor Whether the page is the block editor.
 */
function heartbeatd_enqueue_lock_script( $post_id, $is_block_editor ) {
	$dependencies = array_merge( array( 'jquery', 'wp-hooks', 'heartbeat' ), $is_block_editor ? array( 'wp-editor' ) : array() );
	$config       = array(
		'post'     => $post_id,
		'document' => heartbeatd_document_id(),
		'block'    => $is_block_editor,
		'nonce'    => wp_create_nonce( 'update-post_' . $post_id ),
	);
	wp_enqueue_script( 'heartbeatd-lock', heartbeatd_asset_url( 'lock.js' ), $dependencies, heartbeatd_asset_version( 'lock.js' ), true );
	wp_add_inline_script( 'heartbeatd-lock', 'window.heartbeatdLock = ' . wp_json_encode( $config ) . ';', 'before' );
}

/**
 * Makes a page of the front end beat once when it is ready, if it enqueues Heartbeat. The
 * answer, which no cache stores, brings the page's ticket.
 */
function heartbeatd_add_front_end_beat() {
	if ( heartbeatd_is_configured() && is_user_logged_in() ) {
		// Only the drop-in uses a ticket, and only a page with a nonce gets one.
		wp_add_inline_script( 'heartbeat', 'jQuery( function() { window.heartbeatSettings && window.heartbeatSettings.nonce && window.wp && wp.heartbeat && wp.heartbeat.transport && wp.heartbeat.connectNow(); } );' );
	}
}

/**
 * Returns the URL of a file in assets/.
 *
 * @param string $name The file's name.
 * @return string
 */
function heartbeatd_asset_url( $name ) {
	return plugins_url( 'assets/' . $name, HEARTBEATD_PLUGIN_FILE );
}

/**
 * Returns the version of a file in assets/. It is a hash of the content, so that caches
 * never serve an old one.
 *
 * @param string $name The file's name.
 * @return string
 */
function heartbeatd_asset_version( $name ) {
	return substr( md5_file( dirname( HEARTBEATD_PLUGIN_FILE ) . '/assets/' . $name ), 0, 12 );
}
