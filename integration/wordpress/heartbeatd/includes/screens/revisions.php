<?php
/**
 * Stale screens: when what a screen shows is saved, the screen gets a new revision, and
 * other users who have it open are told. One option stores the revisions. It is written only
 * on a save.
 *
 * A page may mark a screen of any name as stale. The revisions of screens that only pages have
 * named are counted for each user, and replace no others. When the revision of a screen is
 * removed, its number stays the lower bound of all screens without one: the next revision of that
 * screen is greater than any that its pages have seen.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * How many screens have a revision: those that were saved last.
 */
const HEARTBEATD_MAX_SCREEN_REVISIONS = 200;

/**
 * How many of the screens that only pages have named have a revision: those of a user, and all.
 */
const HEARTBEATD_MAX_NAMED_SCREENS_OF_USER = 10;
const HEARTBEATD_MAX_NAMED_SCREENS         = 100;

/**
 * The key with the greatest revision that was removed. It is not valid as a screen's key.
 */
const HEARTBEATD_REMOVED_REVISIONS = '';

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
 * @param bool   $named Whether only the actor's page has named the screen.
 * @return int The revision; 0 if the key is invalid.
 */
function heartbeatd_bump_screen_revision( $key, $actor = 0, $named = false ) {
	if ( ! heartbeatd_is_screen_key( $key ) ) {
		return 0;
	}
	wp_cache_delete( 'heartbeatd_screen_revisions', 'options' ); // Another request may have written it since it was read.
	$revisions = heartbeatd_screen_revisions();
	$before    = $revisions[ $key ] ?? $revisions[ HEARTBEATD_REMOVED_REVISIONS ] ?? array( 'rev' => 0 );
	$revision  = array(
		'rev'   => $before['rev'] + 1,
		'actor' => $actor ? $actor : get_current_user_id(),
		'time'  => time(),
	);
	if ( $named && ( ! isset( $revisions[ $key ] ) || isset( $before['named'] ) ) ) {
		$revision['named'] = true;
	}
	unset( $revisions[ $key ] );
	$revisions[ $key ] = $revision;
	update_option( 'heartbeatd_screen_revisions', heartbeatd_limit_screen_revisions( $revisions, $revision['actor'] ), false );

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
 * Removes the oldest revisions, if there are too many.
 *
 * @param array[] $revisions The revisions, from the oldest to the newest.
 * @param int     $actor     The user who saved.
 * @return array[]
 */
function heartbeatd_limit_screen_revisions( $revisions, $actor ) {
	$removed = $revisions[ HEARTBEATD_REMOVED_REVISIONS ]['rev'] ?? 0;
	unset( $revisions[ HEARTBEATD_REMOVED_REVISIONS ] );
	$named = wp_list_filter( $revisions, array( 'named' => true ) );
	$kept  = array_diff_key( $revisions, $named );
	if ( count( $kept ) > HEARTBEATD_MAX_SCREEN_REVISIONS - ( $removed ? 1 : 0 ) ) {
		$kept = array_slice( $kept, 1 - HEARTBEATD_MAX_SCREEN_REVISIONS, null, true );
	}
	$own   = wp_list_filter( $named, array( 'actor' => $actor ) );
	$named = array_diff_key( $named, array_slice( $own, 0, -HEARTBEATD_MAX_NAMED_SCREENS_OF_USER, true ) );
	$kept += array_slice( $named, -HEARTBEATD_MAX_NAMED_SCREENS, null, true );
	foreach ( array_diff_key( $revisions, $kept ) as $revision ) {
		$removed = max( $removed, $revision['rev'] );
	}
	$kept = array_intersect_key( $revisions, $kept ); // In their order.
	return $removed ? array( HEARTBEATD_REMOVED_REVISIONS => array( 'rev' => $removed ) ) + $kept : $kept;
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
