<?php
/**
 * Plugin Name: An option switches it on
 * Description: Adds a handle to every answer while an option is set.
 */

add_filter('heartbeat_send', function ($response) {
    if (get_option('option_switch')) {
        $response['option-switch'] = 'on';
    }
    return $response;
});
