<?php
/**
 * Plugin Name: User meta written
 * Description: Writes in every beat when the user was last seen.
 */

add_action('heartbeat_tick', function () {
    update_user_meta(get_current_user_id(), 'writes_user_meta', microtime(true));
});
