<?php
/**
 * Plugin Name: User meta read
 * Description: Reads user meta in every beat, and acts only for users who have it.
 */

add_filter('heartbeat_send', function ($response) {
    if ('yes' === get_user_meta(get_current_user_id(), 'reads_user_meta', true)) {
        $response['reads-user-meta'] = 1;
    }
    return $response;
});
