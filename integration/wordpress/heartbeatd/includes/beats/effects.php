<?php
/**
 * Effects: what a foreign callback does while it runs, as far as WordPress and PHP show it,
 * and which options and metadata it reads. Files that a callback writes, and functions that
 * it registers with register_shutdown_function(), are not seen.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * The hooks that are effects themselves.
 */
const HEARTBEATD_EFFECT_HOOKS = array(
	'pre_http_request'       => 'http',
	'pre_wp_mail'            => 'mail',
	'wp_mail'                => 'mail',
	'phpmailer_init'         => 'mail',
	'add_option'             => 'option',
	'update_option'          => 'option',
	'delete_option'          => 'option',
	'setted_transient'       => 'option', // Until WordPress 6.8. With a persistent object cache, transients are no options.
	'set_transient'          => 'option',
	'deleted_transient'      => 'option',
	'setted_site_transient'  => 'option',
	'set_site_transient'     => 'option',
	'deleted_site_transient' => 'option',
);

/**
 * Hooks that only filter a value that the observed callback gets. What the callback does with
 * the value is its own effect.
 *
 *     map_meta_cap, user_has_cap            every check of a capability applies them
 *     pre_option…, option_…, alloptions …   every read of an option; the option is noted as read
 *     get_…_metadata                        every read of metadata, noted likewise
 *     gettext…, ngettext…                   every translation
 *     nonce_life, salt                      every nonce
 *     home_url, set_url_scheme, …           every URL of the site
 */
const HEARTBEATD_HARMLESS_HOOKS = '/^(?:map_meta_cap|user_has_cap|(?:pre_|default_)?(?:site_)?option(?:_.*)?|alloptions|pre_wp_load_alloptions|pre_cache_alloptions|(?:pre_)?(?:site_)?transient_.*|(?:get|default)_\w+_metadata|n?gettext(?:_.*)?|nonce_life|salt|home_url|site_url|admin_url|network_(?:home|site|admin)_url|set_url_scheme)$/';

/**
 * Values that are not noted as read, because they change all the time, or because heartbeatd
 * learns of a change in another way:
 *
 *     cron               every scheduled event changes it; heartbeatd knows the next event
 *     _edit_lock         every beat of an editor changes it; pages beat when a lock changes hands
 *     session_tokens     every log-in changes it; tickets end with their session
 */
const HEARTBEATD_UNWATCHED_READS = array( 'cron', '_transient_doing_cron', '_transient_timeout_doing_cron', 'post:_edit_lock', 'user:session_tokens' );

/**
 * The largest number of options and metadata keys that a callback may read.
 */
const HEARTBEATD_MAX_READS = 40;

/**
 * The largest number of bytes of such a name, and of characters of what an effect names.
 */
const HEARTBEATD_MAX_READ_NAME   = 150;
const HEARTBEATD_MAX_EFFECT_NAME = 60;

/**
 * Returns the observed callbacks that are running. One may run another.
 *
 * @return array<int, array{key: string, folder: string, before: array, effects: array, reads: array}>
 */
function &heartbeatd_running_callbacks() {
	static $running = array();
	return $running;
}

/**
 * Adds an effect to the callbacks that are running.
 *
 * @param string $effect The effect, as 'http' or 'answer:my-handle'.
 */
function heartbeatd_note_effect( $effect ) {
	$running = &heartbeatd_running_callbacks();
	foreach ( array_keys( $running ) as $i ) {
		$running[ $i ]['effects'][ $effect ] = true;
	}
}

/**
 * Returns the name of an effect that names a handle or a hook.
 *
 * @param string $kind The kind, as 'answer'.
 * @param string $name What it names.
 * @return string
 */
function heartbeatd_effect_name( $kind, $name ) {
	return $kind . ':' . mb_substr( sanitize_text_field( $name ), 0, HEARTBEATD_MAX_EFFECT_NAME );
}

/**
 * Adds an option or a metadata key to what the running callbacks read.
 *
 * @param string $name The option's name, the key as 'user:my_key', or 'network:my_option'; 'user:' stands for all keys.
 */
function heartbeatd_note_read( $name ) {
	if ( in_array( $name, HEARTBEATD_UNWATCHED_READS, true ) || preg_match( '/^(?:network:)?heartbeatd/', $name ) ) {
		return;
	}
	if ( strlen( $name ) > HEARTBEATD_MAX_READ_NAME ) {
		heartbeatd_note_effect( 'reads' );
		return;
	}
	$running = &heartbeatd_running_callbacks();
	foreach ( array_keys( $running ) as $i ) {
		$running[ $i ]['reads'][ $name ] = true;
		if ( count( $running[ $i ]['reads'] ) > HEARTBEATD_MAX_READS ) {
			$running[ $i ]['effects']['reads'] = true; // Too many to watch.
		}
	}
}

/**
 * Runs for every hook that is fired while an observed callback runs, and notes effects and
 * reads.
 *
 * @param string $hook      The hook.
 * @param mixed  ...$values The values that the hook passes.
 */
function heartbeatd_watch_hook( $hook, ...$values ) {
	if ( 'query' === $hook ) {
		if ( heartbeatd_is_write_query( $values[0] ?? '' ) ) {
			heartbeatd_note_effect( 'query' );
		}
	} elseif ( isset( HEARTBEATD_EFFECT_HOOKS[ $hook ] ) ) {
		heartbeatd_note_effect( HEARTBEATD_EFFECT_HOOKS[ $hook ] );
	} elseif ( preg_match( '/^pre_(site_)?(option|transient)_(.+)$/s', $hook, $match ) ) {
		heartbeatd_note_read( ( $match[1] && is_multisite() ? 'network:' : '' ) . ( 'option' === $match[2] ? $match[3] : "_transient_$match[3]" ) );
	} elseif ( preg_match( '/^get_(post|user|term|comment)_metadata$/', $hook, $match ) ) {
		heartbeatd_note_read( $match[1] . ':' . ( $values[2] ?? '' ) );
	} elseif ( isset( $GLOBALS['wp_filter'][ $hook ] ) && ! preg_match( HEARTBEATD_HARMLESS_HOOKS, $hook ) && heartbeatd_do_others_listen( $hook ) ) {
		heartbeatd_note_effect( heartbeatd_effect_name( 'hook', $hook ) );
	}
}

/**
 * Determines whether a query may change the database.
 *
 * @param mixed $query The query.
 * @return bool
 */
function heartbeatd_is_write_query( $query ) {
	return ! preg_match( '/^[\s(]*(?:SELECT|SHOW|DESCRIBE|DESC|EXPLAIN)\b/i', (string) $query )
		|| preg_match( '/\b(?:FOR\s+UPDATE|GET_LOCK|RELEASE_LOCK|INTO\s+(?:OUTFILE|DUMPFILE))\b/i', (string) $query );
}

/**
 * Determines whether a plugin or theme listens to a hook, except for this plugin and the one
 * whose callback is running. The listener may do something later, when it is not observed.
 *
 * @param string $hook The hook.
 * @return bool
 */
function heartbeatd_do_others_listen( $hook ) {
	static $known = array();
	$running      = heartbeatd_running_callbacks();
	$folder       = $running ? end( $running )['folder'] : '';
	if ( ! isset( $known[ $folder ][ $hook ] ) ) {
		$known[ $folder ][ $hook ] = false;
		foreach ( $GLOBALS['wp_filter'][ $hook ]->callbacks as $entries ) {
			foreach ( $entries as $entry ) {
				$file  = heartbeatd_callback_file( $entry['function'] );
				$other = ! preg_match( '#^(?:wp-admin/|wp-includes/|PHP$)#', $file ) && ! in_array( heartbeatd_code_folder( $file ), array( $folder, heartbeatd_own_folder() ), true );

				$known[ $folder ][ $hook ] = $known[ $folder ][ $hook ] || $other;
			}
		}
	}
	return $known[ $folder ][ $hook ];
}

/**
 * Returns the parts of the request's state that a callback may change. The keys are the
 * effects that are noted for a change.
 *
 * @return array<string, mixed>
 */
function heartbeatd_request_state() {
	global $wp_filter;
	$callbacks = array();
	foreach ( array( 'heartbeat_received', 'heartbeat_send', 'heartbeat_tick', 'shutdown' ) as $hook ) {
		$callbacks[] = isset( $wp_filter[ $hook ] ) ? $wp_filter[ $hook ]->callbacks : array();
	}
	return array(
		'headers'   => array( headers_list(), http_response_code() ),
		'output'    => array( ob_get_level(), ob_get_length(), headers_sent() ),
		'callbacks' => $callbacks,
		'session'   => array( session_status(), $_SESSION ?? null ),
	);
}

/**
 * Adds what has changed in the request's state to the effects.
 *
 * @param array<string, mixed> $before The state before the callback ran.
 */
function heartbeatd_compare_request_state( $before ) {
	foreach ( heartbeatd_request_state() as $effect => $value ) {
		if ( $value !== $before[ $effect ] ) {
			heartbeatd_note_effect( $effect );
		}
	}
}
