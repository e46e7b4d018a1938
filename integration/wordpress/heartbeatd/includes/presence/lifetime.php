<?php
/**
 * How long entries live that PHP writes: for the site's TTL, or for a lifetime of their own.
 * heartbeatd renews the entries of open pages, whatever the TTL is.
 *
 * @package heartbeatd
 */

// phpcs:disable WordPress.NamingConventions.PrefixAllGlobals -- The Presence API's filters and constant.

defined( 'ABSPATH' ) || exit;

/**
 * The TTL of heartbeatd, and the longest lifetime of an entry, in seconds.
 */
const HEARTBEATD_PRESENCE_TTL   = 60;
const HEARTBEATD_MAX_EXPIRES_IN = 3600;

/**
 * Returns how long an entry lives that PHP writes without a lifetime of its own, in seconds.
 *
 * @return int
 */
function heartbeatd_presence_ttl() {
	/**
	 * Filters how long an entry lives that PHP writes without a lifetime of its own.
	 *
	 * @param int $ttl Seconds, 1 to 3600. Default 60, or the constant WP_PRESENCE_DEFAULT_TTL.
	 */
	$ttl = apply_filters( 'wp_presence_default_ttl', defined( 'WP_PRESENCE_DEFAULT_TTL' ) ? WP_PRESENCE_DEFAULT_TTL : HEARTBEATD_PRESENCE_TTL );
	if ( is_numeric( $ttl ) && (int) $ttl >= 1 && (int) $ttl <= HEARTBEATD_MAX_EXPIRES_IN ) {
		return (int) $ttl;
	}
	/* translators: 1: a value, 2: a number of seconds, 3: the number of seconds that is used. */
	$message = sprintf( __( '%1$s is not used as the lifetime of presence entries: it must be a number of seconds from 1 to %2$d. Entries live for %3$d seconds.', 'heartbeatd' ), esc_html( is_scalar( $ttl ) ? wp_json_encode( $ttl ) : gettype( $ttl ) ), HEARTBEATD_MAX_EXPIRES_IN, HEARTBEATD_PRESENCE_TTL );
	_doing_it_wrong( 'WP_PRESENCE_DEFAULT_TTL, wp_presence_default_ttl', $message, '0.1.0' ); // phpcs:ignore WordPress.Security.EscapeOutput.OutputNotEscaped -- The value is escaped above.
	return HEARTBEATD_PRESENCE_TTL;
}

/**
 * Returns the lifetime of an entry without a date or a lifetime of its own, as the API has
 * it.
 *
 * @return array{expires_in?: int} Empty if the site has not changed the TTL: then heartbeatd's own applies.
 */
function heartbeatd_presence_default_lifetime() {
	$ttl = heartbeatd_presence_ttl();
	return HEARTBEATD_PRESENCE_TTL === $ttl ? array() : array( 'expires_in' => $ttl );
}

/**
 * Returns the longest lifetime that a caller may ask for, in seconds.
 *
 * @return int
 */
function heartbeatd_presence_max_expires_in() {
	/**
	 * Filters the longest lifetime of an entry. heartbeatd allows at most an hour.
	 *
	 * @param int $seconds Seconds. Default 3600.
	 */
	return max( 1, min( HEARTBEATD_MAX_EXPIRES_IN, (int) apply_filters( 'wp_presence_max_expires_in', HEARTBEATD_MAX_EXPIRES_IN ) ) );
}

/**
 * Returns the date and the lifetime of an entry as the API has them.
 *
 * @param mixed $date_gmt   The entry's date, as '2026-11-23 05:20:00' in UTC; null for now. A later date becomes now.
 * @param mixed $expires_in How many seconds after its date the entry expires; null for the TTL.
 * @return array{date_gmt?: string, expires_in?: int}|WP_Error The lifetime is not positive if the entry has expired.
 *         Errors: 'invalid_date_gmt', 'invalid_expires_in'.
 */
function heartbeatd_presence_lifetime( $date_gmt, $expires_in ) {
	if ( null === $date_gmt && null === $expires_in ) {
		return heartbeatd_presence_default_lifetime();
	}
	$now  = time();
	$time = null === $date_gmt ? $now : heartbeatd_presence_parse_date( $date_gmt );
	if ( null === $time ) {
		return new WP_Error( 'invalid_date_gmt', __( 'The date of an entry must be a date in UTC, for example 2026-11-23 05:20:00.', 'heartbeatd' ) );
	}
	if ( null !== $expires_in && ( ! is_numeric( $expires_in ) || (int) $expires_in < 1 ) ) {
		return new WP_Error( 'invalid_expires_in', __( 'The lifetime of an entry must be a number of seconds, at least 1.', 'heartbeatd' ) );
	}
	$time = min( $time, $now );
	$life = null === $expires_in ? heartbeatd_presence_ttl() : (int) $expires_in;
	return array(
		'date_gmt'   => gmdate( 'Y-m-d H:i:s', $time ),
		'expires_in' => min( $life, heartbeatd_presence_max_expires_in() ) - ( $now - $time ),
	);
}

/**
 * Parses a date.
 *
 * @param mixed $date The date, as '2026-11-23 05:20:00' in UTC.
 * @return int|null Unix seconds; null if it is no such date.
 */
function heartbeatd_presence_parse_date( $date ) {
	$parsed = is_string( $date ) ? DateTime::createFromFormat( '!Y-m-d H:i:s', $date, new DateTimeZone( 'UTC' ) ) : false;
	return $parsed && $parsed->format( 'Y-m-d H:i:s' ) === $date ? $parsed->getTimestamp() : null;
}

/**
 * Returns when an entry expires by itself.
 *
 * @param array $entry The entry.
 * @return string|null The date in UTC; null if the link of a page renews it.
 */
function heartbeatd_presence_expires_gmt( $entry ) {
	if ( isset( $entry['expires_gmt'] ) ) {
		return $entry['expires_gmt'];
	}
	$time = isset( $entry['idle'] ) ? null : heartbeatd_presence_parse_date( $entry['date_gmt'] );
	return null === $time ? null : gmdate( 'Y-m-d H:i:s', $time + HEARTBEATD_PRESENCE_TTL );
}
