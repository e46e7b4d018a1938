<?php
/**
 * The posts list: a column with the users who edit each post.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * Adds the column to lists of posts whose type supports presence.
 *
 * @param array<string, string> $columns   The columns.
 * @param string                $post_type The post type.
 * @return array<string, string>
 */
function heartbeatd_ui_add_posts_column( $columns, $post_type ) {
	if ( heartbeatd_ui_can_see_presence() && post_type_supports( $post_type, 'presence' ) ) {
		$columns['heartbeatd_editors'] = __( 'Editors', 'heartbeatd' );
	}
	return $columns;
}

/**
 * Adds the column to the list of pages.
 *
 * @param array<string, string> $columns The columns.
 * @return array<string, string>
 */
function heartbeatd_ui_add_pages_column( $columns ) {
	return heartbeatd_ui_add_posts_column( $columns, 'page' );
}

/**
 * Prints who is editing a post.
 *
 * @param string $column  The column.
 * @param int    $post_id The post.
 */
function heartbeatd_ui_print_posts_column( $column, $post_id ) {
	if ( 'heartbeatd_editors' !== $column ) {
		return;
	}
	$room   = current_user_can( 'edit_post', $post_id ) ? heartbeatd_post_room( $post_id ) : '';
	$people = '' === $room ? array() : heartbeatd_ui_merge_by_user( heartbeatd_ui_entries_by_room( get_post_type( $post_id ) )[ $room ] ?? array() );
	// phpcs:ignore WordPress.Security.EscapeOutput.OutputNotEscaped -- Each part is escaped.
	echo '<div class="heartbeatd-editors"' . ( '' === $room ? '' : ' data-room="' . esc_attr( $room ) . '"' ) . '>' . heartbeatd_ui_avatars( $people ) . '</div>';
}

/**
 * Returns the entries in the rooms of a post type's posts. A page reads them once for the
 * whole list.
 *
 * @param string $post_type The post type.
 * @return array<string, array[]> Entries by room.
 */
function heartbeatd_ui_entries_by_room( $post_type ) {
	static $by_room = array();
	if ( ! isset( $by_room[ $post_type ] ) ) {
		$query = HEARTBEATD_PRESENCE_SHORT + array(
			'prefix'   => "postType/$post_type:",
			'per_page' => HEARTBEATD_PRESENCE_PER_PAGE,
		);
		$page  = heartbeatd_presence_list_page( $query );

		$by_room[ $post_type ] = array();
		foreach ( $page ? $page['entries'] : array() as $entry ) {
			$by_room[ $post_type ][ $entry['room'] ][] = $entry;
		}
	}
	return $by_room[ $post_type ];
}
