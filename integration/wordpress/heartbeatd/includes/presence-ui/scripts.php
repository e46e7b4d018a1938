<?php
/**
 * The scripts that keep presence up to date in the admin. PHP prints everything first, so a
 * page is complete without them.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * What people.js depends on in the admin.
 */
const HEARTBEATD_UI_PEOPLE_DEPENDENCIES = array( 'jquery', 'heartbeat' );

/**
 * Enqueues the scripts that the page needs.
 */
function heartbeatd_ui_enqueue_scripts() {
	$screen   = get_current_screen();
	$provides = 'heartbeatd' === heartbeatd_presence_provider();
	if ( $provides ) {
		heartbeatd_ui_register_hook_script();
	}
	if ( ! heartbeatd_ui_can_see_presence() || ! $screen ) {
		return;
	}
	$room    = heartbeatd_ui_editor_room( $screen );
	$state   = $provides ? heartbeatd_screen_state() : null;
	$scripts = array_keys(
		array_filter(
			array(
				'presence-api' => $provides,
				'ui-bar'       => $provides,
				'ui-online'    => $provides,
				'ui-posts'     => $provides && in_array( $screen->base, array( 'dashboard', 'edit' ), true ),
				'ui-editors'   => '' !== $room,
				'ui-stale'     => null !== $state,
			)
		)
	);
	if ( ! $scripts ) {
		return;
	}
	heartbeatd_ui_enqueue_script( 'people', HEARTBEATD_UI_PEOPLE_DEPENDENCIES );
	heartbeatd_ui_enqueue_script( 'render', array( 'wp-i18n', 'heartbeatd-people' ) );
	foreach ( $scripts as $name ) {
		heartbeatd_ui_enqueue_script( $name, heartbeatd_ui_dependencies( $name, $screen ) );
	}
	heartbeatd_ui_add_config(
		array(
			'me'     => heartbeatd_ui_current_user_entry( $screen->id ),
			'now'    => (int) ( 1000 * microtime( true ) ),
			'room'   => $room,
			'screen' => $state,
			'api'    => $provides ? heartbeatd_ui_api_config() : null,
		)
	);
	heartbeatd_ui_enqueue_style();
}

/**
 * Registers the script with wp.presence.usePresenceUsers() under the Presence API's handle. Scripts
 * of other plugins depend on it.
 */
function heartbeatd_ui_register_hook_script() {
	wp_register_script( 'heartbeatd-people', heartbeatd_asset_url( 'people.js' ), HEARTBEATD_UI_PEOPLE_DEPENDENCIES, heartbeatd_asset_version( 'people.js' ), true );
	wp_register_script( 'wp-presence', heartbeatd_asset_url( 'wp-presence.js' ), array( 'wp-api-fetch', 'wp-element', 'wp-hooks', 'heartbeatd-people' ), heartbeatd_asset_version( 'wp-presence.js' ), true );
}

/**
 * Adds the configuration of the scripts.
 *
 * @param array $config The configuration of this page.
 */
function heartbeatd_ui_add_config( $config ) {
	// heartbeatd knows which posts of these types the user may edit, and answers without PHP.
	$config['asksForPosts'] = (bool) heartbeatd_editable_post_types();
	// Beside a newer version of the Presence API plugin, beats have no handles of this plugin.
	$config['pings'] = ! heartbeatd_is_push_transport();
	wp_add_inline_script( 'heartbeatd-people', 'window.heartbeatdUi = ' . wp_json_encode( $config, JSON_HEX_TAG ) . ';', 'before' );
}

/**
 * Enqueues the style of users.
 */
function heartbeatd_ui_enqueue_style() {
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
		'presence-api' => array( 'jquery', 'wp-hooks' ),
		'ui-bar'       => array( 'wp-hooks' ),
		'ui-editors'   => $screen->is_block_editor() ? array( 'wp-a11y', 'wp-element', 'wp-plugins', 'wp-edit-post', 'wp-editor' ) : array( 'wp-a11y' ),
		'ui-stale'     => $screen->is_block_editor() ? array( 'wp-data', 'wp-notices' ) : array( 'common', 'wp-a11y' ),
	);
	return array_merge( array( 'heartbeatd-render' ), $dependencies[ $name ] ?? array() );
}

/**
 * Returns what the Presence API's script needs to call the REST routes.
 *
 * @return array{stale: string, nonce: string}
 */
function heartbeatd_ui_api_config() {
	return array(
		'stale' => rest_url( 'wp-presence/v1/presence/screen-revisions/stale' ),
		'nonce' => wp_create_nonce( 'wp_rest' ),
	);
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
