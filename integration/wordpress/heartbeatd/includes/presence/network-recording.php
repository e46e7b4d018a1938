<?php
/**
 * Copies of the network's recording switch in the options of its sites. Without a persistent object
 * cache, reading a network option is a query; options of the site are loaded with every request.
 * Only beats use the copy.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * The option with the copy: the value by the network's id, null if the network option is missing.
 */
const HEARTBEATD_RECORDING_COPY_OPTION = 'heartbeatd_network_recording';

/**
 * The largest id of a site with a copy. A change of the network option writes all copies.
 */
const HEARTBEATD_MAX_COPY_SITE = 1000;

/**
 * Determines whether this site has a copy. If the plugin is not active on all sites of the network,
 * it is not told of all changes.
 *
 * @return bool
 */
function heartbeatd_has_recording_copy() {
	return is_multisite() && get_current_blog_id() <= HEARTBEATD_MAX_COPY_SITE
		&& isset( ( (array) get_site_option( 'active_sitewide_plugins' ) )[ plugin_basename( HEARTBEATD_PLUGIN_FILE ) ] );
}

/**
 * Puts this site's copy into the cache of network options, so that core finds the value there.
 */
function heartbeatd_prime_network_recording() {
	if ( wp_using_ext_object_cache() || ! heartbeatd_has_recording_copy() ) {
		return;
	}
	$network = get_current_network_id();
	$copy    = (array) get_option( HEARTBEATD_RECORDING_COPY_OPTION, array() );
	if ( ! array_key_exists( $network, $copy ) ) {
		return;
	}
	if ( null !== $copy[ $network ] ) {
		wp_cache_add( "$network:" . HEARTBEATD_NETWORK_RECORDING_OPTION, $copy[ $network ], 'site-options' );
		return;
	}
	$missing = wp_cache_get( "$network:notoptions", 'site-options' );
	wp_cache_set( "$network:notoptions", array( HEARTBEATD_NETWORK_RECORDING_OPTION => true ) + ( is_array( $missing ) ? $missing : array() ), 'site-options' );
}

/**
 * Corrects this site's copy with pages of the admin: the site may be new, or the network option may
 * have been changed in the database.
 */
function heartbeatd_correct_recording_copy() {
	if ( ! wp_doing_ajax() && ! wp_using_ext_object_cache() && heartbeatd_has_recording_copy() ) {
		heartbeatd_write_recording_copy();
	}
}

/**
 * Writes this site's copy, if it is not the network's value.
 */
function heartbeatd_write_recording_copy() {
	$network = get_current_network_id();
	get_network_option( $network, HEARTBEATD_NETWORK_RECORDING_OPTION ); // Loads it into core's cache.
	$missing = (array) wp_cache_get( "$network:notoptions", 'site-options' );
	$value   = wp_cache_get( "$network:" . HEARTBEATD_NETWORK_RECORDING_OPTION, 'site-options', false, $found );
	$copy    = array();
	if ( isset( $missing[ HEARTBEATD_NETWORK_RECORDING_OPTION ] ) ) {
		$copy[ $network ] = null;
	} elseif ( $found ) { // Otherwise, a filter answers instead of the option.
		$copy[ $network ] = (string) $value;
	}
	update_option( HEARTBEATD_RECORDING_COPY_OPTION, $copy, true );
}

/**
 * Writes the copies of all sites when the plugin is activated for the network. Before, nothing told
 * it of changes.
 *
 * @param bool $network_wide Whether it is activated for the network.
 */
function heartbeatd_write_recording_copies_on_activation( $network_wide ) {
	if ( $network_wide ) {
		heartbeatd_write_recording_copies();
	}
}

/**
 * Writes the copies of all sites of the network.
 */
function heartbeatd_write_recording_copies() {
	if ( ! is_multisite() ) {
		return;
	}
	$sites = get_sites(
		array(
			'fields'     => 'ids',
			'number'     => HEARTBEATD_MAX_COPY_SITE, // Those with the smallest ids.
			'orderby'    => 'id',
			'network_id' => get_current_network_id(),
		)
	);
	foreach ( $sites as $site ) {
		switch_to_blog( $site );
		heartbeatd_write_recording_copy();
		restore_current_blog();
	}
}
