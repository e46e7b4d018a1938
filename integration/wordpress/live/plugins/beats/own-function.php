<?php
/**
 * Plugin Name: Own handle, function
 * Description: Answers its own handle only.
 */

function own_function_received($response, $data) {
    if (!empty($data['own-function'])) {
        $response['own-function'] = array('asked' => $data['own-function'], 'user' => get_current_user_id());
    }
    return $response;
}
add_filter('heartbeat_received', 'own_function_received', 10, 2);
