<?php
/**
 * What the admin shows of presence. Everything is printed by PHP first and kept
 * up to date by small scripts; a page without them is complete.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * Loads the scripts that this page has use for.
 */
function heartbeatd_ui_enqueue_scripts() {
	$screen = get_current_screen();
	if ( ! heartbeatd_ui_can_see_presence() || ! $screen ) {
		return;
	}
	$alone   = 'alone' === heartbeatd_presence_provider();
	$room    = heartbeatd_ui_editor_room( $screen );
	$state   = $alone ? heartbeatd_screen_state() : null;
	$scripts = array_keys(
		array_filter(
			array(
				'ui-online'  => $alone,
				'ui-posts'   => $alone && in_array( $screen->base, array( 'dashboard', 'edit' ), true ),
				'ui-editors' => '' !== $room,
				'ui-stale'   => null !== $state,
			)
		)
	);
	if ( ! $scripts ) {
		return;
	}
	heartbeatd_ui_enqueue_script( 'people', array( 'jquery', 'heartbeat' ) );
	heartbeatd_ui_enqueue_script( 'faces', array( 'wp-i18n', 'heartbeatd-people' ) );
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
 * Loads one script, with the words it says.
 *
 * @param string   $name         The file's name, without '.js'.
 * @param string[] $dependencies Handles of scripts.
 */
function heartbeatd_ui_enqueue_script( $name, $dependencies ) {
	wp_enqueue_script( "heartbeatd-$name", heartbeatd_asset_url( "$name.js" ), $dependencies, heartbeatd_asset_version( "$name.js" ), true );
	wp_set_script_translations( "heartbeatd-$name", 'heartbeatd', dirname( HEARTBEATD_PLUGIN_FILE ) . '/languages' );
}

/**
 * What a script needs beside the people and their faces.
 *
 * @param string    $name   The script.
 * @param WP_Screen $screen The page's screen.
 * @return string[]
 */
function heartbeatd_ui_dependencies( $name, $screen ) {
	$needs = array(
		'ui-editors' => $screen->is_block_editor() ? array( 'wp-a11y', 'wp-element', 'wp-plugins', 'wp-edit-post', 'wp-editor' ) : array( 'wp-a11y' ),
		'ui-stale'   => $screen->is_block_editor() ? array( 'wp-data', 'wp-notices' ) : array( 'common', 'wp-a11y' ),
	);
	return array_merge( array( 'heartbeatd-faces' ), $needs[ $name ] ?? array() );
}

/**
 * The room of the post that a page edits, or ''.
 *
 * @param WP_Screen $screen The page's screen.
 * @return string
 */
function heartbeatd_ui_editor_room( $screen ) {
	$post = 'post' === $screen->base ? get_post() : null;
	return $post && current_user_can( 'edit_post', $post->ID ) ? heartbeatd_post_room( $post ) : '';
}
