<?php
/**
 * Plugin Name:       heartbeatd
 * Description:       Makes the Heartbeat API real-time: beats travel over WebSocket, server-sent events or long-poll, changes arrive at once, and PHP runs only for beats that it alone can answer.
 * Version:           0.1.0
 * Requires at least: 6.2
 * Requires PHP:      7.4
 * Author:            The heartbeatd contributors
 * License:           MIT
 * License URI:       https://opensource.org/license/mit
 * Text Domain:       heartbeatd
 * Domain Path:       /languages
 *
 * This file is short because WordPress searches it for these headers in every request.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

define( 'HEARTBEATD_PLUGIN_VERSION', '0.1.0' );
define( 'HEARTBEATD_PLUGIN_FILE', __FILE__ );

require __DIR__ . '/load.php';
