<?php
/**
 * Plugin Name: A file switches it on
 * Description: Adds a handle to every answer while a file exists, which nothing announces.
 */

add_filter('heartbeat_send', function ($response) {
    clearstatcache();
    if (file_exists(WP_CONTENT_DIR . '/file-switch')) {
        $response['file-switch'] = 'on';
    }
    return $response;
});
