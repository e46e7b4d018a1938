<?php
/**
 * The recording switch: whether presence is recorded at all, on the site, on the network and
 * for a user. The options and filters are those of the Presence API.
 *
 * @package heartbeatd
 */

// phpcs:disable WordPress.NamingConventions.PrefixAllGlobals -- The Presence API's filters.

defined( 'ABSPATH' ) || exit;

/**
 * The site's option, and the network's, with '1' or '0'. A missing option counts as '1'.
 */
const HEARTBEATD_RECORDING_OPTION         = 'wp_presence_recording';
const HEARTBEATD_NETWORK_RECORDING_OPTION = 'wp_presence_network_recording';

/**
 * The key of a user's own choice in user meta, with '1' or '0'. It applies to all sites of a
 * network.
 */
const HEARTBEATD_USER_RECORDING_KEY = 'wp_presence_recording';

/**
 * Determines whether a user wants their presence to be recorded. Beside versions of the Presence
 * API plugin that have no recording switch, there is no choice.
 *
 * @param int $user_id The user; 0 for none.
 * @return bool
 */
function heartbeatd_presence_does_user_record( $user_id ) {
	return ! $user_id || ! function_exists( 'wp_presence_recording_enabled' ) || '0' !== (string) get_user_meta( $user_id, HEARTBEATD_USER_RECORDING_KEY, true );
}

/**
 * Determines whether a user's presence is recorded on this site. Entries that exist are not
 * removed when recording is turned off: they expire.
 *
 * @param int|null $user_id The user, 0 for entries without a user. Default the current one.
 * @return bool
 */
function heartbeatd_presence_is_recording( $user_id = null ) {
	$user_id = null === $user_id ? get_current_user_id() : (int) $user_id;
	return heartbeatd_presence_does_user_record( $user_id ) && heartbeatd_presence_does_site_record( $user_id );
}

/**
 * Determines whether the site and the network record presence.
 *
 * @param int $user_id The user whose presence it is, 0 for none.
 * @return bool
 */
function heartbeatd_presence_does_site_record( $user_id ) {
	/**
	 * Filters whether presence is recorded on this site. A user who has chosen not to be recorded
	 * is not, whatever it returns.
	 *
	 * @param bool $enabled Whether it is. Default the option wp_presence_recording.
	 * @param int  $user_id The user whose presence it is, 0 for none.
	 */
	$site = apply_filters( 'wp_presence_recording_enabled', '0' !== (string) get_option( HEARTBEATD_RECORDING_OPTION, '1' ), $user_id );
	if ( ! $site || ! is_multisite() ) {
		return (bool) $site;
	}
	/**
	 * Filters whether presence is recorded on the network. If it is not, no site records it.
	 *
	 * @param bool $enabled Whether it is. Default the network's option wp_presence_network_recording.
	 * @param int  $user_id The user whose presence it is, 0 for none.
	 */
	return (bool) apply_filters( 'wp_presence_network_recording_enabled', '0' !== (string) get_site_option( HEARTBEATD_NETWORK_RECORDING_OPTION, '1' ), $user_id );
}

/**
 * Applies the current user's choice to the recording switch of the Presence API plugin.
 *
 * @param bool     $enabled Whether presence is recorded.
 * @param int|null $user_id A user, if this plugin asks.
 * @return bool
 */
function heartbeatd_filter_recording( $enabled, $user_id = null ) {
	return $enabled && ( null !== $user_id || heartbeatd_presence_does_user_record( get_current_user_id() ) );
}
