<?php
/**
 * Plugin Name: Own handles, two closures on one line
 * Description: Answers two handles of its own, each with a closure.
 */

foreach (array('own-first-closure', 'own-second-closure') as $own_two_closures) add_filter('heartbeat_received', fn ($response, $data) => isset($data[$own_two_closures]) ? $response + array($own_two_closures => 1) : $response, 10, 2);
