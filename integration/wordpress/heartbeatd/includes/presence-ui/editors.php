<?php
/**
 * Editors: whoever else is in this post. The block editor's part is all script.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * Prints, in the classic editor's publish box, who else is in this post.
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
	// phpcs:ignore WordPress.Security.EscapeOutput.OutputNotEscaped -- Each part is, where it is made.
	echo '<div class="misc-pub-section heartbeatd-here" id="heartbeatd-here"' . ( '' === $items ? ' hidden' : '' ) . '>' . esc_html__( 'Also in this post:', 'heartbeatd' ) . '<ul class="heartbeatd-people">' . $items . '</ul></div>';
}
