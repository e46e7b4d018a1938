// A site on loopback, served with the recipes in this folder. PHP is real; a script takes the place
// of WordPress and returns what it received.

import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { startPHP, startServices } from '../setup/services.mjs'
import { serve } from './servers.mjs'

const here = fileURLToPath(new URL('.', import.meta.url))

// The folder of the plugin's scripts.
const plugin = 'wp-content/plugins/heartbeatd/assets'

// Takes the place of WordPress's admin-ajax.php. Without an action, and for the beat of a
// visitor, it answers as WordPress does; otherwise with what PHP received.
const ajax = `<?php
if (!isset($_REQUEST['action'])) {
	http_response_code(400);
	exit('0');
}
header('Content-Type: application/json');
if (array('action' => 'heartbeat') === $_POST) {
	exit(json_encode(['wp-auth-check' => false, 'server_time' => time()]));
}
echo json_encode(['php' => $_SERVER['REQUEST_METHOD'], 'body' => file_get_contents('php://input'), 'host' => $_SERVER['HTTP_HOST'],
	'address' => $_SERVER['REMOTE_ADDR'], 'https' => $_SERVER['HTTPS'] ?? '']);
`

// WordPress's index.php, for every path that is not a file, and its .htaccess.
const index = "<?php http_response_code(404); echo '<!doctype html><title>WordPress has no such page</title>';"
const htaccess = 'RewriteEngine On\nRewriteCond %{REQUEST_FILENAME} !-f\nRewriteRule . /index.php [L]\n'

// startSite serves a site until the test ends, as serve in servers.mjs does, and with its options.
// plain has no permalinks.
export async function startSite(t, kind, { plain = false, ...options }) {
	const services = startServices(t, 'recipe')
	const root = `${services.folder}/www`
	for (const dir of [root, `${root}/blog`]) {
		mkdirSync(`${dir}/wp-admin`, { recursive: true })
		writeFileSync(`${dir}/wp-admin/admin-ajax.php`, ajax)
		mkdirSync(`${dir}/${plugin}`, { recursive: true })
		copyFileSync(`${here}../wordpress/heartbeatd/assets/heartbeat.js`, `${dir}/${plugin}/heartbeat.js`)
	}
	writeFileSync(`${root}/index.php`, index)
	if (!plain) writeFileSync(`${root}/.htaccess`, htaccess)
	return serve(services, kind, { root, php: await startPHP(services), plain, ...options })
}
