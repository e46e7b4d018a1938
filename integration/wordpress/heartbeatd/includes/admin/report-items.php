<?php
/**
 * The items of the status report: findings of includes/admin/findings.php, and what is well.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * The page with all findings.
 */
const HEARTBEATD_FINDINGS_URL = 'https://github.com/heartbeatd/heartbeatd/blob/main/docs/findings.md';

/**
 * The severities of items, the most severe first.
 */
const HEARTBEATD_SEVERITIES = array( 'error', 'warning', 'notice', 'good' );

/**
 * Returns the item for a finding.
 *
 * @param string $name   A name of heartbeatd_findings().
 * @param string $detail What was found, in sentences; may be empty.
 * @return array{name: string, severity: string, text: string, detail: string, meaning: string, fix: string}
 */
function heartbeatd_finding( $name, $detail = '' ) {
	$finding = heartbeatd_findings()[ $name ];
	$fix     = $finding['fix'];
	if ( isset( $finding['fixes'] ) ) {
		$fix .= ' ' . ( $finding['fixes'][ heartbeatd_web_server() ] ?? '' );
	}
	$values = array(
		'{path}' => trailingslashit( heartbeatd_setting( 'url' ) ),
		'{api}'  => heartbeatd_shown_url( heartbeatd_setting( 'api' ) ),
	);
	return array(
		'name'     => $name,
		'severity' => $finding['severity'],
		'text'     => strtr( $finding['text'], $values ),
		'detail'   => $detail,
		'meaning'  => strtr( $finding['meaning'], $values ),
		'fix'      => strtr( trim( $fix ), $values ),
	);
}

/**
 * Returns the item for something that works.
 *
 * @param string $text   What works.
 * @param string $detail More about it, in sentences.
 * @return array The same as heartbeatd_finding().
 */
function heartbeatd_good_item( $text, $detail = '' ) {
	return array(
		'name'     => '',
		'severity' => 'good',
		'text'     => $text,
		'detail'   => $detail,
		'meaning'  => '',
		'fix'      => '',
	);
}

/**
 * Returns a text of another program as a sentence, so that the next one does not run into it.
 *
 * @param string $text The text.
 * @return string
 */
function heartbeatd_sentence( $text ) {
	$text = trim( $text );
	return '' === $text || preg_match( '/[.!?]$/', $text ) ? $text : $text . '.';
}

/**
 * Sorts items, the most severe first.
 *
 * @param array[] $items Items.
 * @return array[]
 */
function heartbeatd_sort_items( $items ) {
	$order       = array_flip( HEARTBEATD_SEVERITIES );
	$by_severity = static function ( $a, $b ) use ( $order ) {
		return $order[ $a['severity'] ] <=> $order[ $b['severity'] ];
	};
	usort( $items, $by_severity );
	return $items;
}

/**
 * Returns the report in one line.
 *
 * @param array[] $items The items, the most severe first.
 * @return string
 */
function heartbeatd_verdict( $items ) {
	if ( 'no-secret' === $items[0]['name'] ) {
		return __( 'heartbeatd is not set up yet.', 'heartbeatd' );
	}
	if ( 'error' === $items[0]['severity'] ) {
		return __( 'Heartbeat is not real-time: PHP answers every beat.', 'heartbeatd' );
	}
	$warnings = count( array_keys( array_column( $items, 'severity' ), 'warning', true ) );
	if ( 0 === $warnings ) {
		return __( 'Heartbeat is real-time.', 'heartbeatd' );
	}
	/* translators: %s: number of warnings. */
	return sprintf( _n( 'Heartbeat is real-time, with %s warning.', 'Heartbeat is real-time, with %s warnings.', $warnings, 'heartbeatd' ), number_format_i18n( $warnings ) );
}

/**
 * Returns what follows the text of an item: what was found, what it means and how to fix it.
 *
 * @param array $item An item.
 * @return string
 */
function heartbeatd_item_help( $item ) {
	return implode( ' ', array_filter( array( $item['detail'], $item['meaning'], $item['fix'] ), 'strlen' ) );
}

/**
 * Returns an item as HTML, with a link to the documentation.
 *
 * @param array $item An item.
 * @return string
 */
function heartbeatd_item_html( $item ) {
	$html = sprintf( '<strong>%s</strong> %s', heartbeatd_code_html( $item['text'] ), heartbeatd_code_html( heartbeatd_item_help( $item ) ) );
	if ( '' === $item['name'] ) {
		return $html;
	}
	return sprintf( '%1$s <a href="%2$s"><code>%3$s</code></a>', $html, esc_url( HEARTBEATD_FINDINGS_URL . '#' . $item['name'] ), esc_html( $item['name'] ) );
}

/**
 * Returns a text as HTML: backticks enclose code.
 *
 * @param string $text The text.
 * @return string
 */
function heartbeatd_code_html( $text ) {
	return preg_replace( '/`([^`]+)`/', '<code>$1</code>', esc_html( $text ) );
}
