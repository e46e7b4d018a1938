<?php
/**
 * Plugin Name: Own handle, closure of a trait
 * Description: Answers its own handle only, with a closure that a trait makes.
 */

trait Own_Trait_Closure {
    public static function answer($handle) {
        return function ($response, $data) use ($handle) {
            if (isset($data[$handle])) {
                $response[$handle] = array();
            }
            return $response;
        };
    }
}
class Own_Trait_Closure_User {
    use Own_Trait_Closure;
}
add_filter('heartbeat_received', Own_Trait_Closure_User::answer('own-trait-closure'), 10, 2);
