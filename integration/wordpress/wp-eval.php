<?php
// Runs PHP code from standard input in the WordPress in the folder of the first argument, and
// prints the returned value as JSON after a NUL byte.
//
// With the second argument "serve" it does so for one piece of code after the other, each in a new
// process, and prints END after each. A piece has its length in bytes in a line before it. The
// processes share the compiled files of the site.

const END = "\0END\0";
$code = isset($argv[2]) ? null : stream_get_contents(STDIN);
while (null === $code) {
	$piece = stream_get_contents(STDIN, (int) fgets(STDIN));
	$child = pcntl_fork();
	if (0 === $child) {
		$code = $piece;
	} else {
		pcntl_waitpid($child, $status);
		fwrite(STDOUT, END);
	}
}
$_SERVER['REQUEST_TIME_FLOAT'] = microtime(true);
$_SERVER['REQUEST_TIME'] = time();
preg_match("/'WP_HOME', 'http:\/\/([^']+)'/", file_get_contents($argv[1] . '/wp-config.php'), $home);
$_SERVER['HTTP_HOST'] = $home[1] ?? '127.0.0.1';
$_SERVER['REMOTE_ADDR'] = '127.0.0.1';
require $argv[1] . '/wp-load.php';
$result = eval($code);
echo "\0", json_encode($result), "\0";
