<?php
/**
 * Post locks: which of a user's documents holds one.
 *
 * WordPress writes a lock as 'ts:uid', and releases it only if it still has the value that
 * the editor knows. If the user leaves an editor while its beat is at PHP, the editor does
 * not know the newest value: the lock stays, or the beat takes a released lock again. So
 * this plugin stores in a lock which document holds it:
 *
 *     ts:uid:document       held; document 0 stands for several documents of the user
 *     ts:uid:document:left  released by that document, which cannot renew it again
 *
 * A document releases a lock that names it, whatever its time is. WordPress and plugins read
 * the time and the user, which stay in their places.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * How often a request tries to write a lock that another request changes meanwhile.
 */
const HEARTBEATD_LOCK_TRIES = 3;

/**
 * The priority at which the value of a lock is decided: before a plugin that stores locks itself. Such a
 * plugin may store no document, and not find the lock that a document says it holds.
 */
const HEARTBEATD_LOCK_PRIORITY = 5;

/**
 * How long a document that has released a lock cannot renew it, in seconds. A beat is not at
 * PHP for longer; afterwards the browser may show the document again.
 */
const HEARTBEATD_LOCK_RELEASE_TIME = 60;

/**
 * How long a lock of core lasts, in seconds. heartbeatd renews locks well within this time.
 */
const HEARTBEATD_LOCK_TIME = 150;

/**
 * Returns the id of the document that this request renders.
 *
 * @return int A positive 31-bit integer.
 */
function heartbeatd_document_id() {
	static $document = 0;
	if ( ! $document ) {
		$document = random_int( 1, 0x7fffffff );
	}
	return $document;
}

/**
 * Lets the document of an editor's page take the lock.
 */
function heartbeatd_on_editor_load() {
	if ( heartbeatd_is_configured() && isset( $_SERVER['REQUEST_METHOD'] ) && 'GET' === $_SERVER['REQUEST_METHOD'] ) {
		heartbeatd_intercept_lock_writes(
			static function ( $stored, $value ) {
				return $value . ':' . heartbeatd_document_id();
			}
		);
	}
}

/**
 * Decides, before core renews the lock that a beat asks for, what core writes. A document
 * that has released the lock does not get it again.
 *
 * @param array $response The tick.
 * @param array $data     The beat's data.
 * @return array
 */
function heartbeatd_before_lock_renewal( $response, $data ) {
	$asked = heartbeatd_is_configured() ? heartbeatd_beat_lock( $data ) : null;
	if ( ! $asked ) {
		return $response;
	}
	$post_id = absint( $data['wp-refresh-post-lock']['post_id'] );
	heartbeatd_intercept_lock_writes(
		static function ( $stored, $value ) use ( $asked ) {
			return heartbeatd_renewed_lock( $stored, $value, $asked );
		},
		$post_id
	);
	$stored = get_post_meta( $post_id, '_edit_lock', true );
	if ( null === heartbeatd_renewed_lock( $stored, time() . ':' . get_current_user_id(), $asked ) ) {
		remove_filter( 'heartbeat_received', 'wp_refresh_post_lock', 10 );
	}
	return $response;
}

/**
 * Returns the lock that a beat's document holds, as the beat says.
 *
 * @param mixed $data The beat's data.
 * @return array|null The same as heartbeatd_parse_lock(); null if the beat asks for no lock.
 */
function heartbeatd_beat_lock( $data ) {
	$asked = is_array( $data ) ? ( $data['wp-refresh-post-lock'] ?? null ) : null;
	if ( ! is_array( $asked ) || ! isset( $asked['post_id'] ) || ! is_scalar( $asked['post_id'] ) ) {
		return null;
	}
	return heartbeatd_parse_lock( $asked['lock'] ?? '' );
}

/**
 * Decides, before core releases a lock, what core writes.
 */
function heartbeatd_before_lock_release() {
	if ( heartbeatd_is_configured() ) {
		heartbeatd_intercept_lock_writes( 'heartbeatd_released_lock' );
	}
}

/**
 * Returns the value of a lock after a beat has renewed it.
 *
 * @param string $stored The stored lock.
 * @param string $value  The value that core would write, as 'ts:uid'.
 * @param array  $asked  The lock that the beat's document holds.
 * @return string|null Null if it does not change.
 */
function heartbeatd_renewed_lock( $stored, $value, $asked ) {
	$lock = heartbeatd_parse_lock( $stored );
	$new  = heartbeatd_parse_lock( $value );
	$own  = $new['user'] === $lock['user'];
	if ( $own && $lock['released'] && $lock['document'] === $asked['document'] && $new['time'] - $lock['time'] < heartbeatd_lock_window() + HEARTBEATD_LOCK_RELEASE_TIME ) {
		return null;
	}
	$held = $own && ! $lock['released'];
	if ( ! $asked['document'] ) {
		// A document that holds no lock renews the lock without taking it over.
		$document = $held ? $lock['document'] : null;
	} elseif ( ! $held || null === $lock['document'] || $lock['document'] === $asked['document'] ) {
		$document = $asked['document'];
	} else {
		// Two documents renew it. When one has stopped, the lock is the other's.
		$document = 0 === $lock['document'] && $lock['time'] === $asked['time'] ? $asked['document'] : 0;
	}
	return null === $document ? $value : "$value:$document";
}

/**
 * Returns the value of a lock after a document has released it.
 *
 * @param string $stored   The stored lock.
 * @param string $value    The value that core would write, as 'ts:uid'.
 * @param string $previous The lock that the document holds, as it says.
 * @return string|null Null if it does not change.
 */
function heartbeatd_released_lock( $stored, $value, $previous ) {
	$lock = heartbeatd_parse_lock( $stored );
	$held = heartbeatd_parse_lock( $previous );
	if ( $lock['released'] || $lock['user'] !== $held['user'] ) {
		return null;
	}
	if ( $held['document'] && null !== $lock['document'] ) {
		$same = $lock['document'] === $held['document'];
	} elseif ( $held['document'] ) {
		// The block editor has just released the lock by itself, without a document. A beat
		// that is still at PHP must not renew it.
		$same = $lock['time'] <= $held['time'];
	} else {
		$same = $lock['time'] === $held['time'];
	}
	if ( ! $same ) {
		return null;
	}
	return $held['document'] ? "$value:{$held['document']}:left" : $value;
}

/**
 * Lets a rule decide about the locks that this request writes.
 *
 * @param callable $rule Takes the stored lock, the value that core would write, and the value
 *                       that core would replace; returns the value to write, or null.
 * @param int      $only The post that the rule applies to; 0 for every post.
 */
function heartbeatd_intercept_lock_writes( $rule, $only = 0 ) {
	$write = static function ( $check, $post_id, $key, $value, $previous ) use ( $rule, $only, &$write ) {
		if ( null !== $check || '_edit_lock' !== $key || ! is_string( $value ) || ( $only && (int) $post_id !== $only ) ) {
			return $check;
		}
		remove_filter( 'update_post_metadata', $write, HEARTBEATD_LOCK_PRIORITY );
		$written = heartbeatd_write_lock(
			$post_id,
			static function ( $stored ) use ( $rule, $value, $previous ) {
				return $rule( $stored, $value, $previous );
			}
		);
		add_filter( 'update_post_metadata', $write, HEARTBEATD_LOCK_PRIORITY, 5 );
		return $written;
	};
	add_filter( 'update_post_metadata', $write, HEARTBEATD_LOCK_PRIORITY, 5 );
}

/**
 * Writes a lock if it is still the one that the rule has seen: a release and a renewal may
 * happen at the same time.
 *
 * @param int      $post_id The post.
 * @param callable $rule    Takes the stored lock; returns the value to write, or null.
 * @return bool Whether the lock has the rule's value.
 */
function heartbeatd_write_lock( $post_id, $rule ) {
	for ( $try = 0; $try < HEARTBEATD_LOCK_TRIES; $try++ ) {
		if ( $try ) {
			wp_cache_delete( $post_id, 'post_meta' );
		}
		$stored = (string) get_post_meta( $post_id, '_edit_lock', true );
		$next   = $rule( $stored );
		if ( null === $next || $next === $stored ) {
			return null !== $next;
		}
		if ( update_metadata( 'post', $post_id, '_edit_lock', $next, $stored ) ) {
			return true;
		}
	}
	return false;
}

/**
 * Returns the URL at which heartbeatd renews the lock of a page's post. Without it, the page's beats
 * renew the lock: if locks do not last as long as core's, if another callback than core's answers about
 * them, if log-ins are not stored as core does, or if the current user's lock names no single document
 * that holds it.
 *
 * @param int $post_id The post that the page edits, or 0.
 * @return string Empty if there is none.
 */
function heartbeatd_lock_renewal_url( $post_id ) {
	$is_core = $post_id && heartbeatd_lock_window() >= HEARTBEATD_LOCK_TIME && has_filter( 'heartbeat_received', 'wp_refresh_post_lock' ) && has_filter( 'heartbeat_received', 'wp_check_locked_posts' )
		&& 'WP_User_Meta_Session_Tokens' === get_class( WP_Session_Tokens::get_instance( get_current_user_id() ) );
	if ( ! $is_core || '' === heartbeatd_locked_text() ) {
		return '';
	}
	$stored = (string) get_post_meta( $post_id, '_edit_lock', true );
	return null === heartbeatd_lock_renewed_by_call( $stored, $stored, get_current_user_id() ) ? '' : heartbeatd_call_url( 'heartbeatd/v1/locks' );
}

/**
 * Returns the value of a lock after a call has renewed it.
 *
 * @param string $stored  The stored lock.
 * @param string $asked   The lock that the page's document holds, as its last beat said.
 * @param int    $user_id The page's user.
 * @return string|null Null if it is not renewed: another user or document holds it, or nobody.
 */
function heartbeatd_lock_renewed_by_call( $stored, $asked, $user_id ) {
	$lock     = heartbeatd_parse_lock( $stored );
	$document = heartbeatd_parse_lock( $asked )['document'];
	$is_held  = $document && $document === $lock['document'] && ! $lock['released'] && heartbeatd_lock_holder( $stored )[0] === $user_id;
	return $is_held ? time() . ":$user_id:$document" : null;
}
