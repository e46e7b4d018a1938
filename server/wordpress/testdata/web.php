<?php
// Tells the Go tests what PHP read from their request, and sends the cookie
// back as PHP encodes it.

if (isset($_COOKIE['c'])) {
    setcookie('c', $_COOKIE['c']);
}
echo serialize([$_POST, $_GET, $_COOKIE['c'] ?? null]);
