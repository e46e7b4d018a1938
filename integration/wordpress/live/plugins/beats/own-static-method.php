<?php
/**
 * Plugin Name: Own handle, static method
 * Description: Answers its own handle only, with a static method.
 */

class Own_Static_Method {
    public static function received($response, $data) {
        return isset($data['own-static-method']) ? $response + array('own-static-method' => true) : $response;
    }
}
add_filter('heartbeat_received', array('Own_Static_Method', 'received'), 10, 2);
