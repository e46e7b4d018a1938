<?php
/**
 * Stale screens: a save gives the screen that shows the saved thing a new
 * revision, and whoever has it open elsewhere hears of it. Revisions are kept
 * in one option, which is written only when something is saved.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * How many screens are remembered, those that were saved last.
 */
const HEARTBEATD_MAX_SCREEN_REVISIONS = 200;

/**
 * The last save of every screen.
 *
 * @return array<string, array{rev: int, actor: int, time: int}>
 */
function heartbeatd_screen_revisions() {
	$revisions = get_option( 'heartbeatd_screen_revisions' );
	return is_array( $revisions ) ? $revisions : array();
}

/**
 * What the admin screen that is being made shows, and how often that was saved
 * as far as is remembered.
 *
 * @return array{key: string, rev: int, hears: bool}|null Null for a screen that shows nothing which can be saved.
 */
function heartbeatd_screen_state() {
	$key = heartbeatd_current_screen_key();
	return '' === $key || ! heartbeatd_can_access_screen( $key ) ? null : array(
		'key'   => $key,
		'rev'   => heartbeatd_screen_revisions()[ $key ]['rev'] ?? 0,
		'hears' => heartbeatd_can_hear_screen( $key ),
	);
}

/**
 * Who hears of a screen's new revision at once: nobody who might not see it.
 *
 * @param string $key The screen's key.
 * @return string An address, as for heartbeatd_push().
 */
function heartbeatd_screen_address( $key ) {
	$room = preg_match( '#^post/(\d+)$#D', $key, $match ) ? heartbeatd_post_room( (int) $match[1] ) : '';
	if ( '' !== $room ) {
		return $room;
	}
	return preg_match( '#^(post|options|user-edit|term|comment)/#', $key ) ? 'can:manage_options' : 'can:edit_posts';
}

/**
 * Whether the current user hears of a screen's new revision. Otherwise their
 * page has to ask.
 *
 * @param string $key The screen's key, which they may see.
 * @return bool
 */
function heartbeatd_can_hear_screen( $key ) {
	return 'can:manage_options' !== heartbeatd_screen_address( $key ) || current_user_can( 'manage_options' );
}

/**
 * Gives a screen a new revision, and tells those who have it open.
 *
 * @param string $key   The screen's key, as 'post/42'.
 * @param int    $actor Who saved. Default the current user.
 * @return int The revision; 0 for an unusable key.
 */
function heartbeatd_bump_screen_revision( $key, $actor = 0 ) {
	if ( ! heartbeatd_is_screen_key( $key ) ) {
		return 0;
	}
	wp_cache_delete( 'heartbeatd_screen_revisions', 'options' ); // Somebody else may have saved since it was read.
	$revisions = heartbeatd_screen_revisions();
	$revision  = array(
		'rev'   => ( $revisions[ $key ]['rev'] ?? 0 ) + 1,
		'actor' => $actor ? $actor : get_current_user_id(),
		'time'  => time(),
	);
	unset( $revisions[ $key ] );
	$revisions[ $key ] = $revision;
	update_option( 'heartbeatd_screen_revisions', array_slice( $revisions, -HEARTBEATD_MAX_SCREEN_REVISIONS, null, true ), false );

	heartbeatd_push( heartbeatd_screen_address( $key ), array( 'heartbeatd' => array( 'screen_rev' => heartbeatd_screen_revision_data( $key, $revision ) ) ) );
	/**
	 * Fires when a screen has a new revision.
	 *
	 * @param string $key   The screen's key, as 'options/general', 'post/42', 'user-edit/7', 'term/category/3' or 'comment/9'.
	 * @param int    $rev   The revision.
	 * @param int    $actor Who saved.
	 */
	do_action( 'wp_presence_screen_revision_bumped', $key, $revision['rev'], $revision['actor'] ); // phpcs:ignore WordPress.NamingConventions.PrefixAllGlobals -- The Presence API's action.
	return $revision['rev'];
}

/**
 * A revision as pages hear of it.
 *
 * @param string $key      The screen's key.
 * @param array  $revision The revision.
 * @return array
 */
function heartbeatd_screen_revision_data( $key, $revision ) {
	$actor = get_userdata( $revision['actor'] );
	return array(
		'key'              => $key,
		'rev'              => $revision['rev'],
		'actor_id'         => $revision['actor'],
		'actor_name'       => $actor ? $actor->display_name : '',
		'actor_avatar_url' => $actor ? heartbeatd_avatar_url( $actor ) : '',
		'time'             => $revision['time'],
	);
}

/**
 * Answers a page that asks whether it is stale. A screen that nobody saved as
 * far as is remembered has revision 0.
 *
 * @param array $response The tick.
 * @param array $data     The beat's data.
 * @return array
 */
function heartbeatd_screen_ping_received( $response, $data ) {
	$key = $data['presence-screen-ping']['key'] ?? '';
	if ( ! heartbeatd_is_screen_key( $key ) || ! heartbeatd_can_access_screen( $key ) ) {
		return $response;
	}
	$never    = array(
		'rev'   => 0,
		'actor' => 0,
		'time'  => 0,
	);
	$revision = heartbeatd_screen_revisions()[ $key ] ?? $never;

	$response['presence-screen-rev'] = heartbeatd_screen_revision_data( $key, $revision ) + array(
		'time_ago'    => $revision['time'] ? heartbeatd_time_ago( $revision['time'] ) : '',
		'actor_is_me' => get_current_user_id() === $revision['actor'],
	);
	return $response;
}
