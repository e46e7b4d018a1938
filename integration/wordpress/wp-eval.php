<?php
// Runs PHP code from standard input in the WordPress in the folder of the first argument, and
// prints the returned value as JSON after a NUL byte.

preg_match("/'WP_HOME', 'http:\/\/([^']+)'/", file_get_contents($argv[1] . '/wp-config.php'), $home);
$_SERVER['HTTP_HOST'] = $home[1] ?? '127.0.0.1';
$_SERVER['REMOTE_ADDR'] = '127.0.0.1';
require $argv[1] . '/wp-load.php';
$result = eval(stream_get_contents(STDIN));
echo "\0", json_encode($result), "\0";
