<?php
/**
 * A stand-in for the object cache while an observed callback runs. With a persistent object
 * cache, what a callback writes to it is an effect; without one, it ends with the request.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * Passes every call to the object cache, and notes those that write.
 */
class Heartbeatd_Cache_Recorder {

	/**
	 * The groups of core. Core writes to them when it reads from the database; what changes
	 * the database is noted as a query.
	 */
	const CORE_GROUPS = '/^(?:posts|post_meta|terms|term_meta|users|user_meta|userlogins|userslugs|useremail|user_signups|comment|comment_meta|bookmark|options|notoptions|site-options|counts|plugins|themes|theme_json|theme_files|translation_files|image_editor|block_patterns|global-posts|blog-.*|sites?|networks?|site-details|\w+_relationships|[\w-]+-queries)$/';

	/**
	 * The position of the group among the arguments of the methods that write.
	 */
	const WRITES = array(
		'add'             => 2,
		'set'             => 2,
		'replace'         => 2,
		'incr'            => 2,
		'decr'            => 2,
		'delete'          => 1,
		'add_multiple'    => 1,
		'set_multiple'    => 1,
		'delete_multiple' => 1,
		'flush_group'     => 0,
		'flush'           => 0,
	);

	/**
	 * The object cache.
	 *
	 * @var object
	 */
	private $cache;

	/**
	 * How many calls were passed on.
	 *
	 * @var int
	 */
	private $calls = 0;

	/**
	 * Puts itself in front of an object cache.
	 *
	 * @param object $cache The object cache.
	 */
	public function __construct( $cache ) {
		$this->cache = $cache;
	}

	/**
	 * Returns the object cache.
	 *
	 * @return object
	 */
	public function heartbeatd_cache() {
		return $this->cache;
	}

	/**
	 * Determines whether WordPress's functions use the object that the global variable holds.
	 *
	 * @return bool
	 */
	public function heartbeatd_is_used() {
		$before = $this->calls;
		wp_cache_get( 'heartbeatd', 'heartbeatd' );
		return $this->calls > $before;
	}

	/**
	 * Reads a value. A magic method cannot pass the reference on.
	 *
	 * @param int|string $key     The key.
	 * @param string     $group   The group.
	 * @param bool       $force   Whether to read from the persistent cache.
	 * @param bool       $found   Receives whether the key exists.
	 * @param mixed      ...$more What a method of the cache takes besides.
	 * @return mixed
	 */
	public function get( $key, $group = 'default', $force = false, &$found = null, ...$more ) {
		++$this->calls;
		return $this->cache->get( $key, $group, $force, $found, ...$more );
	}

	/**
	 * Passes a call on.
	 *
	 * @param string $name      The method.
	 * @param array  $arguments The arguments.
	 * @return mixed
	 */
	public function __call( $name, $arguments ) {
		++$this->calls;
		$position = self::WRITES[ strtolower( $name ) ] ?? null;
		if ( null !== $position && ! preg_match( self::CORE_GROUPS, (string) ( $arguments[ $position ] ?? '' ) ) ) {
			heartbeatd_note_effect( 'cache' );
		}
		return call_user_func_array( array( $this->cache, $name ), $arguments );
	}

	/**
	 * Returns a property of the cache: a reference if it is public, so that a callback can change
	 * an array in it.
	 *
	 * @param string $name The property.
	 * @return mixed
	 */
	public function &__get( $name ) {
		if ( array_key_exists( $name, get_object_vars( $this->cache ) ) ) {
			return $this->cache->$name;
		}
		$value = $this->cache->$name;
		return $value;
	}

	/**
	 * Sets a property of the cache.
	 *
	 * @param string $name  The property.
	 * @param mixed  $value The value.
	 */
	public function __set( $name, $value ) {
		$this->cache->$name = $value;
	}

	/**
	 * Determines whether the cache has a property.
	 *
	 * @param string $name The property.
	 * @return bool
	 */
	public function __isset( $name ) {
		return isset( $this->cache->$name );
	}
}
