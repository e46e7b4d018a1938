<?php
/**
 * Plugin Name: Every hook
 * Description: Uses every documented hook of admin-ajax and Heartbeat, and logs the arguments.
 */

// One log file for each client, which a cookie names.
function every_hook_note(string $hook, ...$arguments): void {
	$client = sanitize_key($_COOKIE['live_client'] ?? 'none');
	file_put_contents(WP_CONTENT_DIR . "/every-hook-$client.log", wp_json_encode(array($hook, ...$arguments)) . "\n", FILE_APPEND);
}

function every_hook_enqueue(): void {
	wp_enqueue_script('every-hook', plugins_url('every-hook.js', __FILE__), array('jquery', 'heartbeat'), '1', true);
	wp_localize_script('every-hook', 'everyHook', array(
		'url'   => admin_url('admin-ajax.php'),
		'nonce' => wp_create_nonce('every_hook_nonce'),
	));
}
add_action('admin_enqueue_scripts', 'every_hook_enqueue');
add_action('wp_enqueue_scripts', 'every_hook_enqueue');

add_filter('heartbeat_settings', function ($settings) {
	$settings['interval'] = 3;
	return $settings;
});

add_filter('heartbeat_received', function ($response, $data, $screen_id) {
	every_hook_note('heartbeat_received', $response, $data, $screen_id);
	if (!empty($data['every_hook_field'])) {
		$response['every_hook_hashed'] = sha1($data['every_hook_field']);
		$response['every_hook_echo']   = $data['every_hook_nested'] ?? null;
	}
	return $response;
}, 10, 3);

add_filter('heartbeat_send', function ($response, $screen_id) {
	every_hook_note('heartbeat_send', $response, $screen_id);
	$response['notification_count'] = 3;
	return $response;
}, 10, 2);

add_action('heartbeat_tick', function ($response, $screen_id) {
	every_hook_note('heartbeat_tick', $response, $screen_id);
	update_user_meta(get_current_user_id(), 'last_activity', time());
}, 10, 2);

add_filter('heartbeat_nopriv_received', function ($response, $data, $screen_id) {
	every_hook_note('heartbeat_nopriv_received', $response, $data, $screen_id);
	$response['every_hook_visitor'] = true;
	return $response;
}, 10, 3);

add_filter('heartbeat_nopriv_send', function ($response, $screen_id) {
	every_hook_note('heartbeat_nopriv_send', $response, $screen_id);
	return $response;
}, 10, 2);

add_action('heartbeat_nopriv_tick', function ($response, $screen_id) {
	every_hook_note('heartbeat_nopriv_tick', $response, $screen_id);
}, 10, 2);

add_filter('wp_refresh_nonces', function ($response, $data, $screen_id) {
	every_hook_note('wp_refresh_nonces', $response, $data, $screen_id);
	$response['every_hook_nonce'] = wp_create_nonce('every_hook_nonce');
	return $response;
}, 10, 3);

add_action('wp_ajax_heartbeat', function () {
	every_hook_note('wp_ajax_heartbeat', array_keys($_POST), $_POST['interval'], $_POST['has_focus']);
}, 0);

add_action('wp_ajax_every_hook', function () {
	check_ajax_referer('every_hook_nonce', 'security');
	wp_send_json_success(array('user' => is_user_logged_in()));
});

add_action('wp_ajax_nopriv_every_hook', function () {
	wp_send_json_error('Login required', 401);
});

add_action('check_ajax_referer', function ($action, $result) {
	every_hook_note('check_ajax_referer', $action, $result);
}, 10, 2);

add_filter('wp_doing_ajax', function ($doing) {
	static $noted = false;
	if ($doing && !$noted) {
		$noted = true;
		every_hook_note('wp_doing_ajax', $_REQUEST['action'] ?? 'unknown');
	}
	return $doing;
});
