<?php
/**
 * Plugin Name: An answer to every beat
 * Description: Adds a handle to the answer to every beat that has data.
 */

add_filter('heartbeat_received', function ($response) {
    $response['answers-always'] = array('unread' => 3);
    return $response;
});
