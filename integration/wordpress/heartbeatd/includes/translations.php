<?php
/**
 * The plugin's translations.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * Loads the plugin's translations in the site's language, if there are any.
 */
function heartbeatd_load_translations() {
	load_plugin_textdomain( 'heartbeatd', false, dirname( plugin_basename( HEARTBEATD_PLUGIN_FILE ) ) . '/languages' );
}
