<?php
// Prints the nonces and cookies that the WordPress in the folder of the first argument makes
// now, for users with every kind of password hash and many kinds of login.

$_SERVER['REQUEST_METHOD'] = 'GET'; // core's cookie check reads it
require $argv[1] . '/wp-load.php';
require_once ABSPATH . WPINC . '/class-phpass.php';

// Sites that allow more characters in a login than core use this filter.
add_filter('sanitize_user', fn ($clean, $raw) => $raw, 10, 2);

$password = 'correct horse';
$portable = (new PasswordHash(8, true))->HashPassword($password);
$users = [
    'editor' => null, // as this WordPress hashes it
    'from-2010' => $portable,
    'bcrypt' => password_hash($password, PASSWORD_BCRYPT, ['cost' => 4]),
    'argon' => '$argon2id$v=19$m=65536,t=4,p=1$c29tZXNhbHQ$RdescudvJCsgt3ub+b/dWRWJTmaaJObG',
    'md5' => md5($password),
    'first last' => null,
    "o'brien+test@example.org" => $portable,
    'José Ñandú' => null,
    '名前' => null,
    '100%25&amp;=;"' => null,
];

$vectors = [];
foreach ($users as $login => $hash) {
    $user = vector_user($login, $hash);
    $vectors[] = vector($user, 'heartbeat-nonce', DAY_IN_SECONDS);
    $vectors[] = vector($user, 'wp_rest', 14 * DAY_IN_SECONDS);
}
echo json_encode($vectors);

function vector_user(string $login, ?string $hash): WP_User
{
    global $wpdb;
    $user = get_user_by('login', $login);
    if (!$user) {
        $id = wp_insert_user(['user_login' => $login, 'user_pass' => 'correct horse', 'role' => 'editor']);
        if (is_wp_error($id)) {
            vector_fail("$login: " . $id->get_error_message());
        }
        if ($hash !== null) {
            $wpdb->update($wpdb->users, ['user_pass' => $hash], ['ID' => $id]);
            clean_user_cache($id);
        }
        $user = get_user_by('id', $id);
    }
    return $user;
}

function vector(WP_User $user, string $action, int $life): array
{
    $now = time();
    $expiration = $now + $life;
    $token = WP_Session_Tokens::get_instance($user->ID)->create($expiration);
    $cookie = wp_generate_auth_cookie($user->ID, $expiration, 'logged_in', $token);
    if (wp_validate_auth_cookie($cookie, 'logged_in') !== $user->ID) {
        vector_fail("$user->user_login: WordPress refuses its own cookie");
    }
    // The nonce depends on the session token in the request's cookie.
    $_COOKIE[LOGGED_IN_COOKIE] = $cookie;
    wp_set_current_user($user->ID);
    $nonce = wp_create_nonce($action);
    if (wp_verify_nonce($nonce, $action) !== 1) {
        vector_fail("$user->user_login: WordPress refuses its own nonce");
    }
    return [
        'siteurl' => get_site_option('siteurl'),
        'nonce_key_salt' => wp_salt('nonce'),
        'logged_in_key_salt' => wp_salt('logged_in'),
        'user_id' => $user->ID,
        'login' => $user->user_login,
        'password_hash' => $user->user_pass,
        'token' => $token,
        'expiration' => $expiration,
        'now' => $now,
        'action' => $action,
        'nonce' => $nonce,
        'cookie' => $cookie,
    ];
}

function vector_fail(string $message): never
{
    fwrite(STDERR, "$message\n");
    exit(1);
}
