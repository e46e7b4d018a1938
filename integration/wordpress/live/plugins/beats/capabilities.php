<?php
/**
 * Plugin Name: A capability filter
 * Description: Filters the capabilities of every check.
 */

add_filter('user_has_cap', function ($capabilities, $required, $arguments) {
    if ('capabilities_extra' === ($arguments[0] ?? '')) {
        $capabilities['capabilities_extra'] = true;
    }
    return $capabilities;
}, 10, 3);
