<?php
/**
 * Plugin Name: A prefix of handles, and die()
 * Description: Answers every handle with its prefix, and ends the request.
 */

add_filter('heartbeat_received', function ($response, $data) {
    foreach ($data as $handle => $value) {
        if (0 === strpos($handle, 'prefix-')) {
            echo wp_json_encode(array($handle => array('done' => $value)));
            die();
        }
    }
    return $response;
}, 10, 2);
