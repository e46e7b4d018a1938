<?php
/**
 * Which sites of a network have callbacks that read a network option or transient: when it
 * changes, these callbacks are no longer silent there.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * The largest number of names and sites that are stored.
 */
const HEARTBEATD_MAX_NETWORK_READS = 2000;

/**
 * Stores which network options the callbacks of a beat of this site read. A callback for which
 * there is no room counts as one that has effects.
 *
 * @param array[] $results What the observed callbacks have done.
 * @return array[]
 */
function heartbeatd_index_network_reads( $results ) {
	$reads = array();
	foreach ( $results as $key => $result ) {
		$reads[ $key ] = preg_grep( '/^network:/', $result['reads'] );
	}
	if ( ! array_filter( $reads ) ) {
		return $results; // Without an object cache, reading the index is a query.
	}
	$before = (array) get_site_option( 'heartbeatd_network_reads', array() );
	$index  = $before;
	$site   = get_current_blog_id();
	foreach ( $reads as $key => $names ) {
		foreach ( $names as $name ) {
			if ( isset( $index[ $name ][ $site ] ) ) {
				continue;
			}
			if ( count( $index, COUNT_RECURSIVE ) < HEARTBEATD_MAX_NETWORK_READS ) {
				$index[ $name ][ $site ] = 1;
			} else {
				$results[ $key ]['effects'][] = 'reads';
			}
		}
	}
	if ( $index !== $before ) {
		update_site_option( 'heartbeatd_network_reads', $index );
	}
	return $results;
}

/**
 * Removes this site from the index, when its observations are removed because other code runs.
 */
function heartbeatd_forget_network_reads() {
	if ( ! is_multisite() ) {
		return;
	}
	$before = (array) get_site_option( 'heartbeatd_network_reads', array() );
	$index  = array();
	foreach ( $before as $name => $sites ) {
		unset( $sites[ get_current_blog_id() ] );
		$index[ $name ] = $sites;
	}
	$index = array_filter( $index );
	if ( $index !== $before ) {
		update_site_option( 'heartbeatd_network_reads', $index );
	}
}

/**
 * Handles a change of a network option. On a site without a network it is an option.
 *
 * @param string $name The option.
 */
function heartbeatd_on_network_option_change( $name ) {
	if ( ! is_multisite() ) {
		heartbeatd_forget_readers( $name );
		return;
	}
	if ( HEARTBEATD_NETWORK_RECORDING_OPTION === $name ) {
		heartbeatd_write_recording_copies();
	}
	$index = (array) get_site_option( 'heartbeatd_network_reads', array() );
	$sites = $index[ "network:$name" ] ?? array();
	if ( ! $sites ) {
		return;
	}
	unset( $index[ "network:$name" ] );
	update_site_option( 'heartbeatd_network_reads', $index );
	foreach ( array_filter( array_keys( $sites ), 'get_site' ) as $site ) {
		switch_to_blog( $site );
		heartbeatd_forget_readers( "network:$name" );
		restore_current_blog();
	}
}

/**
 * Handles a change of a network transient.
 *
 * @param string $name The transient.
 */
function heartbeatd_on_network_transient_change( $name ) {
	heartbeatd_on_network_option_change( "_transient_$name" );
}
