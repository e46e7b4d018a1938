<?php
/**
 * Plugin Name: Greedy
 * Description: Adds a field to every tick, whatever the beat has.
 */

function greedy_received($response) {
	$response['greedy'] = time();
	return $response;
}
add_filter('heartbeat_received', 'greedy_received');
