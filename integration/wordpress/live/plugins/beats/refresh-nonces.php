<?php
/**
 * Plugin Name: A nonce of its own
 * Description: Sends a new nonce when core does.
 */

add_filter('wp_refresh_nonces', function ($response, $data) {
    $response['refresh-nonces'] = wp_create_nonce('refresh-nonces');
    return $response;
}, 10, 2);
