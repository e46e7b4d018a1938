<?php
/**
 * Plugin Name: Greedy
 * Description: Adds a field to every tick, whether anybody asked or not.
 */

function greedy_received($response) {
	$response['greedy'] = time();
	return $response;
}
add_filter('heartbeat_received', 'greedy_received');
