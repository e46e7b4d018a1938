<?php
/**
 * The screen Settings → Heartbeatd: the status report and the settings.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * Adds the screen to the menu.
 */
function heartbeatd_add_settings_screen() {
	$page = add_options_page( __( 'Heartbeatd', 'heartbeatd' ), __( 'Heartbeatd', 'heartbeatd' ), 'manage_options', 'heartbeatd', 'heartbeatd_print_settings_screen' );
	add_action( "admin_print_styles-$page", 'heartbeatd_enqueue_settings_style' );
}

/**
 * Enqueues the style of the screen.
 */
function heartbeatd_enqueue_settings_style() {
	wp_enqueue_style( 'heartbeatd-settings', heartbeatd_asset_url( 'settings.css' ), array(), heartbeatd_asset_version( 'settings.css' ) );
}

/**
 * Adds a link to the screen to the plugin's row in the list of plugins.
 *
 * @param string[] $links The plugin's links.
 * @return string[]
 */
function heartbeatd_add_settings_link( $links ) {
	$link = sprintf( '<a href="%s">%s</a>', esc_url( heartbeatd_settings_url() ), esc_html__( 'Settings', 'heartbeatd' ) );
	return array_merge( array( 'settings' => $link ), $links );
}

/**
 * Prints the screen.
 */
function heartbeatd_print_settings_screen() {
	if ( ! current_user_can( 'manage_options' ) ) {
		return;
	}
	$items = heartbeatd_status_report();
	?>
	<div class="wrap">
		<h1><?php echo esc_html( get_admin_page_title() ); ?></h1>
		<div id="heartbeatd-card" class="heartbeatd-<?php echo esc_attr( $items[0]['severity'] ); ?>">
			<h2><?php heartbeatd_print_icon( $items[0]['severity'] ); ?> <?php echo esc_html( heartbeatd_verdict( $items ) ); ?></h2>
			<ul id="heartbeatd-report">
				<?php array_map( 'heartbeatd_print_report_item', $items ); ?>
				<?php heartbeatd_print_connection( $items ); ?>
			</ul>
			<p>
				<a class="button" id="heartbeatd-check" href="<?php echo esc_url( heartbeatd_settings_url() ); ?>"><?php esc_html_e( 'Check again', 'heartbeatd' ); ?></a>
				<a href="<?php echo esc_url( HEARTBEATD_FINDINGS_URL ); ?>"><?php esc_html_e( 'All findings and their fixes', 'heartbeatd' ); ?></a>
			</p>
		</div>
		<?php heartbeatd_print_setup(); ?>
		<?php heartbeatd_print_savings(); ?>
		<h2><?php esc_html_e( 'Settings', 'heartbeatd' ); ?></h2>
		<form method="post" action="<?php echo esc_url( admin_url( 'options.php' ) ); ?>">
			<?php settings_fields( 'heartbeatd' ); ?>
			<table class="form-table" role="presentation">
				<?php
				heartbeatd_print_secret_field();
				heartbeatd_print_field( 'url', __( 'Address for browsers', 'heartbeatd' ), __( 'The path on this site, or the full URL, for which the web server forwards requests to heartbeatd.', 'heartbeatd' ) );
				heartbeatd_print_field( 'api', __( 'Address of the API', 'heartbeatd' ), __( 'The URL at which WordPress reaches heartbeatd (`--admin-listen`).', 'heartbeatd' ) );
				heartbeatd_print_field( 'site', __( 'Name of this site', 'heartbeatd' ), __( 'The site’s name in heartbeatd’s configuration (`--site-id`).', 'heartbeatd' ) );
				?>
			</table>
			<?php heartbeatd_print_callbacks_table(); ?>
			<?php submit_button(); ?>
		</form>
	</div>
	<?php
}

/**
 * Prints an item of the status report.
 *
 * @param array $item An item of heartbeatd_status_report().
 */
function heartbeatd_print_report_item( $item ) {
	printf( '<li class="heartbeatd-%1$s" data-finding="%2$s">', esc_attr( $item['severity'] ), esc_attr( $item['name'] ) );
	heartbeatd_print_icon( $item['severity'] );
	echo ' ' . heartbeatd_item_html( $item ) . '</li>'; // phpcs:ignore WordPress.Security.EscapeOutput.OutputNotEscaped -- The function escapes the texts.
}

/**
 * Prints the icon of a severity, with a name for screen readers.
 *
 * @param string $severity One of HEARTBEATD_SEVERITIES.
 */
function heartbeatd_print_icon( $severity ) {
	$icons = array(
		'error'   => array( 'dismiss', __( 'Error', 'heartbeatd' ) ),
		'warning' => array( 'warning', __( 'Warning', 'heartbeatd' ) ),
		'notice'  => array( 'info', __( 'Notice', 'heartbeatd' ) ),
		'good'    => array( 'yes-alt', __( 'Good', 'heartbeatd' ) ),
	);
	printf( '<span class="dashicons dashicons-%1$s" role="img" aria-label="%2$s"></span>', esc_attr( $icons[ $severity ][0] ), esc_attr( $icons[ $severity ][1] ) );
}

/**
 * Prints the items about this browser's connection. A script updates them.
 *
 * @param array[] $items The items of the report. If there is an error, it is why browsers are not connected.
 */
function heartbeatd_print_connection( $items ) {
	if ( ! heartbeatd_is_configured() ) {
		return;
	}
	$texts = array(
		'websocket' => __( 'This browser is connected over a WebSocket.', 'heartbeatd' ),
		'events'    => __( 'This browser is connected over server-sent events, because no WebSocket could be opened.', 'heartbeatd' ),
		'longpoll'  => __( 'This browser is connected over long-poll, because neither a WebSocket nor an event stream could be opened.', 'heartbeatd' ),
		'post'      => __( 'This browser is not connected: its beats go to PHP.', 'heartbeatd' ),
		'core'      => __( 'This page runs WordPress’s own Heartbeat script.', 'heartbeatd' ),
		'none'      => __( 'This page has no Heartbeat script: another plugin has removed it.', 'heartbeatd' ),
		/* translators: %s: number of people. */
		'online'    => __( 'People online: %s', 'heartbeatd' ),
		'help'      => 'error' === $items[0]['severity'] ? '' : __( 'WordPress finds no error, so something between this browser and the site may refuse its connections: a firewall, a proxy or an extension of the browser. Run “heartbeatd doctor” on this computer. heartbeatd’s log says why it refused a page.', 'heartbeatd' ),
	);
	// If another plugin has removed Heartbeat, the script reports it.
	$dependencies = wp_script_is( 'heartbeat', 'registered' ) ? array( 'jquery', 'heartbeat' ) : array( 'jquery' );
	wp_enqueue_script( 'heartbeatd-settings', heartbeatd_asset_url( 'settings.js' ), $dependencies, heartbeatd_asset_version( 'settings.js' ), true );
	wp_add_inline_script( 'heartbeatd-settings', 'window.heartbeatdSettings = ' . wp_json_encode( $texts ) . ';', 'before' );
	echo '<li id="heartbeatd-connection"><span class="heartbeatd-if-linked">';
	heartbeatd_print_icon( 'good' );
	echo '</span><span class="heartbeatd-if-not-linked">';
	heartbeatd_print_icon( 'warning' );
	echo '</span> <strong id="heartbeatd-transport" aria-live="polite">…</strong> <span id="heartbeatd-help"></span></li>';
	echo '<li hidden><span class="dashicons dashicons-groups" aria-hidden="true"></span> <strong id="heartbeatd-online"></strong></li>';
}

/**
 * Prints the field of a setting.
 *
 * @param string $name  A key of heartbeatd_default_settings().
 * @param string $label The setting's label.
 * @param string $help  The setting's description.
 */
function heartbeatd_print_field( $name, $label, $help ) {
	$fixed  = heartbeatd_is_setting_constant( $name ) || heartbeatd_is_network_setting( $name );
	$stored = get_option( 'heartbeatd', array() );
	$value  = $fixed ? heartbeatd_shown_url( heartbeatd_setting( $name ) ) : ( is_array( $stored ) && isset( $stored[ $name ] ) ? $stored[ $name ] : '' );
	printf(
		'<tr><th scope="row"><label for="heartbeatd-%1$s">%2$s</label></th><td><input type="text" class="regular-text code" id="heartbeatd-%1$s" name="heartbeatd[%1$s]" value="%3$s" placeholder="%4$s" aria-describedby="heartbeatd-%1$s-description"%5$s><p class="description" id="heartbeatd-%1$s-description">%6$s</p></td></tr>',
		esc_attr( $name ),
		esc_html( $label ),
		esc_attr( $value ),
		esc_attr( heartbeatd_default_settings()[ $name ] ),
		disabled( $fixed, true, false ),
		heartbeatd_code_html( $fixed ? heartbeatd_constant_note( $name ) : $help ) // phpcs:ignore WordPress.Security.EscapeOutput.OutputNotEscaped -- The function escapes the text.
	);
}

/**
 * Prints the field of the secret, without the secret.
 */
function heartbeatd_print_secret_field() {
	$fixed  = heartbeatd_is_setting_constant( 'secret' );
	$stored = heartbeatd_is_configured() && ! $fixed;
	$help   = __( 'The same long random text as heartbeatd’s `HEARTBEATD_SITE_SECRET`. It is safer in `wp-config.php`, as `HEARTBEATD_SECRET`.', 'heartbeatd' );
	printf(
		'<tr><th scope="row"><label for="heartbeatd-secret">%1$s</label></th><td><input type="password" class="regular-text code" id="heartbeatd-secret" name="heartbeatd[secret]" value="" autocomplete="new-password" placeholder="%2$s" aria-describedby="heartbeatd-secret-description"%3$s><p class="description" id="heartbeatd-secret-description">%4$s</p>',
		esc_html__( 'Secret', 'heartbeatd' ),
		esc_attr( $stored ? __( 'A secret is set. Enter another to replace it.', 'heartbeatd' ) : '' ),
		disabled( $fixed, true, false ),
		heartbeatd_code_html( $fixed ? heartbeatd_constant_note( 'secret' ) : $help ) // phpcs:ignore WordPress.Security.EscapeOutput.OutputNotEscaped -- The function escapes the text.
	);
	if ( $stored ) {
		printf( '<p><label><input type="checkbox" name="heartbeatd[forget_secret]" value="1"> %s</label></p>', esc_html__( 'Delete the secret', 'heartbeatd' ) );
	}
	echo '</td></tr>';
}

/**
 * Returns the note about a setting that only a constant defines.
 *
 * @param string $name A key of heartbeatd_default_settings().
 * @return string
 */
function heartbeatd_constant_note( $name ) {
	$constant = 'HEARTBEATD_' . strtoupper( $name );
	$ignored  = heartbeatd_ignored_setting( $name );
	if ( '' !== $ignored ) {
		return heartbeatd_ignored_note( $constant, $ignored );
	}
	/* translators: %s: name of a constant. */
	$note = heartbeatd_is_setting_constant( $name ) ? __( 'Set in `wp-config.php`, as `%s`.', 'heartbeatd' ) : __( 'On a network, only `%s` in `wp-config.php` sets it.', 'heartbeatd' );
	return sprintf( $note, $constant );
}
