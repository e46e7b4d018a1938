<?php
/**
 * Plugin Name: One screen
 * Description: Adds a handle to the answers to one screen.
 */

add_filter('heartbeat_send', function ($response, $screen_id) {
    if ('edit-post' === $screen_id) {
        $response['one-screen'] = 'list';
    }
    return $response;
}, 10, 2);
