<?php
/**
 * The WP-CLI command wp heartbeatd.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * Escapes the characters of a text of another program, or of another user, that would send the terminal
 * commands, forge a line or reorder the text. JSON has the same value afterwards.
 *
 * @param string $text The text.
 * @return string
 */
function heartbeatd_terminal_text( $text ) {
	$escape = static function ( $found ) {
		return sprintf( '\\u%04x', mb_ord( $found[0], 'UTF-8' ) );
	};
	return preg_replace_callback( '/[\p{Cc}\x{061c}\x{200e}\x{200f}\x{202a}-\x{202e}\x{2066}-\x{2069}]/u', $escape, $text )
		?? (string) preg_replace( '/[^\x20-\x7e]/', '?', $text ); // It is not UTF-8.
}

/**
 * Reports whether heartbeatd works for this site. Exits with 1 if it does not.
 *
 * ## EXAMPLES
 *
 *     wp heartbeatd status
 */
function heartbeatd_cli_status() {
	$items = heartbeatd_status_report();
	foreach ( $items as $item ) {
		$name = '' === $item['name'] ? 'ok' : $item['name'];
		WP_CLI::line( heartbeatd_terminal_text( sprintf( '%-7s  %-18s  %s', $item['severity'], $name, trim( $item['text'] . ' ' . heartbeatd_item_help( $item ) ) ) ) );
	}
	if ( 'error' === $items[0]['severity'] ) {
		WP_CLI::halt( 1 );
	}
}
