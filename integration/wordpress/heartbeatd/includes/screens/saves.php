<?php
/**
 * Saves that make a screen stale: only those by a user, and each screen once in a request.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * Gives a screen a new revision after a user has saved what it shows.
 *
 * @param string $key The screen's key.
 */
function heartbeatd_record_screen_save( $key ) {
	static $saved = array();
	$is_silent    = wp_doing_cron() || ( defined( 'WP_CLI' ) && WP_CLI ) || ( defined( 'WP_IMPORTING' ) && WP_IMPORTING ) || wp_installing();
	if ( ! $is_silent && get_current_user_id() && ! isset( $saved[ $key ] ) ) {
		$saved[ $key ] = true;
		heartbeatd_bump_screen_revision( $key );
	}
}

/**
 * Records a save on a settings screen. All but two of core's settings screens save through
 * options.php. Other options, which plugins write, are ignored.
 *
 * @param string $option The option.
 */
function heartbeatd_on_option_saved( $option ) {
	global $pagenow;
	unset( $option );
	// phpcs:disable WordPress.Security.NonceVerification.Missing -- The screens verify the nonce before they save.
	if ( 'options.php' === $pagenow && isset( $_POST['option_page'] ) && is_string( $_POST['option_page'] ) ) {
		heartbeatd_record_screen_save( 'options/' . sanitize_key( $_POST['option_page'] ) );
	} elseif ( $_POST && preg_match( '/^options-([a-z]+)\.php$/D', (string) $pagenow, $match ) ) {
		heartbeatd_record_screen_save( 'options/' . $match[1] );
	}
	// phpcs:enable
}

/**
 * Records that a post was saved. Autosaves and revisions are ignored.
 *
 * @param int $post_id The post.
 */
function heartbeatd_on_post_saved( $post_id ) {
	$post = get_post( $post_id );
	if ( $post && ! ( defined( 'DOING_AUTOSAVE' ) && DOING_AUTOSAVE ) && ! wp_is_post_revision( $post ) && 'auto-draft' !== $post->post_status && get_post_type_object( $post->post_type )->show_ui ) {
		heartbeatd_record_screen_save( "post/$post_id" );
	}
}

/**
 * Records that a user was saved.
 *
 * @param int $user_id The user.
 */
function heartbeatd_on_user_saved( $user_id ) {
	heartbeatd_record_screen_save( "user-edit/$user_id" );
}

/**
 * Records that a term was saved.
 *
 * @param int    $term_id  The term.
 * @param int    $tt_id    The term's row in the taxonomy.
 * @param string $taxonomy The taxonomy.
 */
function heartbeatd_on_term_saved( $term_id, $tt_id, $taxonomy ) {
	unset( $tt_id );
	heartbeatd_record_screen_save( "term/$taxonomy/$term_id" );
}

/**
 * Records that a comment was saved.
 *
 * @param int $comment_id The comment.
 */
function heartbeatd_on_comment_saved( $comment_id ) {
	heartbeatd_record_screen_save( "comment/$comment_id" );
}
