<?php
/**
 * Two dashboard widgets: who is online, and which posts are being edited.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * How many users the widget shows.
 */
const HEARTBEATD_UI_MAX_WIDGET_USERS = 50;

/**
 * Adds the widgets: at the top, unless the user has arranged the dashboard.
 */
function heartbeatd_ui_add_widgets() {
	if ( ! heartbeatd_ui_can_see_presence() ) {
		return;
	}
	$priority = get_user_option( 'meta-box-order_dashboard' ) ? 'core' : 'high';
	wp_add_dashboard_widget( 'heartbeatd_online', __( 'Who’s Online', 'heartbeatd' ), 'heartbeatd_ui_print_online_widget', null, null, 'normal', $priority );
	wp_add_dashboard_widget( 'heartbeatd_posts', __( 'Posts Being Edited', 'heartbeatd' ), 'heartbeatd_ui_print_posts_widget', null, null, 'normal', $priority );
}

/**
 * Prints who is online.
 */
function heartbeatd_ui_print_online_widget() {
	$online = heartbeatd_ui_online_users();
	$items  = '';
	foreach ( array_slice( $online['people'], 0, HEARTBEATD_UI_MAX_WIDGET_USERS ) as $person ) {
		$items .= '<li class="heartbeatd-person">' . heartbeatd_ui_person( $person ) . '</li>';
	}
	$more = $online['total'] - min( HEARTBEATD_UI_MAX_WIDGET_USERS, count( $online['people'] ) );
	if ( $more > 0 ) {
		$items .= '<li class="heartbeatd-more">' . esc_html( heartbeatd_ui_more_text( $more ) ) . '</li>';
	}
	// phpcs:ignore WordPress.Security.EscapeOutput.OutputNotEscaped -- Each part is escaped.
	echo '<ul class="heartbeatd-people" id="heartbeatd-who">' . $items . '</ul>';
}

/**
 * Prints the posts that are being edited and that the current user may edit.
 */
function heartbeatd_ui_print_posts_widget() {
	$items = '';
	$query = HEARTBEATD_PRESENCE_SHORT + array(
		'prefix'   => 'postType/',
		'per_page' => HEARTBEATD_PRESENCE_PER_PAGE,
	);
	$page  = heartbeatd_presence_list_page( $query );
	$posts = heartbeatd_presence_active_posts( $page ? $page['entries'] : array(), $page && $page['total'] <= HEARTBEATD_PRESENCE_PER_PAGE );
	foreach ( $posts as $post ) {
		$people = array_map( 'heartbeatd_ui_editor_person', $post['editors'] );
		$items .= '<li class="heartbeatd-post"><a href="' . esc_url( $post['edit_url'] ) . '">' . esc_html( heartbeatd_ui_title( $post['post_title'] ) ) . '</a>' . heartbeatd_ui_avatars( $people, 'heartbeatd-editor' ) . '</li>';
	}
	// phpcs:ignore WordPress.Security.EscapeOutput.OutputNotEscaped -- Each part is escaped.
	echo '<div id="heartbeatd-active-posts" data-posts="' . esc_attr( wp_json_encode( $posts ) ) . '"><ul class="heartbeatd-posts">' . $items . '</ul><p class="heartbeatd-none"' . ( $posts ? ' hidden' : '' ) . '>' . esc_html__( 'No post is being edited at the moment.', 'heartbeatd' ) . '</p></div>';
}

/**
 * Returns a post's title, or a text for a post without one.
 *
 * @param string $title The title.
 * @return string
 */
function heartbeatd_ui_title( $title ) {
	return '' === $title ? __( '(no title)', 'heartbeatd' ) : $title;
}

/**
 * Converts an editor in an item of presence-active-posts to a person.
 *
 * @param array $editor The editor.
 * @return array
 */
function heartbeatd_ui_editor_person( $editor ) {
	return array(
		'id'     => $editor['user_id'],
		'name'   => $editor['display_name'],
		'avatar' => $editor['avatar_url'],
		'screen' => '',
		'idle'   => 'idle' === $editor['status'],
	);
}
