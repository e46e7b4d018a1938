<?php
/**
 * Plugin Name: Own handle, method
 * Description: Answers its own handle only, with a method of an object.
 */

class Own_Method {
    private $handle = 'own-method';

    public function __construct() {
        add_filter('heartbeat_received', array($this, 'received'), 10, 3);
    }

    public function received($response, $data, $screen_id) {
        if (array_key_exists($this->handle, $data)) {
            $response[$this->handle] = $screen_id;
        }
        return $response;
    }
}
new Own_Method();
