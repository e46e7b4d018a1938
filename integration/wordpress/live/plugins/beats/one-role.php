<?php
/**
 * Plugin Name: One role
 * Description: Adds a handle to the answers to administrators.
 */

add_action('admin_init', function () {
    if (current_user_can('manage_options')) {
        add_filter('heartbeat_send', fn ($response) => $response + array('one-role' => 'administrator'));
    }
});
