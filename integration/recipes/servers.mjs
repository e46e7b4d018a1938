// Web servers on loopback with the recipes in this folder. Only the addresses of the recipes are
// replaced.

import { chownSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { accepts, makeCertificate, ruleSet, startApache, startNginx } from '../fronts/fronts.mjs'
import { freePort } from '../setup/services.mjs'

const here = fileURLToPath(new URL('.', import.meta.url))

// serve serves the folder root at {url}, with PHP at the socket php, until services stop. heartbeatd
// is the address and wordpress the port of the recipes. Options: front also uses the recipe for
// admin-ajax.php; plain has no permalinks; impatient sets the timeout of a minute to a second;
// http2 serves HTTPS and HTTP/2 with the certificate {cert}; level is the paranoia level of the core
// rule set; edit changes the text of a recipe.
export async function serve(services, kind, options) {
	const { heartbeatd, wordpress, impatient = false, edit = (text) => text, ...site } = { http2: false, front: false, plain: false, ...options }
	const { folder } = services
	const { http2, php, root } = site
	if (http2) makeCertificate(folder, services.user)
	site.folder = folder
	site.port ??= await freePort()
	// recipe copies a file of this folder, changed, and returns the path of the copy.
	site.recipe = (name, change = edit) => {
		let text = change(readFileSync(here + name, 'utf8'))
			.replaceAll(/\b8080\b/g, new URL(heartbeatd).port).replaceAll(/(127\.0\.0\.1|http:\/\/):8082/g, `$1:${wordpress}`)
			.replaceAll('/run/php/php-fpm.sock', php).replaceAll('/var/www/html', root)
		if (impatient) text = text.replaceAll(/\b65(s?)\b/g, '1$1')
		const file = `${folder}/${name.replaceAll('/', '-')}`
		writeFileSync(file, text)
		return file
	}
	await kinds[kind](services, site)
	const url = `${http2 ? 'https' : 'http'}://127.0.0.1:${site.port}`
	await services.until(`${kind} at ${url}`, () => (http2 ? accepts(site.port) : fetch(url, { redirect: 'manual' }).then(() => true, () => false)))
	return { url, port: site.port, folder, cert: `${folder}/cert.pem` }
}

const kinds = { nginx, apache, caddy, lighttpd, haproxy, varnish, modsecurity, compose }

function nginx(services, site) {
	const { front, recipe } = site
	const lines = `include ${recipe('nginx/heartbeatd.conf')};\n\t\t${front ? `include ${recipe('nginx/front-site.conf')};` : ''}`
	serveSite(services, site, { lines, http: front ? `include ${recipe('nginx/front-wordpress.conf')};` : '' })
}

// compose is the nginx of docker/compose.yaml.
function compose(services, site) {
	const { port, php, recipe } = site
	const route = recipe('nginx/heartbeatd.conf')
	const change = (text) => text.replace('listen 80;', `listen 127.0.0.1:${port};`).replace('/etc/nginx/heartbeatd.conf', route).replace('wordpress:9000', `unix:${php}`)
	startNginx(services, site, { http: `include /etc/nginx/mime.types;\ninclude ${recipe('docker/nginx.conf', change)};` })
}

// serveSite serves the site by nginx, without a recipe. http and lines are lines of its configuration.
function serveSite(services, { root, port, php, plain, http2 }, { http = '', lines = '' } = {}) {
	startNginx(services, { port, http2 }, {
		http: `include /etc/nginx/mime.types;\n${http}`,
		server: `
		root ${root};
		index index.php;
		${lines}
		location / { try_files $uri $uri/ ${plain ? '=404' : '/index.php?$args'}; }
		location ~* \\.(js|css)$ { expires max; }
		location ~ \\.php$ {
			include /etc/nginx/fastcgi_params;
			fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;
			fastcgi_pass unix:${php};
		}`,
	})
}

const apacheModules = [
	'mpm_event', 'authz_core', 'authz_host', 'dir', 'mime', 'setenvif', 'rewrite', 'remoteip', 'expires', 'reqtimeout',
	'proxy', 'proxy_http', 'proxy_wstunnel', 'proxy_fcgi', 'proxy_balancer', 'lbmethod_byrequests', 'slotmem_shm',
]

function apache(services, { folder, root, port, php, front, http2, recipe }, lines = '') {
	startApache(services, port, [...apacheModules, ...(http2 ? ['ssl', 'http2'] : [])], `
${lines}
TypesConfig /etc/mime.types
RequestReadTimeout header=20-40,minrate=500 body=20,minrate=500
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
	${http2 ? `Protocols h2 http/1.1\n\tSSLEngine on\n\tSSLOptions +StdEnvVars\n\tSSLCertificateFile ${folder}/cert.pem\n\tSSLCertificateKeyFile ${folder}/key.pem` : ''}
	DocumentRoot ${root}
	DirectoryIndex index.php
	Include ${recipe('apache/heartbeatd.conf')}
	${front ? `Include ${recipe('apache/front-site.conf')}` : ''}
	ExpiresActive On
	ExpiresByType text/javascript "access plus 1 year"
</VirtualHost>
${front ? `Include ${recipe('apache/front-wordpress.conf')}` : ''}`)
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

function lighttpd(services, { folder, root, port, php, plain, http2, recipe }) {
	writeFileSync(`${folder}/lighttpd.conf`, `
server.modules = ( "mod_rewrite", "mod_expire", "mod_fastcgi" )
server.bind = "127.0.0.1"
server.port = ${port}
server.document-root = "${root}"
server.upload-dirs = ( "${folder}" )
server.pid-file = "${folder}/lighttpd.pid"
index-file.names = ( "index.php" )
static-file.exclude-extensions = ( ".php" )
mimetype.assign = ( ".js" => "text/javascript", ".css" => "text/css", ".svg" => "image/svg+xml", "" => "application/octet-stream" )
$HTTP["url"] =~ "\\.(js|css)$" { expire.url = ( "" => "access plus 1 years" ) }
${plain ? '' : 'url.rewrite-if-not-file = ( "^(?!.*/wp-admin/)" => "/index.php" )'}
fastcgi.server = ( ".php" => (( "socket" => "${php}", "broken-scriptfilename" => "enable" )) )
${http2 ? `server.modules += ( "mod_openssl" )
ssl.engine = "enable"
ssl.pemfile = "${folder}/cert.pem"
ssl.privkey = "${folder}/key.pem"` : ''}
include "${recipe('lighttpd/heartbeatd.conf')}"
`)
	services.start('lighttpd', '/usr/sbin/lighttpd', ['-D', '-f', `${folder}/lighttpd.conf`])
}

// haproxy has the site's web server, nginx, behind it.
async function haproxy(services, site) {
	const { folder, port, http2, recipe } = site
	const inner = await freePort()
	serveSite(services, { ...site, port: inner, http2: false })
	if (http2) writeFileSync(`${folder}/haproxy.pem`, readFileSync(`${folder}/cert.pem`) + readFileSync(`${folder}/key.pem`))
	writeFileSync(`${folder}/haproxy.cfg`, `
global
	log stderr local0 warning
defaults
	mode http
	option abortonclose
	timeout connect 5s
	timeout client 50s
	timeout server 50s
frontend public
	bind 127.0.0.1:${port}${http2 ? ` ssl crt ${folder}/haproxy.pem alpn h2,http/1.1` : ''}
	use_backend heartbeatd if { path_beg /heartbeat/ }
	default_backend web
backend web
	server web 127.0.0.1:${inner}
`)
	services.start('haproxy', '/usr/sbin/haproxy', ['-db', '-f', `${folder}/haproxy.cfg`, '-f', recipe('haproxy/heartbeatd.cfg')])
}

// varnish has the site's web server, nginx, behind it. It stores every answer for visitors who are not
// logged in, for an hour.
async function varnish(services, site) {
	const { folder, port, recipe } = site
	const inner = await freePort()
	serveSite(services, { ...site, port: inner })
	writeFileSync(`${folder}/site.vcl`, `
vcl 4.0;
backend web { .host = "127.0.0.1"; .port = "${inner}"; }
include "${recipe('varnish/heartbeatd.vcl')}";
sub vcl_recv {
	if (req.method !~ "GET|HEAD" || req.http.Cookie ~ "wordpress_logged_in" || req.url ~ "/wp-(admin|login)") { return (pass); }
	unset req.http.Cookie;
	return (hash);
}
sub vcl_backend_response {
	if (beresp.uncacheable) { return (deliver); }
	unset beresp.http.Set-Cookie;
	set beresp.ttl = 1h;
	return (deliver);
}
`)
	mkdirSync(`${folder}/varnish`)
	if (services.user) chownSync(`${folder}/varnish`, services.user.uid, services.user.gid)
	services.start('varnish', 'varnishd', ['-F', '-j', 'none', '-n', `${folder}/varnish`, '-a', `127.0.0.1:${port}`, '-f', `${folder}/site.vcl`, '-s', 'malloc,16m', '-T', 'none'])
}

// modsecurity is Apache with the core rule set.
function modsecurity(services, site) {
	const rules = ruleSet(site.folder, { level: site.level ?? 2, rules: `Include ${site.recipe('modsecurity/heartbeatd.conf')}` })
	apache(services, site, rules)
}
