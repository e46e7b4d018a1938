<?php
/**
 * Screen keys: names of admin screens whose content can be saved, as 'post/42' or
 * 'options/general'.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * Determines whether a value is valid as a screen key.
 *
 * @param mixed $key The value.
 * @return bool
 */
function heartbeatd_is_screen_key( $key ) {
	return is_string( $key ) && preg_match( '#^[a-z0-9/_-]{1,' . HEARTBEATD_MAX_NAME . '}$#D', $key );
}

/**
 * Returns the key of the current admin screen.
 *
 * @return string Empty if the screen shows nothing that can be saved.
 */
function heartbeatd_current_screen_key() {
	$screen = function_exists( 'get_current_screen' ) ? get_current_screen() : null;
	if ( ! $screen ) {
		return '';
	}
	/**
	 * Filters the key of the current admin screen. A plugin returns a key for a screen of its
	 * own, and marks the screen as stale after a save, with the same key.
	 *
	 * @param string    $key    The key; empty for a screen that is not known.
	 * @param WP_Screen $screen The screen.
	 */
	$key = apply_filters( 'wp_presence_current_screen_key', heartbeatd_core_screen_key( $screen ), $screen ); // phpcs:ignore WordPress.NamingConventions.PrefixAllGlobals -- The Presence API's filter.
	if ( '' === $key || heartbeatd_is_screen_key( $key ) ) {
		return $key;
	}
	/* translators: %s: the value that was given as a key. */
	$message = sprintf( __( 'The filter wp_presence_current_screen_key returned %s. A key is a string of 1 to 191 of the characters a-z 0-9 / _ -, for example "options/my-plugin".', 'heartbeatd' ), esc_html( heartbeatd_describe_value( $key ) ) );
	_doing_it_wrong( 'wp_presence_current_screen_key', $message, '0.1.0' ); // phpcs:ignore WordPress.Security.EscapeOutput.OutputNotEscaped -- The value is escaped above.
	return '';
}

/**
 * Returns the key of a screen of core.
 *
 * @param WP_Screen $screen The current screen.
 * @return string Empty if the screen shows nothing that can be saved.
 */
function heartbeatd_core_screen_key( $screen ) {
	// phpcs:disable WordPress.Security.NonceVerification.Recommended -- It only identifies the screen.
	$id = static function ( $name ) {
		return isset( $_GET[ $name ] ) && is_scalar( $_GET[ $name ] ) ? absint( $_GET[ $name ] ) : 0;
	};
	// phpcs:enable
	switch ( $screen->base ) {
		case 'post':
			$post = get_post();
			return $post ? "post/{$post->ID}" : '';
		case 'user-edit':
			return 'user-edit/' . $id( 'user_id' );
		case 'profile':
			return 'user-edit/' . get_current_user_id();
		case 'term':
			return "term/{$screen->taxonomy}/" . $id( 'tag_ID' );
		case 'comment':
			return 'comment/' . $id( 'c' );
	}
	return preg_match( '/^options-([a-z]+)$/D', $screen->base, $match ) ? "options/{$match[1]}" : '';
}

/**
 * Determines whether the current user may see a screen. If the key names a post, user, term,
 * comment or option page, they must be able to edit it; otherwise they must be able to edit
 * posts.
 *
 * @param string $key The screen's key.
 * @return bool
 */
function heartbeatd_can_access_screen( $key ) {
	if ( ! current_user_can( 'edit_posts' ) ) {
		return false;
	}
	$parts = explode( '/', $key );
	$id    = absint( end( $parts ) );
	$usual = array(
		'post'      => 2,
		'user-edit' => 2,
		'term'      => 3,
		'comment'   => 2,
	);
	if ( isset( $usual[ $parts[0] ] ) && ( count( $parts ) !== $usual[ $parts[0] ] || (string) $id !== end( $parts ) ) ) {
		return false; // Another key would be a second one for the same screen.
	}
	switch ( $parts[0] ) {
		case 'options':
			return current_user_can( 'manage_options' );
		case 'post':
			return current_user_can( 'edit_post', $id );
		case 'user-edit':
			return current_user_can( 'edit_user', $id );
		case 'term':
			$term = get_term( $id );
			return $term instanceof WP_Term && $term->taxonomy === $parts[1] && current_user_can( 'edit_term', $id );
		case 'comment':
			return (bool) get_comment( $id ) && current_user_can( 'edit_comment', $id );
	}
	return true;
}
