<?php
/**
 * What a ticket says about single posts: which of the posts that are being edited the user
 * may edit. It names posts only where the post types do not decide, because of the user's
 * role or because a plugin filters capabilities.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * The largest number of posts that a ticket names.
 */
const HEARTBEATD_MAX_DECIDED_POSTS = 50;

/**
 * Returns the claims about the posts that this request has listed as being edited. If the
 * ticket does not name all of them, heartbeatd does not show the user the others.
 *
 * @param string[] $types The post types of which the user may edit every post.
 * @return array{editable?: int[], not_editable?: int[], posts_cut?: bool}
 */
function heartbeatd_post_claims( $types ) {
	$decided = heartbeatd_decided_posts();
	$posts   = array();
	foreach ( $decided['posts'] as $post_id => $may ) {
		if ( ! in_array( get_post_type( $post_id ), $types, true ) ) {
			$posts[ $post_id ] = $may;
		}
	}
	$named  = array_slice( $posts, 0, HEARTBEATD_MAX_DECIDED_POSTS, true );
	$claims = array(
		'editable'     => array_keys( $named, true, true ),
		'not_editable' => array_keys( $named, false, true ),
		'posts_cut'    => $named && ( ! $decided['complete'] || count( $posts ) > count( $named ) ),
	);
	return array_filter( $claims );
}

/**
 * Removes a post from the claims. Without posts in the claims, PHP answers which posts are
 * being edited.
 *
 * @param array $claims The ticket's claims.
 * @return array The claims.
 */
function heartbeatd_cut_post_claims( $claims ) {
	// heartbeatd does not show removed posts: those that the user may not edit are removed first.
	$list = isset( $claims['not_editable'] ) ? 'not_editable' : 'editable';
	array_pop( $claims[ $list ] );
	$claims['posts_cut'] = true;
	if ( ! $claims[ $list ] ) {
		unset( $claims[ $list ] );
	}
	if ( ! isset( $claims['editable'] ) && ! isset( $claims['not_editable'] ) ) {
		unset( $claims['posts_cut'] );
	}
	return $claims;
}
