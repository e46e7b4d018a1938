<?php
/**
 * The surfaces that page.js fills from ticks: admin bar, Who's Online and Active Posts.
 *
 * @package stand-in-lists
 */

function stand_in_add_script() {
	if ( ! current_user_can( 'edit_posts' ) ) {
		return;
	}
	$screen = get_current_screen();
	$post   = 'post' === $screen->base ? get_post() : null;
	$room   = $post ? wp_presence_post_room( $post ) : false;
	$id     = get_current_user_id();
	$config = array(
		'ping'    => array_filter(
			array(
				'screen'  => $screen->id,
				'title'   => $post ? $post->post_title : '',
				'post_id' => $post ? $post->ID : 0,
			)
		),
		'editing' => $room ? $post->ID : 0,
		'rows'    => array_values( array_filter( array( array( wp_presence_admin_room(), "user-$id" ), $room ? array( $room, "editor-$id" ) : null, $room ? array( $room, "lock-$id" ) : null ) ) ),
		'rest'    => rest_url( 'wp-presence/v1/presence' ),
		'nonce'   => wp_create_nonce( 'wp_rest' ),
	);
	wp_enqueue_script( 'stand-in', plugins_url( 'page.js', __FILE__ ), array( 'jquery', 'heartbeat' ), '1', true );
	wp_add_inline_script( 'stand-in', 'window.standIn = ' . wp_json_encode( $config ) . ';', 'before' );
}

function stand_in_add_to_admin_bar( $bar ) {
	if ( current_user_can( 'edit_posts' ) ) {
		$bar->add_node(
			array(
				'id'    => 'presence-online',
				'title' => ' ',
			)
		);
	}
}

function stand_in_add_widget() {
	$lists = array(
		'online'       => 'Who\'s Online',
		'active-posts' => 'Active Posts',
	);
	foreach ( $lists as $name => $title ) {
		$print = static function () use ( $name ) {
			echo '<ul id="presence-' . esc_attr( $name ) . '-list"></ul>';
		};
		wp_add_dashboard_widget( 'presence_' . strtr( $name, '-', '_' ), $title, $print );
	}
}
