<?php
/**
 * Users as PHP prints them. assets/people.js merges entries and assets/render.js renders users
 * in the same way, so that a page does not change when its scripts start.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * How many avatars are shown side by side.
 */
const HEARTBEATD_UI_MAX_AVATARS = 5;

/**
 * Determines whether the current user may see presence.
 *
 * @return bool
 */
function heartbeatd_ui_can_see_presence() {
	return current_user_can( 'edit_posts' );
}

/**
 * Returns the users in the admin. The current user is always among them, on this page.
 *
 * @return array{people: array[], total: int}
 */
function heartbeatd_ui_online_users() {
	$page    = heartbeatd_ui_list_room( 'admin/online' );
	$entries = $page ? $page['entries'] : array();
	$screen  = function_exists( 'get_current_screen' ) ? get_current_screen() : null;
	$people  = heartbeatd_ui_merge_by_user( array_merge( $entries, array( heartbeatd_ui_current_user_entry( $screen ? $screen->id : '' ) ) ) );
	$more    = $page ? max( 0, $page['total'] - count( $entries ) ) : 0;
	return array(
		'people' => $people,
		'total'  => count( $people ) + $more,
	);
}

/**
 * Returns the entries in a room that a page shows at first.
 *
 * @param string $room The room.
 * @return array{entries: array[], total: int}|null Null if heartbeatd does not answer.
 */
function heartbeatd_ui_list_room( $room ) {
	return heartbeatd_presence_list_page(
		HEARTBEATD_PRESENCE_SHORT + array(
			'room'     => $room,
			'per_page' => HEARTBEATD_MAX_ONLINE,
		)
	);
}

/**
 * Returns an entry for the current user on this page.
 *
 * @param string $screen_id The page's screen.
 * @return array
 */
function heartbeatd_ui_current_user_entry( $screen_id ) {
	$user = wp_get_current_user();
	return array(
		'user_id'      => $user->ID,
		'display_name' => $user->display_name,
		'avatar_url'   => heartbeatd_avatar_url( $user ),
		'data'         => array( 'screen_label' => heartbeatd_screen_name( $screen_id ) ),
		'date_gmt'     => gmdate( 'Y-m-d H:i:s' ),
	);
}

/**
 * Merges entries into one person for each user. Of several entries, as an editor's and its
 * lock's, the newest gives the screen. The user is idle if all entries are.
 *
 * @param array[] $entries Entries.
 * @return array[] Sorted by name.
 */
function heartbeatd_ui_merge_by_user( $entries ) {
	$people = array();
	usort(
		$entries,
		static function ( $a, $b ) {
			return strcmp( $a['date_gmt'], $b['date_gmt'] );
		}
	);
	foreach ( heartbeatd_presence_with_user( $entries ) as $entry ) {
		$label = heartbeatd_presence_text( $entry['data']['screen_label'] ?? '' );

		$people[ $entry['user_id'] ] = array(
			'id'     => $entry['user_id'],
			'name'   => $entry['display_name'],
			'avatar' => $entry['avatar_url'],
			'screen' => '' !== $label ? $label : heartbeatd_presence_text( $entry['data']['screen'] ?? '' ),
			'idle'   => heartbeatd_presence_is_idle( $entry ) && ( $people[ $entry['user_id'] ]['idle'] ?? true ),
		);
	}
	usort(
		$people,
		static function ( $a, $b ) {
			return strcasecmp( $a['name'], $b['name'] ) ? strcasecmp( $a['name'], $b['name'] ) : $a['id'] - $b['id'];
		}
	);
	return $people;
}

/**
 * Returns the HTML of an avatar.
 *
 * @param array $person The person.
 * @return string
 */
function heartbeatd_ui_avatar( $person ) {
	$image = '<span class="heartbeatd-initial" aria-hidden="true">' . esc_html( '' === $person['name'] ? '?' : mb_substr( $person['name'], 0, 1 ) ) . '</span>';
	if ( '' !== $person['avatar'] ) {
		$image = '<img class="avatar photo" alt="" src="' . esc_url( $person['avatar'] ) . '" width="24" height="24">';
	}
	return '<span class="heartbeatd-face' . ( $person['idle'] ? ' is-idle' : '' ) . '">' . $image . '</span>';
}

/**
 * Returns the text that screen readers read for an avatar. It also says what the avatar's style
 * shows: that the user is idle.
 *
 * @param array $person The person.
 * @return string
 */
function heartbeatd_ui_accessible_name( $person ) {
	/* translators: %s: a person's name. */
	return $person['idle'] ? sprintf( __( '%s (idle)', 'heartbeatd' ), $person['name'] ) : $person['name'];
}

/**
 * Returns the HTML of a row of avatars, or of a dash if there are none.
 *
 * @param array[] $people The people.
 * @param string  $class  The class of their names, which only screen readers read by default.
 * @return string
 */
function heartbeatd_ui_avatars( $people, $class = 'screen-reader-text' ) {
	if ( ! $people ) {
		return '<span aria-hidden="true">—</span><span class="screen-reader-text">' . esc_html__( 'Nobody', 'heartbeatd' ) . '</span>';
	}
	$items = '';
	foreach ( array_slice( $people, 0, HEARTBEATD_UI_MAX_AVATARS ) as $person ) {
		$name   = heartbeatd_ui_accessible_name( $person );
		$items .= '<li title="' . esc_attr( $name ) . '">' . heartbeatd_ui_avatar( $person ) . '<span class="' . esc_attr( $class ) . '">' . esc_html( $name ) . '</span></li>';
	}
	$more = count( $people ) - HEARTBEATD_UI_MAX_AVATARS;
	if ( $more > 0 ) {
		$items .= '<li class="heartbeatd-more">' . esc_html( heartbeatd_ui_more_text( $more ) ) . '</li>';
	}
	return '<ul class="heartbeatd-faces">' . $items . '</ul>';
}

/**
 * Returns the HTML of a person: avatar, name, screen, and whether they are idle.
 *
 * @param array $person The person.
 * @return string
 */
function heartbeatd_ui_person( $person ) {
	$html = heartbeatd_ui_avatar( $person ) . '<span class="heartbeatd-name">' . esc_html( $person['name'] ) . '</span>';
	if ( '' !== $person['screen'] ) {
		$html .= '<span class="heartbeatd-screen">' . esc_html( $person['screen'] ) . '</span>';
	}
	if ( $person['idle'] ) {
		$html .= '<span class="heartbeatd-idle">' . esc_html__( 'Idle', 'heartbeatd' ) . '</span>';
	}
	return $html;
}

/**
 * Returns the text for users that a list does not show.
 *
 * @param int $more How many users are not shown.
 * @return string
 */
function heartbeatd_ui_more_text( $more ) {
	/* translators: %s: how many more people there are. */
	return sprintf( _n( 'and %s more', 'and %s more', $more, 'heartbeatd' ), number_format_i18n( $more ) );
}
