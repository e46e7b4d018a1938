<?php
/**
 * What identifies a callback.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * How many of the values that a closure has captured are compared.
 */
const HEARTBEATD_MAX_CAPTURED_VALUES = 20;

/**
 * Returns the name of a callback: the name of its function or method. Closures and methods of
 * anonymous classes have none; they are named by their file and line.
 *
 * @param callable $callback The callback.
 * @return string For example 'my_function', 'My_Class::method' or 'plugins/my-plugin/file.php:12'.
 */
function heartbeatd_callback_name( $callback ) {
	if ( is_string( $callback ) ) {
		return $callback;
	}
	list( $owner, $method ) = is_array( $callback ) && isset( $callback[0], $callback[1] ) ? $callback : array( $callback, '__invoke' );

	$class = is_object( $owner ) ? get_class( $owner ) : (string) $owner;
	if ( $owner instanceof Closure || false !== strpos( $class, '@anonymous' ) ) {
		return heartbeatd_callback_file( $callback );
	}
	return "$class::$method";
}

/**
 * Returns a hash of the values that a closure has captured: closures that a loop makes differ
 * only in these.
 *
 * @param callable $callback The callback.
 * @return string Empty if it has captured none.
 */
function heartbeatd_captured_values_hash( $callback ) {
	if ( ! $callback instanceof Closure ) {
		return '';
	}
	$code   = new ReflectionFunction( $callback );
	$values = method_exists( $code, 'getClosureUsedVariables' ) ? $code->getClosureUsedVariables() : $code->getStaticVariables(); // PHP 8.1.
	$values = array_map( 'heartbeatd_describe_captured_value', array_slice( $values, 0, HEARTBEATD_MAX_CAPTURED_VALUES ) );
	return $values ? substr( md5( wp_json_encode( $values ) ), 0, 8 ) : '';
}

/**
 * Describes a captured value. Of an object only the class counts, and of an array only the
 * values that are no arrays. A text counts only if it may be a name in code, as a handle or a
 * function, and not one of the user's data. Numbers and other texts are often of one request or
 * user, as times, nonces and titles, and each would be a new callback.
 *
 * @param mixed $value The value.
 * @return mixed
 */
function heartbeatd_describe_captured_value( $value ) {
	if ( is_object( $value ) ) {
		return get_class( $value );
	}
	if ( is_array( $value ) ) {
		$values = array_filter( array_slice( array_values( $value ), 0, HEARTBEATD_MAX_CAPTURED_VALUES ), 'is_scalar' );
		return array_map( __FUNCTION__, $values );
	}
	if ( is_string( $value ) ) {
		return preg_match( '#^[a-z_][a-z_.:/\\\\-]*$#iD', $value ) && ! heartbeatd_is_user_data( $value ) ? $value : null;
	}
	return is_bool( $value ) ? $value : null;
}

/**
 * Determines whether a text is one of the current user's data, as the name.
 *
 * @param string $text The text.
 * @return bool
 */
function heartbeatd_is_user_data( $text ) {
	$user = wp_get_current_user();
	foreach ( array( 'user_login', 'user_nicename', 'display_name', 'nickname', 'first_name', 'last_name', 'locale' ) as $field ) {
		if ( 0 === strcasecmp( $text, (string) $user->get( $field ) ) ) {
			return true;
		}
	}
	return false;
}

/**
 * Returns the file and line where a callback is defined, relative to the content folder, or
 * 'PHP' for a function of PHP itself.
 *
 * @param callable $callback The callback.
 * @return string
 */
function heartbeatd_callback_file( $callback ) {
	try {
		if ( is_string( $callback ) && false !== strpos( $callback, '::' ) ) {
			$callback = explode( '::', $callback );
		}
		if ( is_array( $callback ) ) {
			$code = new ReflectionMethod( $callback[0], $callback[1] );
		} elseif ( is_object( $callback ) && ! $callback instanceof Closure ) {
			$code = new ReflectionMethod( $callback, '__invoke' );
		} else {
			$code = new ReflectionFunction( $callback );
		}
	} catch ( ReflectionException $e ) {
		return ''; // A method that __call implements, or a function that does not exist.
	}
	if ( $code->isInternal() ) {
		return 'PHP';
	}
	$file = wp_normalize_path( (string) $code->getFileName() );
	foreach ( array( WP_CONTENT_DIR, ABSPATH ) as $folder ) {
		$folder = trailingslashit( wp_normalize_path( $folder ) );
		if ( 0 === strpos( $file, $folder ) ) {
			$file = substr( $file, strlen( $folder ) );
			break;
		}
	}
	return $file . ':' . $code->getStartLine();
}

/**
 * Returns the path of a callback's file.
 *
 * @param string $file The value that heartbeatd_callback_file() returned.
 * @return string Empty if it names no file, or the file does not exist.
 */
function heartbeatd_callback_path( $file ) {
	if ( preg_match( '/^(.+?\.php)[:(]\d/', $file, $match ) ) {
		foreach ( array( WP_CONTENT_DIR . '/' . $match[1], ABSPATH . $match[1], $match[1] ) as $path ) {
			if ( file_exists( $path ) ) {
				return $path;
			}
		}
	}
	return '';
}

/**
 * Returns the id under which it is stored what a callback does. It changes with the file.
 *
 * @param string $key  What identifies the callback.
 * @param string $file The value that heartbeatd_callback_file() returned.
 * @return string Empty if the code that runs is not known, as with the magic method __call.
 */
function heartbeatd_callback_id( $key, $file ) {
	$path = heartbeatd_callback_path( $file );
	if ( '' === $path && 'PHP' !== $file ) {
		return '';
	}
	$version = '' === $path ? PHP_VERSION : filemtime( $path ) . ' ' . filesize( $path );
	return 'c' . substr( md5( "$key\n$file\n$version" ), 0, 10 ); // Never a number, which PHP would make an integer as a key.
}

/**
 * Returns the folder of the plugin or theme that a file belongs to.
 *
 * @param string $file The value that heartbeatd_callback_file() returned.
 * @return string The file itself if it is a plugin of one file.
 */
function heartbeatd_code_folder( $file ) {
	return preg_match( '#^(?:mu-plugins|plugins|themes)/[^/:(]+#', $file, $match ) ? $match[0] : preg_replace( '/[:(]\d.*$/s', '', $file );
}

/**
 * Returns the folder of this plugin, as heartbeatd_code_folder() does.
 *
 * @return string
 */
function heartbeatd_own_folder() {
	static $folder = null;
	if ( null === $folder ) {
		$folder = heartbeatd_code_folder( heartbeatd_callback_file( __FUNCTION__ ) );
	}
	return $folder;
}

/**
 * Returns the callback that another one was replaced with while the beat is observed.
 *
 * @param callable      $callback A callback of a hook.
 * @param callable|null $original Sets the callback that it runs.
 * @return callable The callback itself if it replaces none.
 */
function heartbeatd_original_callback( $callback, $original = null ) {
	static $originals = null;
	$originals        = $originals ?? new SplObjectStorage();
	if ( null !== $original ) {
		$originals[ $callback ] = $original;
	}
	return $callback instanceof Closure && isset( $originals[ $callback ] ) ? $originals[ $callback ] : $callback;
}
