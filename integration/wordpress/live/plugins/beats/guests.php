<?php
/**
 * Plugin Name: Guests
 * Description: Answers the beats of visitors who are not logged in.
 */

foreach (array('heartbeat_nopriv_received', 'heartbeat_nopriv_send') as $guests_hook) {
    add_filter($guests_hook, fn ($response) => $response + array('guests' => 1));
}
