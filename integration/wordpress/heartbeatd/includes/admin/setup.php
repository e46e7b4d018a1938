<?php
/**
 * How to set the plugin up: a notice in the list of plugins, and a new secret on the settings screen.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * The page about installing heartbeatd.
 */
const HEARTBEATD_DEPLOY_URL = 'https://github.com/heartbeatd/heartbeatd/blob/main/docs/deploy.md';

/**
 * Returns the URL of the settings screen.
 *
 * @return string
 */
function heartbeatd_settings_url() {
	return admin_url( 'options-general.php?page=heartbeatd' );
}

/**
 * Prints a notice in the list of plugins, where administrators are after they have activated the
 * plugin, until a secret is set.
 */
function heartbeatd_print_setup_notice() {
	$screen = get_current_screen();
	if ( ! $screen || 'plugins' !== $screen->id || ! current_user_can( 'manage_options' ) || heartbeatd_is_configured() ) {
		return;
	}
	printf(
		'<div class="notice notice-info is-dismissible" id="heartbeatd-setup-notice"><p>%1$s <a href="%2$s">%3$s</a></p></div>',
		esc_html__( 'heartbeatd is active, but not set up yet: PHP still answers every beat.', 'heartbeatd' ),
		esc_url( heartbeatd_settings_url() ),
		esc_html__( 'Set up heartbeatd', 'heartbeatd' )
	);
}

/**
 * Prints a new secret, while none is set: the lines with it for heartbeatd and for wp-config.php. A script
 * makes the secret, so that nothing stores it before it is used.
 */
function heartbeatd_print_setup() {
	if ( heartbeatd_is_configured() ) {
		return;
	}
	wp_enqueue_script( 'heartbeatd-setup', heartbeatd_asset_url( 'setup.js' ), array( 'clipboard', 'wp-a11y', 'wp-i18n' ), heartbeatd_asset_version( 'setup.js' ), true );
	wp_set_script_translations( 'heartbeatd-setup', 'heartbeatd', dirname( HEARTBEATD_PLUGIN_FILE ) . '/languages' );
	?>
	<div id="heartbeatd-setup" hidden>
		<h2><?php esc_html_e( 'Set it up with a new secret', 'heartbeatd' ); ?></h2>
		<p><?php esc_html_e( 'This browser has made a secret, and stores it nowhere else. heartbeatd and WordPress need the same one.', 'heartbeatd' ); ?></p>
		<?php
		heartbeatd_print_setup_line( __( 'In the environment of heartbeatd, for example in `/etc/heartbeatd.env`; then start heartbeatd:', 'heartbeatd' ), 'HEARTBEATD_SITE_SECRET=%s' );
		heartbeatd_print_setup_line( __( 'In `wp-config.php`, above the line that says to stop editing; then check again:', 'heartbeatd' ), "define( 'HEARTBEATD_SECRET', '%s' );" );
		?>
		<p><a href="<?php echo esc_url( HEARTBEATD_DEPLOY_URL ); ?>"><?php esc_html_e( 'How to install heartbeatd', 'heartbeatd' ); ?></a></p>
	</div>
	<?php
}

/**
 * Prints a line to copy.
 *
 * @param string $where Where it belongs. Backticks enclose code.
 * @param string $line  The line, with %s in the place of the secret.
 */
function heartbeatd_print_setup_line( $where, $line ) {
	printf(
		'<p>%1$s<br><code data-line="%2$s"></code> <button type="button" class="button button-small">%3$s</button></p>',
		heartbeatd_code_html( $where ), // phpcs:ignore WordPress.Security.EscapeOutput.OutputNotEscaped -- The function escapes the text.
		esc_attr( $line ),
		esc_html__( 'Copy', 'heartbeatd' )
	);
}
