<?php
/**
 * The scripts that keep presence up to date in the admin. PHP prints everything first, so a
 * page is complete without them.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * Enqueues the scripts that the page needs.
 */
function heartbeatd_ui_enqueue_scripts() {
	$screen = get_current_screen();
	if ( ! heartbeatd_ui_can_see_presence() || ! $screen ) {
		return;
	}
	$provides = 'heartbeatd' === heartbeatd_presence_provider();
	$room     = heartbeatd_ui_editor_room( $screen );
	$state    = $provides ? heartbeatd_screen_state() : null;
	$scripts  = array_keys(
		array_filter(
			array(
				'ui-online'  => $provides,
				'ui-posts'   => $provides && in_array( $screen->base, array( 'dashboard', 'edit' ), true ),
				'ui-editors' => '' !== $room,
				'ui-stale'   => null !== $state,
			)
		)
	);
	if ( ! $scripts ) {
		return;
	}
	heartbeatd_ui_enqueue_script( 'people', array( 'jquery', 'heartbeat' ) );
	heartbeatd_ui_enqueue_script( 'render', array( 'wp-i18n', 'heartbeatd-people' ) );
	foreach ( $scripts as $name ) {
		heartbeatd_ui_enqueue_script( $name, heartbeatd_ui_dependencies( $name, $screen ) );
	}
	$config = array(
		'me'     => heartbeatd_ui_current_user_entry( $screen->id ),
		'now'    => (int) ( 1000 * microtime( true ) ),
		'room'   => $room,
		'screen' => $state,
	);
	wp_add_inline_script( 'heartbeatd-people', 'window.heartbeatdUi = ' . wp_json_encode( $config, JSON_HEX_TAG ) . ';', 'before' );
	wp_enqueue_style( 'heartbeatd-people', heartbeatd_asset_url( 'people.css' ), array(), heartbeatd_asset_version( 'people.css' ) );
}

/**
 * Enqueues one script with its translations.
 *
 * @param string   $name         The file's name, without '.js'.
 * @param string[] $dependencies The handles of other scripts.
 */
function heartbeatd_ui_enqueue_script( $name, $dependencies ) {
	wp_enqueue_script( "heartbeatd-$name", heartbeatd_asset_url( "$name.js" ), $dependencies, heartbeatd_asset_version( "$name.js" ), true );
	wp_set_script_translations( "heartbeatd-$name", 'heartbeatd', dirname( HEARTBEATD_PLUGIN_FILE ) . '/languages' );
}

/**
 * Returns what a script depends on, besides the scripts that every page loads.
 *
 * @param string    $name   The script.
 * @param WP_Screen $screen The page's screen.
 * @return string[]
 */
function heartbeatd_ui_dependencies( $name, $screen ) {
	$dependencies = array(
		'ui-editors' => $screen->is_block_editor() ? array( 'wp-a11y', 'wp-element', 'wp-plugins', 'wp-edit-post', 'wp-editor' ) : array( 'wp-a11y' ),
		'ui-stale'   => $screen->is_block_editor() ? array( 'wp-data', 'wp-notices' ) : array( 'common', 'wp-a11y' ),
	);
	return array_merge( array( 'heartbeatd-render' ), $dependencies[ $name ] ?? array() );
}

/**
 * Returns the room of the post that the page edits.
 *
 * @param WP_Screen $screen The page's screen.
 * @return string Empty if the page edits no post, or the post has no room.
 */
function heartbeatd_ui_editor_room( $screen ) {
	$post = 'post' === $screen->base ? get_post() : null;
	return $post && current_user_can( 'edit_post', $post->ID ) ? heartbeatd_post_room( $post ) : '';
}
