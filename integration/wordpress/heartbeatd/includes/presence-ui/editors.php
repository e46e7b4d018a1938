<?php
/**
 * The other users in a post, in the editors. Scripts alone do this for the block editor.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * Prints the other users in the publish box of the classic editor.
 *
 * @param WP_Post $post The post.
 */
function heartbeatd_ui_print_classic_editor( $post ) {
	$room = heartbeatd_ui_can_see_presence() && current_user_can( 'edit_post', $post->ID ) ? heartbeatd_post_room( $post ) : '';
	if ( '' === $room ) {
		return;
	}
	$page  = heartbeatd_ui_list_room( $room );
	$items = '';
	foreach ( heartbeatd_ui_merge_by_user( $page ? $page['entries'] : array() ) as $person ) {
		if ( get_current_user_id() !== $person['id'] ) {
			$person['screen'] = '';

			$items .= '<li class="heartbeatd-person">' . heartbeatd_ui_person( $person ) . '</li>';
		}
	}
	// phpcs:ignore WordPress.Security.EscapeOutput.OutputNotEscaped -- Each part is escaped.
	echo '<div class="misc-pub-section heartbeatd-here" id="heartbeatd-here"' . ( '' === $items ? ' hidden' : '' ) . '>' . esc_html__( 'Also in this post:', 'heartbeatd' ) . '<ul class="heartbeatd-people">' . $items . '</ul></div>';
}
