<?php
/**
 * Plugin Name: Own handle, closure
 * Description: Answers its own handle only, with a closure.
 */

add_filter('heartbeat_received', function ($response, $data) {
    if (isset($data['own-closure'])) {
        $response['own-closure'] = strtoupper($data['own-closure']);
    }
    return $response;
}, 10, 2);
