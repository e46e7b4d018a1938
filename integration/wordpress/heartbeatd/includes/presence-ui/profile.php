<?php
/**
 * The profile screen, where users choose whether their presence is recorded.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * Prints the choice of a user who may edit posts, if the site records presence. Other users have
 * no presence.
 *
 * @param WP_User $user The user.
 */
function heartbeatd_ui_print_recording_choice( $user ) {
	if ( ! user_can( $user, 'edit_posts' ) || ! function_exists( 'wp_presence_recording_enabled' ) || ! heartbeatd_presence_does_site_record( $user->ID ) ) {
		return;
	}
	?>
	<tr class="heartbeatd-recording-wrap">
		<th scope="row"><?php esc_html_e( 'Presence', 'heartbeatd' ); ?></th>
		<td>
			<label for="heartbeatd_recording">
				<input type="hidden" name="heartbeatd_recording" value="0" />
				<input name="heartbeatd_recording" type="checkbox" id="heartbeatd_recording" value="1" <?php checked( heartbeatd_presence_does_user_record( $user->ID ) ); ?> />
				<?php esc_html_e( 'Show to other users who may edit posts that this user is online, and where', 'heartbeatd' ); ?>
			</label>
			<p class="description"><?php esc_html_e( 'The lock of a post always names the user who edits it.', 'heartbeatd' ); ?></p>
		</td>
	</tr>
	<?php
}

/**
 * Saves the choice. WordPress has checked the nonce and that the current user may edit this user.
 *
 * @param int $user_id The user.
 */
function heartbeatd_ui_save_recording_choice( $user_id ) {
	// phpcs:ignore WordPress.Security -- See above; the value is only compared.
	$choice = $_POST['heartbeatd_recording'] ?? null;
	if ( '1' === $choice && ! heartbeatd_presence_does_user_record( $user_id ) ) {
		delete_user_meta( $user_id, HEARTBEATD_USER_RECORDING_KEY );
	} elseif ( '0' === $choice ) {
		update_user_meta( $user_id, HEARTBEATD_USER_RECORDING_KEY, '0' );
	}
}
