<?php
// Answers the Go tests with what PHP makes of their input. A question on stdin
// is one byte that names it, the length of its input as a 32-bit big-endian
// number, and the input; an answer on stdout is the length and the answer.

set_error_handler(function (int $level, string $message) {
    // Beyond its limits parse_str warns and goes on.
    if (!str_starts_with($message, 'parse_str(): Input variable')) {
        throw new ErrorException($message);
    }
});

while (strlen($head = stream_get_contents(STDIN, 5)) === 5) {
    ['length' => $length] = unpack('Nlength', $head, 1);
    $answer = answer($head[0], $length ? stream_get_contents(STDIN, $length) : '');
    fwrite(STDOUT, pack('N', strlen($answer)) . $answer);
}

function answer(string $question, string $input): string
{
    switch ($question) {
        case 'q': // a query string
            parse_str($input, $form);
            return serialize($form);
        case 'j': // a value to encode
            return to_json(value($input));
        case 'r': // JSON to write again
            $value = json_decode($input, true);
            return json_last_error() ? '' : to_json($value);
        case 's': // a key to sanitize
            return preg_replace('/[^a-z0-9_\-]/', '', strtolower($input));
        case 'e': // a value that may be empty
            $value = value($input);
            return empty($value) ? '1' : '0';
        case 'n':
            return nonce(...value($input));
        case 'c':
            return cookie(...value($input));
    }
    exit(1);
}

function value(string $serialized): mixed
{
    return unserialize($serialized, ['allowed_classes' => false, 'max_depth' => 0]);
}

// When a string is not UTF-8, WordPress converts all of them and tries again.
function to_json(mixed $value): string
{
    $json = json_encode($value);
    return $json === false ? (string) json_encode(to_utf8($value)) : $json;
}

function to_utf8(mixed $value): mixed
{
    if (is_string($value)) {
        return mb_convert_encoding($value, 'UTF-8', 'UTF-8');
    }
    if (!is_array($value)) {
        return $value;
    }
    $clean = [];
    foreach ($value as $key => $element) {
        $clean[is_string($key) ? to_utf8($key) : $key] = to_utf8($element);
    }
    return $clean;
}

function nonce(string $secret, string $action, int $user, string $token, int $now): string
{
    $tick = (int) ceil($now / 43200);
    return substr(hash_hmac('md5', "$tick|$action|$user|$token", $secret), 20, 10);
}

function cookie(string $secret, string $login, string $hash, int $expiration, string $token, string $site): string
{
    $early = str_starts_with($hash, '$P$') || str_starts_with($hash, '$2y$');
    $fragment = $early ? substr($hash, 8, 4) : substr($hash, -4);
    $key = hash_hmac('md5', "$login|$fragment|$expiration|$token", $secret);
    $mac = hash_hmac('sha256', "$login|$expiration|$token", $key);
    return serialize([
        'wordpress_logged_in_' . md5($site),
        rawurlencode("$login|$expiration|$token|$mac"),
        hash('sha256', $token),
    ]);
}
