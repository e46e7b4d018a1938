<?php
/**
 * The surfaces: admin bar, Active Posts widget, column of the posts list. Each is a fragment of
 * HTML, printed with the page and sent again in ticks.
 *
 * @package stand-in-fragments
 */

function stand_in_name( $user_id ) {
	$user = get_userdata( $user_id );
	return $user ? $user->display_name : '';
}

function stand_in_is_idle( $entry ) {
	return stand_in_time( $entry->date_gmt ) < time() - 75;
}

/**
 * Returns the entries in posts' rooms that the current user may see, by post.
 */
function stand_in_editors_by_post() {
	$posts = array();
	foreach ( wp_get_presence_by_room_prefix( 'postType/' ) as $entry ) {
		$parsed = wp_presence_parse_room( $entry->room );
		if ( $parsed && wp_can_access_presence_room( $entry->room ) ) {
			$posts[ $parsed['post_id'] ][] = $entry;
		}
	}
	ksort( $posts );
	return $posts;
}

function stand_in_admin_bar_html() {
	$editing = array();
	foreach ( stand_in_editors_by_post() as $id => $entries ) {
		foreach ( $entries as $entry ) {
			$editing[ $entry->user_id ][] = get_the_title( $id );
		}
	}
	$html    = '';
	$entries = wp_get_presence( wp_presence_admin_room() );
	usort( $entries, static fn ( $a, $b ) => strnatcmp( $a->client_id, $b->client_id ) );
	foreach ( $entries as $entry ) {
		$where = stand_in_can_see_location( $entry->user_id ) ? ( $entry->data['title'] ?? '' ) . ' (' . ( $entry->data['screen'] ?? '' ) . ') ' . implode( ', ', $editing[ $entry->user_id ] ?? array() ) : '';
		$html .= sprintf( '<span class="stand-in-person" data-user="%d" data-idle="%d">%s: %s</span> ', $entry->user_id, stand_in_is_idle( $entry ), esc_html( stand_in_name( $entry->user_id ) ), esc_html( $where ) );
	}
	return '<div class="ab-item">' . $html . '</div>';
}

function stand_in_active_posts_html() {
	$html = '';
	foreach ( stand_in_editors_by_post() as $id => $entries ) {
		$lock  = stand_in_live_row( stand_in_room_of( get_post( $id ) ), '_lock' );
		$names = array_unique( array_map( static fn ( $entry ) => stand_in_name( $entry->user_id ), $entries ) );
		sort( $names );
		$html .= sprintf( '<li data-post="%d">%s: %s; locked by %s</li>', $id, esc_html( get_the_title( $id ) ), esc_html( implode( ', ', $names ) ), esc_html( $lock ? stand_in_name( $lock->user_id ) : 'nobody' ) );
	}
	return $html;
}

function stand_in_column_html( $post_id ) {
	$room = wp_presence_post_room( $post_id );
	return $room ? esc_html( implode( ', ', array_unique( array_map( static fn ( $entry ) => stand_in_name( $entry->user_id ), wp_get_presence( $room ) ) ) ) ) : '';
}

function stand_in_add_to_admin_bar( $bar ) {
	if ( current_user_can( 'edit_posts' ) ) {
		$bar->add_node(
			array(
				'id'    => 'presence-online',
				'title' => stand_in_admin_bar_html(),
			)
		);
	}
}

function stand_in_add_widget() {
	$print = static function () {
		echo '<ul id="presence-active-posts-list">' . stand_in_active_posts_html() . '</ul>'; // phpcs:ignore WordPress.Security.EscapeOutput
	};
	wp_add_dashboard_widget( 'presence_active_posts', 'Active Posts', $print );
}

function stand_in_add_column( $columns ) {
	return $columns + array( 'presence_editors' => 'Editors' );
}

function stand_in_print_column( $column, $post_id ) {
	if ( 'presence_editors' === $column ) {
		echo '<span class="stand-in-editors">' . stand_in_column_html( $post_id ) . '</span>'; // phpcs:ignore WordPress.Security.EscapeOutput
	}
}
