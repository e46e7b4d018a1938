<?php
// Installs the WordPress in the folder of the first argument, with a user of each role, and
// prints their passwords and ids as JSON.

define('WP_INSTALLING', true);
require $argv[1] . '/wp-load.php';
require ABSPATH . 'wp-admin/includes/upgrade.php';

$password = fn (string $login) => "$login password";

$installed = wp_install('Heartbeat', 'admin', 'admin@example.org', false, '', $password('admin'));
$users = ['admin' => ['id' => $installed['user_id'], 'role' => 'administrator']];
foreach (['editor', 'author', 'subscriber'] as $role) {
    $id = wp_insert_user([
        'user_login' => $role,
        'user_pass' => $password($role),
        'user_email' => "$role@example.org",
        'display_name' => ucfirst($role),
        'role' => $role,
    ]);
    if (is_wp_error($id)) {
        fwrite(STDERR, $id->get_error_message());
        exit(1);
    }
    $users[$role] = ['id' => $id, 'role' => $role];
}
foreach ($users as $login => $user) {
    $users[$login] += ['login' => $login, 'password' => $password($login)];
}

$GLOBALS['wp_rewrite']->set_permalink_structure('/%postname%/');
$GLOBALS['wp_rewrite']->flush_rules();

echo json_encode(['version' => $GLOBALS['wp_version'], 'users' => $users]);
