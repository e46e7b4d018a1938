// A site on loopback, served by nginx, Apache or Caddy with the recipes in this folder. Only
// their addresses are replaced. PHP is real; a script takes the place of WordPress and returns
// what it received.

import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { makeCertificate } from '../fronts/fronts.mjs'
import { freePort, startPHP, startServices } from '../setup/services.mjs'

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

// startSite serves a site at {url} until the test ends. heartbeatd is the address and
// wordpress the port of the recipes. Options: front also uses the recipe for admin-ajax.php;
// plain has no permalinks; impatient sets the timeout of a minute to a second;
// http2 serves HTTPS and HTTP/2 with the certificate {cert}; edit changes the text of a recipe.
export async function startSite(t, kind, { heartbeatd, wordpress, port, front = false, plain = false, impatient = false, http2 = false, edit = (text) => text }) {
	const services = startServices(t, 'recipe')
	const { folder } = services
	const root = `${folder}/www`
	for (const dir of [root, `${root}/blog`]) {
		mkdirSync(`${dir}/wp-admin`, { recursive: true })
		writeFileSync(`${dir}/wp-admin/admin-ajax.php`, ajax)
		mkdirSync(`${dir}/${plugin}`, { recursive: true })
		copyFileSync(`${here}../wordpress/heartbeatd/assets/heartbeat.js`, `${dir}/${plugin}/heartbeat.js`)
	}
	writeFileSync(`${root}/index.php`, index)
	if (!plain) writeFileSync(`${root}/.htaccess`, htaccess)

	if (http2) makeCertificate(folder, services.user)
	const site = { folder, root, front, plain, http2, port: port ?? (await freePort()), php: await startPHP(services) }
	// recipe copies a file of this folder and returns the path of the copy.
	site.recipe = (name) => {
		let text = edit(readFileSync(here + name, 'utf8'))
			.replaceAll('127.0.0.1:8080', new URL(heartbeatd).host).replaceAll(/(127\.0\.0\.1|http:\/\/):8082/g, `$1:${wordpress}`)
			.replaceAll('/run/php/php-fpm.sock', site.php).replaceAll('/var/www/html', root)
		if (impatient) text = text.replaceAll(/\b65(s?)\b/g, '1$1')
		const file = `${folder}/${name.replaceAll('/', '-')}`
		writeFileSync(file, text)
		return file
	}
	kinds[kind](services, site)
	const url = `http://127.0.0.1:${site.port}`
	await services.until(`${kind} at ${url}`, () => fetch(url).then(() => true, () => false))
	return { url, port: site.port, cert: `${folder}/cert.pem` }
}

const kinds = { nginx, apache, caddy }

function nginx(services, { folder, root, port, php, front, plain, http2, recipe }) {
	const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/nginx-${name};`).join(' ')
	writeFileSync(`${folder}/nginx.conf`, `
daemon off;
pid ${folder}/nginx.pid;
error_log stderr;
worker_processes 1;
events {}
http {
	include /etc/nginx/mime.types;
	access_log off;
	${temp}
	${front ? `include ${recipe('nginx/front-wordpress.conf')};` : ''}
	server {
		listen 127.0.0.1:${port}${http2 ? ' ssl http2' : ''};
		${http2 ? `ssl_certificate ${folder}/cert.pem; ssl_certificate_key ${folder}/key.pem;` : ''}
		root ${root};
		index index.php;
		include ${recipe('nginx/heartbeatd.conf')};
		${front ? `include ${recipe('nginx/front-site.conf')};` : ''}
		location / { try_files $uri $uri/ ${plain ? '=404' : '/index.php?$args'}; }
		location ~* \\.(js|css)$ { expires max; }
		location ~ \\.php$ {
			include /etc/nginx/fastcgi_params;
			fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;
			fastcgi_pass unix:${php};
		}
	}
}
`)
	services.start('nginx', 'nginx', ['-e', 'stderr', '-c', `${folder}/nginx.conf`])
}

const apacheModules = [
	'mpm_event', 'authz_core', 'authz_host', 'dir', 'mime', 'setenvif', 'rewrite', 'remoteip', 'expires', 'reqtimeout',
	'proxy', 'proxy_http', 'proxy_wstunnel', 'proxy_fcgi', 'proxy_balancer', 'lbmethod_byrequests', 'slotmem_shm',
]

function apache(services, { folder, root, port, php, front, http2, recipe }) {
	writeFileSync(`${folder}/apache.conf`, `
ServerName localhost
ServerRoot ${folder}
DefaultRuntimeDir ${folder}
PidFile ${folder}/apache.pid
ErrorLog "|$cat >&2"
${[...apacheModules, ...(http2 ? ['ssl', 'http2'] : [])].map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`).join('\n')}
TypesConfig /etc/mime.types
RequestReadTimeout header=20-40,minrate=500 body=20,minrate=500
Listen 127.0.0.1:${port}
<Directory />
	Require all denied
</Directory>
<Directory ${root}>
	AllowOverride All
	Require all granted
</Directory>
<FilesMatch \\.php$>
	SetHandler "proxy:unix:${php}|fcgi://localhost"
</FilesMatch>
<VirtualHost 127.0.0.1:${port}>
	${http2 ? `Protocols h2\n\tSSLEngine on\n\tSSLCertificateFile ${folder}/cert.pem\n\tSSLCertificateKeyFile ${folder}/key.pem` : ''}
	DocumentRoot ${root}
	DirectoryIndex index.php
	Include ${recipe('apache/heartbeatd.conf')}
	${front ? `Include ${recipe('apache/front-site.conf')}` : ''}
	ExpiresActive On
	ExpiresByType text/javascript "access plus 1 year"
</VirtualHost>
${front ? `Include ${recipe('apache/front-wordpress.conf')}` : ''}
`)
	services.start('apache', '/usr/sbin/apache2', ['-DFOREGROUND', '-f', `${folder}/apache.conf`])
}

function caddy(services, { folder, root, port, php, front, plain, http2, recipe }) {
	writeFileSync(`${folder}/Caddyfile`, `
{
	admin off
	auto_https off
	grace_period 1s
}
import ${recipe('caddy/heartbeatd.caddyfile')}
${front ? `import ${recipe('caddy/front.caddyfile')}` : ''}
${http2 ? `https://127.0.0.1:${port}` : `http://:${port}`} {
	${http2 ? `tls ${folder}/cert.pem ${folder}/key.pem` : ''}
	bind 127.0.0.1
	root * ${root}
	encode gzip
	import heartbeatd
	${front ? 'import heartbeatd-front' : ''}
	php_fastcgi unix/${php} {
		${plain ? 'try_files {path}' : ''}
	}
	file_server
}
`)
	services.start('caddy', 'env', [`XDG_DATA_HOME=${folder}`, `XDG_CONFIG_HOME=${folder}`, 'caddy', 'run', '--config', `${folder}/Caddyfile`, '--adapter', 'caddyfile'])
}
