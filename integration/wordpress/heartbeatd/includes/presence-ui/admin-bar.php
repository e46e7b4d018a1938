<?php
/**
 * The admin bar: the number of users online, and their list.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * How many users the list shows.
 */
const HEARTBEATD_UI_MAX_BAR_USERS = 20;

/**
 * Adds the number and the list.
 *
 * @param WP_Admin_Bar $bar The admin bar.
 */
function heartbeatd_ui_add_to_admin_bar( $bar ) {
	if ( ! heartbeatd_ui_can_see_presence() ) {
		return;
	}
	$online = heartbeatd_ui_online_users();
	heartbeatd_ui_add_admin_bar_node( $bar, heartbeatd_ui_online_count( $online['total'] ) );
	$shown = array_slice( $online['people'], 0, HEARTBEATD_UI_MAX_BAR_USERS );
	$items = array();
	foreach ( $shown as $person ) {
		$items[ 'heartbeatd-online-' . $person['id'] ] = '<span class="heartbeatd-person">' . heartbeatd_ui_person( $person ) . '</span>';
	}
	if ( $online['total'] > count( $shown ) ) {
		$items['heartbeatd-online-more'] = '<span class="heartbeatd-more">' . esc_html( heartbeatd_ui_more_text( $online['total'] - count( $shown ) ) ) . '</span>';
	}
	heartbeatd_ui_add_admin_bar_items( $bar, $items );
}

/**
 * Adds the number.
 *
 * @param WP_Admin_Bar $bar   The admin bar.
 * @param string       $html  The number.
 * @param string       $class A class of the node, if any.
 */
function heartbeatd_ui_add_admin_bar_node( $bar, $html, $class = '' ) {
	$bar->add_node(
		array(
			'id'     => 'heartbeatd-online',
			'parent' => 'top-secondary',
			'title'  => '<span class="ab-icon" aria-hidden="true"></span><span class="ab-label">' . $html . '</span>',
			'meta'   => array(
				'class'      => $class,
				'tabindex'   => 0,
				'menu_title' => __( 'People online', 'heartbeatd' ),
			),
		)
	);
}

/**
 * Adds the items of the list.
 *
 * @param WP_Admin_Bar          $bar   The admin bar.
 * @param array<string, string> $items The HTML of the items by their ids.
 */
function heartbeatd_ui_add_admin_bar_items( $bar, $items ) {
	foreach ( $items as $id => $html ) {
		$bar->add_node(
			array(
				'id'     => $id,
				'parent' => 'heartbeatd-online',
				'title'  => $html,
			)
		);
	}
}

/**
 * Returns the HTML of the number, with a text for screen readers.
 *
 * @param int $total The number of users.
 * @return string
 */
function heartbeatd_ui_online_count( $total ) {
	$number = number_format_i18n( $total );
	/* translators: %s: how many people. */
	$text = sprintf( _n( '%s person online', '%s people online', $total, 'heartbeatd' ), $number );
	return '<span aria-hidden="true">' . esc_html( $number ) . '</span><span class="screen-reader-text">' . esc_html( $text ) . '</span>';
}
