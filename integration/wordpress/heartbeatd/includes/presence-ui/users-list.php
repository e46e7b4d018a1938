<?php
/**
 * The users list: a view of the users online, and a column with each user's status.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * Adds the view.
 *
 * @param array<string, string> $views The views.
 * @return array<string, string>
 */
function heartbeatd_ui_add_users_view( $views ) {
	if ( heartbeatd_ui_can_see_presence() ) {
		$views['heartbeatd_online'] = sprintf(
			'<a href="%1$s"%2$s>%3$s <span class="count">(<span id="heartbeatd-users-online">%4$s</span>)</span></a>',
			esc_url( add_query_arg( 'presence_status', 'online', 'users.php' ) ),
			heartbeatd_ui_is_online_view() ? ' class="current" aria-current="page"' : '',
			esc_html__( 'Online', 'heartbeatd' ),
			esc_html( number_format_i18n( heartbeatd_ui_online_users()['total'] ) )
		);
	}
	return $views;
}

/**
 * Determines whether the list shows only users online.
 *
 * @return bool
 */
function heartbeatd_ui_is_online_view() {
	// phpcs:ignore WordPress.Security.NonceVerification.Recommended -- It only selects the view.
	return isset( $_GET['presence_status'] ) && 'online' === $_GET['presence_status'];
}

/**
 * Limits the list to users online in that view.
 *
 * @param array $args The list's query.
 * @return array
 */
function heartbeatd_ui_filter_users_query( $args ) {
	if ( heartbeatd_ui_can_see_presence() && heartbeatd_ui_is_online_view() ) {
		$args['include'] = wp_list_pluck( heartbeatd_ui_online_users()['people'], 'id' );
	}
	return $args;
}

/**
 * Adds the column.
 *
 * @param array<string, string> $columns The columns.
 * @return array<string, string>
 */
function heartbeatd_ui_add_users_column( $columns ) {
	if ( heartbeatd_ui_can_see_presence() ) {
		$columns['heartbeatd_status'] = __( 'Presence', 'heartbeatd' );
	}
	return $columns;
}

/**
 * Returns the content of the column for a user.
 *
 * @param string $html    The content so far.
 * @param string $column  The column.
 * @param int    $user_id The user.
 * @return string
 */
function heartbeatd_ui_filter_users_column( $html, $column, $user_id ) {
	if ( 'heartbeatd_status' !== $column || ! heartbeatd_ui_can_see_presence() ) {
		return $html;
	}
	$idle   = wp_list_pluck( heartbeatd_ui_online_users()['people'], 'idle', 'id' );
	$status = isset( $idle[ $user_id ] ) ? ( $idle[ $user_id ] ? 'idle' : 'online' ) : 'offline';
	$words  = array(
		'online'  => __( 'Online', 'heartbeatd' ),
		'idle'    => __( 'Idle', 'heartbeatd' ),
		'offline' => __( 'Offline', 'heartbeatd' ),
	);
	return '<span class="heartbeatd-status is-' . $status . '" data-user="' . (int) $user_id . '">' . esc_html( $words[ $status ] ) . '</span>';
}
