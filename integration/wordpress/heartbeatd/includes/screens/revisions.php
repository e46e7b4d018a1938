<?php
/**
 * Stale screens: when what a screen shows is saved, the screen gets a new revision, and
 * other users who have it open are told. One option stores the revisions. It is written only
 * on a save.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * How many screens have a revision: those that were saved last.
 */
const HEARTBEATD_MAX_SCREEN_REVISIONS = 200;

/**
 * Returns the last revision of every screen.
 *
 * @return array<string, array{rev: int, actor: int, time: int}>
 */
function heartbeatd_screen_revisions() {
	$revisions = get_option( 'heartbeatd_screen_revisions' );
	return is_array( $revisions ) ? $revisions : array();
}

/**
 * Returns the key and revision of the current admin screen.
 *
 * @return array{key: string, rev: int, hears: bool}|null Null if the screen shows nothing that can be saved.
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
 * Returns the address to which a screen's new revision is pushed. Only users who may see the
 * screen are reached.
 *
 * @param string $key The screen's key.
 * @return string The address, as for heartbeatd_push().
 */
function heartbeatd_screen_address( $key ) {
	$room = preg_match( '#^post/(\d+)$#D', $key, $match ) ? heartbeatd_post_room( (int) $match[1] ) : '';
	if ( '' !== $room ) {
		return $room;
	}
	return preg_match( '#^(post|options|user-edit|term|comment)/#', $key ) ? 'can:manage_options' : 'can:edit_posts';
}

/**
 * Determines whether the current user gets the pushes about a screen. If not, their page
 * asks with its beats.
 *
 * @param string $key The key of a screen that the user may see.
 * @return bool
 */
function heartbeatd_can_hear_screen( $key ) {
	return 'can:manage_options' !== heartbeatd_screen_address( $key ) || current_user_can( 'manage_options' );
}

/**
 * Gives a screen a new revision, and pushes it to users who have the screen open.
 *
 * @param string $key   The screen's key, as 'post/42'.
 * @param int    $actor The user who saved. Default the current user.
 * @return int The revision; 0 if the key is invalid.
 */
function heartbeatd_bump_screen_revision( $key, $actor = 0 ) {
	if ( ! heartbeatd_is_screen_key( $key ) ) {
		return 0;
	}
	wp_cache_delete( 'heartbeatd_screen_revisions', 'options' ); // Another request may have written it since it was read.
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
	 * @param int    $actor The user who saved.
	 */
	do_action( 'wp_presence_screen_revision_bumped', $key, $revision['rev'], $revision['actor'] ); // phpcs:ignore WordPress.NamingConventions.PrefixAllGlobals -- The Presence API's action.
	return $revision['rev'];
}

/**
 * Returns a revision in the form that pages receive.
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
 * Answers a page that asks for the revision of its screen. The revision is 0 if no save is
 * known.
 *
 * @param array $response The tick.
 * @return array
 */
function heartbeatd_answer_screen_ping( $response ) {
	$key = heartbeatd_taken_handles()['presence-screen-ping']['key'] ?? '';
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
