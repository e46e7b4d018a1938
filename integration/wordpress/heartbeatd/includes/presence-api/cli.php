<?php
/**
 * The WP-CLI command wp presence.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * Adds the commands.
 */
function heartbeatd_presence_cli_add_commands() {
	foreach ( array( 'list', 'summary', 'set', 'cleanup', 'recording', 'network' ) as $command ) {
		WP_CLI::add_command( "presence $command", "heartbeatd_presence_cli_$command" );
	}
}

/**
 * Lists presence entries.
 *
 * ## OPTIONS
 *
 * [<room>]
 * : Only this room.
 *
 * [--format=<format>]
 * : table, json, csv, yaml, ids or count.
 * ---
 * default: table
 * ---
 *
 * ## EXAMPLES
 *
 *     wp presence list admin/online --format=json
 *
 * @param string[] $args    The room, if any.
 * @param string[] $options The options.
 */
function heartbeatd_presence_cli_list( $args, $options ) {
	$format = $options['format'] ?? 'table';
	$items  = heartbeatd_presence_cli_read( isset( $args[0] ) ? array( 'room' => $args[0] ) : array() );
	foreach ( $items as &$entry ) {
		$entry['data'] = heartbeatd_json_encode( (object) $entry['data'] );
		foreach ( 'json' === $format ? array() : array( 'room', 'client_id', 'data', 'date_gmt' ) as $name ) { // WP-CLI itself escapes JSON.
			$entry[ $name ] = heartbeatd_terminal_text( $entry[ $name ] );
		}
	}
	WP_CLI\Utils\format_items( $format, $items, array( 'room', 'client_id', 'user_id', 'data', 'date_gmt' ) );
}

/**
 * Counts presence entries, by the first part of the room's name.
 *
 * ## OPTIONS
 *
 * [--format=<format>]
 * : table, json or csv.
 * ---
 * default: table
 * ---
 *
 * ## EXAMPLES
 *
 *     wp presence summary
 *
 * @param string[] $args    Unused.
 * @param string[] $options The options.
 */
function heartbeatd_presence_cli_summary( $args, $options ) {
	unset( $args );
	$format = $options['format'] ?? 'table';
	$counts = array();
	$users  = array();
	foreach ( heartbeatd_presence_cli_read( array() ) as $entry ) {
		$prefix            = explode( '/', $entry['room'], 2 )[0];
		$counts[ $prefix ] = ( $counts[ $prefix ] ?? 0 ) + 1;
		$users            += array( $prefix => array() );
		if ( $entry['user_id'] ) {
			$users[ $prefix ][ $entry['user_id'] ] = true;
		}
	}
	$items = array();
	foreach ( $counts as $prefix => $entries ) {
		$items[] = array(
			'prefix'  => 'json' === $format ? (string) $prefix : heartbeatd_terminal_text( (string) $prefix ),
			'entries' => $entries,
			'users'   => count( $users[ $prefix ] ),
		);
	}
	$summary = array(
		'total_entries' => array_sum( $counts ),
		'total_users'   => count( array_replace( array(), ...array_values( $users ) ) ),
		'by_prefix'     => (object) array_column( $items, null, 'prefix' ),
	);
	if ( 'json' === $format ) {
		WP_CLI::line( heartbeatd_terminal_text( heartbeatd_json_encode( $summary ) ) );
		return;
	}
	/* translators: %d: a number. */
	WP_CLI::line( sprintf( __( 'Entries: %d', 'heartbeatd' ), $summary['total_entries'] ) );
	/* translators: %d: a number. */
	WP_CLI::line( sprintf( __( 'Users: %d', 'heartbeatd' ), $summary['total_users'] ) );
	if ( $items ) {
		WP_CLI\Utils\format_items( $format, $items, array( 'prefix', 'entries', 'users' ) );
	}
}

/**
 * Writes an entry to a room. It expires after the TTL, by default a minute.
 *
 * ## OPTIONS
 *
 * <room>
 * : The room.
 *
 * [<client_id>]
 * : The client id. Default "cli-" and the user's id.
 *
 * [--data=<json>]
 * : The data that other users see, as a JSON object.
 *
 * ## EXAMPLES
 *
 *     wp presence set admin/online --data='{"screen":"import"}' --user=admin
 *
 * @param string[] $args    The room, and the client id if it is given.
 * @param string[] $options The options.
 */
function heartbeatd_presence_cli_set( $args, $options ) {
	$user = get_current_user_id();
	$data = json_decode( $options['data'] ?? '{}', true );
	if ( ! $user ) {
		WP_CLI::error( __( 'Set the entry’s user with --user.', 'heartbeatd' ) );
	}
	if ( ! is_array( $data ) ) {
		WP_CLI::error( __( 'The data is not a JSON object.', 'heartbeatd' ) );
	}
	$entry = heartbeatd_presence_write( $args[0], $args[1] ?? "cli-$user", $data, array( 'user_id' => $user ) );
	if ( is_wp_error( $entry ) ) {
		WP_CLI::error( heartbeatd_terminal_text( $entry->get_error_message() ) );
	}
	/* translators: 1: a client id, 2: a room. */
	WP_CLI::success( heartbeatd_terminal_text( sprintf( __( '%1$s is in %2$s.', 'heartbeatd' ), $entry['client_id'], $entry['room'] ) ) );
}

/**
 * Does nothing: heartbeatd removes expired entries.
 *
 * ## OPTIONS
 *
 * [--yes]
 * : Accepted, and has no effect.
 *
 * ## EXAMPLES
 *
 *     wp presence cleanup
 */
function heartbeatd_presence_cli_cleanup() {
	WP_CLI::success( __( 'There is nothing to clean up: heartbeatd removes expired entries.', 'heartbeatd' ) );
}

/**
 * Reads entries. Exits with an error if heartbeatd does not answer, which must not look like
 * an empty room.
 *
 * @param array $query The query, as for heartbeatd_presence_list_all().
 * @return array[]
 */
function heartbeatd_presence_cli_read( $query ) {
	$entries = heartbeatd_presence_list_all( $query );
	if ( null === $entries ) {
		WP_CLI::error( __( 'heartbeatd does not answer. Run `wp heartbeatd status` for the cause.', 'heartbeatd' ) );
	}
	return (array) $entries;
}
