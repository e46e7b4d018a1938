<?php
/**
 * Plugin Name: An object cache in Redis
 * Description: Keeps WordPress's object cache in the Redis whose socket is beside WordPress's folder.
 */

function wp_cache_init() {
    $GLOBALS['wp_object_cache'] = new WP_Object_Cache();
}

function wp_cache_get($key, $group = '', $force = false, &$found = null) {
    return $GLOBALS['wp_object_cache']->get($key, $group, $force, $found);
}

function wp_cache_set($key, $value, $group = '', $seconds = 0) {
    return $GLOBALS['wp_object_cache']->set($key, $value, $group, (int) $seconds);
}

function wp_cache_add($key, $value, $group = '', $seconds = 0) {
    return $GLOBALS['wp_object_cache']->add($key, $value, $group, (int) $seconds);
}

function wp_cache_replace($key, $value, $group = '', $seconds = 0) {
    return $GLOBALS['wp_object_cache']->replace($key, $value, $group, (int) $seconds);
}

function wp_cache_delete($key, $group = '') {
    return $GLOBALS['wp_object_cache']->delete($key, $group);
}

function wp_cache_incr($key, $offset = 1, $group = '') {
    return $GLOBALS['wp_object_cache']->incr($key, $offset, $group);
}

function wp_cache_decr($key, $offset = 1, $group = '') {
    return $GLOBALS['wp_object_cache']->incr($key, -$offset, $group);
}

function wp_cache_flush() {
    return $GLOBALS['wp_object_cache']->flush();
}

function wp_cache_close() {
    return true;
}

function wp_cache_add_global_groups($groups) {
}

function wp_cache_add_non_persistent_groups($groups) {
    $GLOBALS['wp_object_cache']->keep_here((array) $groups);
}

class WP_Object_Cache {
    private $redis;
    private $values = array(); // What this request has read or written, serialized.
    private $here   = array(); // The groups that end with the request.

    public function __construct() {
        $this->redis = new Redis();
        $this->redis->connect(dirname(ABSPATH) . '/redis.sock');
    }

    public function keep_here($groups) {
        $this->here += array_fill_keys($groups, true);
    }

    private static function name($key, $group) {
        return ($group ?: 'default') . ":$key";
    }

    private function is_here($group) {
        return isset($this->here[$group ?: 'default']);
    }

    public function get($key, $group = '', $force = false, &$found = null) {
        $name = self::name($key, $group);
        if (!isset($this->values[$name]) || ($force && !$this->is_here($group))) {
            $value = $this->is_here($group) ? false : $this->redis->get($name);
            if (false === $value) {
                unset($this->values[$name]);
                return $found = false;
            }
            $this->values[$name] = $value;
        }
        $found = true;
        return unserialize($this->values[$name]);
    }

    public function set($key, $value, $group = '', $seconds = 0) {
        $name                = self::name($key, $group);
        $this->values[$name] = serialize($value);
        return $this->is_here($group) || $this->redis->set($name, $this->values[$name], $seconds > 0 ? array('ex' => $seconds) : array());
    }

    public function add($key, $value, $group = '', $seconds = 0) {
        if (wp_suspend_cache_addition()) {
            return false;
        }
        $this->get($key, $group, true, $found);
        return !$found && $this->set($key, $value, $group, $seconds);
    }

    public function replace($key, $value, $group = '', $seconds = 0) {
        $this->get($key, $group, true, $found);
        return $found && $this->set($key, $value, $group, $seconds);
    }

    public function delete($key, $group = '') {
        $this->get($key, $group, true, $found);
        $name = self::name($key, $group);
        unset($this->values[$name]);
        return $found && ($this->is_here($group) || (bool) $this->redis->del($name));
    }

    public function incr($key, $offset = 1, $group = '') {
        $value = $this->get($key, $group, true, $found);
        if (!$found) {
            return false;
        }
        $value = max(0, (int) $value + $offset);
        $this->set($key, $value, $group);
        return $value;
    }

    public function flush() {
        $this->values = array();
        return $this->redis->flushDB();
    }
}
