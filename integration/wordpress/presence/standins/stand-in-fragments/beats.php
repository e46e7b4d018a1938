<?php
/**
 * Beats and ticks. Only the visible leader tab sends a ping; its tick carries fragments.
 *
 * @package stand-in-fragments
 */

function stand_in_answer_beat( $response, $data ) {
	if ( ! current_user_can( 'edit_posts' ) ) {
		return $response;
	}
	$ping = isset( $data['presence-ping'] ) && is_array( $data['presence-ping'] ) ? $data['presence-ping'] : null;
	$held = STAND_IN_HAS_TRANSPORT_HOOKS && ! empty( $ping['held'] ); // A transport holds the rows.
	if ( $ping && ! $held ) {
		stand_in_write_admin_row( $ping );
	}
	$editing = (int) ( $data['presence-editor-ping']['post_id'] ?? 0 );
	if ( $editing && ! $held ) {
		stand_in_write_editor_row( $editing );
	}
	if ( $ping ) {
		$response = stand_in_add_fragments( $response, $data, $ping );
	}
	foreach ( (array) ( $data['wp-check-locked-posts'] ?? array() ) as $name ) {
		$response['presence-fragments']['editors'][ $name ] = stand_in_column_html( (int) substr( $name, 5 ) );
	}
	return $response;
}

function stand_in_add_fragments( $response, $data, $ping ) {
	$html = array(
		'admin-bar'    => stand_in_admin_bar_html(),
		'active-posts' => stand_in_active_posts_html(),
	);
	$hash = md5( implode( '', $html ) );
	if ( ( $data['presence-online-hash'] ?? '' ) === $hash ) {
		$response['presence-online-unchanged'] = true;
		return $response;
	}
	$response['presence-online-hash']             = $hash;
	$response['presence-heartbeat-collaborators'] = count( wp_get_presence( wp_presence_admin_room() ) ) - 1;
	if ( ! wp_verify_nonce( $ping['token'] ?? '', 'wp_presence_screen_' . ( $ping['screen'] ?? '' ) ) ) {
		unset( $html['admin-bar'] );
	}
	$wanted = array_intersect_key( $html, (array) ( $data['presence-fragments'] ?? array() ) );
	if ( $wanted ) {
		$response['presence-fragments'] = $wanted;
	}
	return $response;
}

/**
 * Sends a page a new token together with core's new nonces.
 */
function stand_in_refresh_token( $response, $data ) {
	$screen = $data['presence-ping']['screen'] ?? '';
	if ( '' !== $screen ) {
		$response['presence-screen-token'] = array(
			'screen' => $screen,
			'token'  => wp_create_nonce( "wp_presence_screen_$screen" ),
		);
	}
	return $response;
}
