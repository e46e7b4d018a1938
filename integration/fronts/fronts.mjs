// Programs between browsers and heartbeatd, each the real one on a free loopback port, in front of
// one address:
//
//	const front = await startProxy(t, server.url, nginx({ location: 'proxy_cache …;' }))
//	await openDemo(t, browser, front, 1)

import { execFileSync } from 'node:child_process'
import { chownSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { freePort, startServices } from '../setup/services.mjs'

// startProxy runs the program at {url} until the test ends.
export async function startProxy(t, backend, kind, scheme = 'http') {
	const services = startServices(t, 'front')
	const { folder } = services
	const port = await freePort()
	kind(services, { folder, port, backend: new URL(backend).host })
	const url = `http://127.0.0.1:${port}`
	await services.until(`the front at ${url}`, () => (scheme === 'https' ? accepts(port) : fetch(url).then(() => true, () => false)))
	return { url: url.replace('http', scheme), cert: `${folder}/cert.pem` }
}

// accepts tells whether a program listens on a port.
export const accepts = (port) => new Promise((resolve) => {
	const socket = connect(port, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false)).on('close', () => resolve(false))
	socket.end()
})

// nginx forwards every request unchanged. location and http are lines of its configuration. Without
// upgrade there is no WebSocket. With http2 it serves HTTPS with a self-signed certificate.
export function nginx({ http = '', server = '', location = '', upgrade = true, http2 = false } = {}) {
	return (services, { folder, port, backend }) => {
		if (http2) makeCertificate(folder, services.user)
		const pass = `
			proxy_pass http://${backend};
			proxy_http_version 1.1;
			proxy_set_header Host $http_host;
			${upgrade ? 'proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $http_connection;' : 'proxy_set_header Connection "";'}`
		startNginx(services, { port, http2 }, {
			http: `proxy_cache_path ${folder}/cache keys_zone=cache:1m;\n${http}`,
			server: `${server}\nlocation / {${pass}}\nlocation /heartbeat/ {${pass}${location}}`,
		})
	}
}

// startNginx runs nginx. http and server are lines of its configuration: without server, those of http have
// servers. With http2 it serves HTTPS and HTTP/2 at a port with the certificate of makeCertificate.
export function startNginx(services, { port, http2 }, { http, server }) {
	const { folder } = services
	const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/nginx-${name};`).join(' ')
	writeFileSync(`${folder}/nginx.conf`, `
daemon off;
pid ${folder}/nginx.pid;
error_log stderr;
worker_processes 1;
events {}
http {
	access_log off;
	${temp}
	${http}
	${server ? `server {
		listen 127.0.0.1:${port}${http2 ? ' ssl http2' : ''};
		${http2 ? `ssl_certificate ${folder}/cert.pem; ssl_certificate_key ${folder}/key.pem;` : ''}
		${server}
	}` : ''}
}
`)
	services.start('nginx', 'nginx', ['-e', 'stderr', '-c', `${folder}/nginx.conf`])
}

// makeCertificate makes a certificate for 127.0.0.1, in folder/cert.pem and key.pem.
export function makeCertificate(folder, user) {
	const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1']
	const options = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', ...subject]
	execFileSync('openssl', ['req', ...options, '-keyout', `${folder}/key.pem`, '-out', `${folder}/cert.pem`], { stdio: 'ignore' })
	if (user) chownSync(`${folder}/key.pem`, user.uid, user.gid)
}

// haproxy forwards every request unchanged. global and frontend are lines of its configuration, and
// server is about the server behind it. With http2 it serves HTTPS with a self-signed certificate, and
// offers WebSockets over HTTP/2.
export function haproxy({ global = '', frontend = '', server = '', http2 = false } = {}) {
	return (services, { folder, port, backend }) => {
		if (http2) {
			makeCertificate(folder, services.user)
			writeFileSync(`${folder}/haproxy.pem`, readFileSync(`${folder}/cert.pem`) + readFileSync(`${folder}/key.pem`))
		}
		writeFileSync(`${folder}/haproxy.cfg`, `
global
	log stderr local0 warning
	${global}
defaults
	mode http
	timeout connect 5s
	timeout client 60s
	timeout server 60s
	timeout tunnel 60s
frontend public
	bind 127.0.0.1:${port}${http2 ? ` ssl crt ${folder}/haproxy.pem alpn h2,http/1.1` : ''}
	${frontend}
	default_backend heartbeatd
backend heartbeatd
	server heartbeatd ${backend} ${server}
`)
		services.start('haproxy', '/usr/sbin/haproxy', ['-db', '-f', `${folder}/haproxy.cfg`])
	}
}

// varnish uses its built-in rules.
export function varnish() {
	return (services, { folder, port, backend }) => {
		mkdirSync(`${folder}/varnish`)
		if (services.user) chownSync(`${folder}/varnish`, services.user.uid, services.user.gid)
		services.start('varnish', 'varnishd', ['-F', '-j', 'none', '-n', `${folder}/varnish`, '-a', `127.0.0.1:${port}`, '-b', backend, '-s', 'malloc,16m', '-T', 'none'])
	}
}

const loadModules = (...names) => names.map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so\n`).join('')

// ruleSet returns lines of Apache's configuration: Debian's package of the core rule set at a paranoia
// level. It refuses with 403. rules are lines before the rule set.
export function ruleSet(folder, { level, rules = '' }) {
	const recommended = readFileSync('/etc/modsecurity/modsecurity.conf-recommended', 'utf8')
	writeFileSync(`${folder}/modsecurity.conf`, recommended.replaceAll(/^(SecAuditLog|SecUnicodeMapFile|SecTmpDir|SecDataDir) .*$/gm, ''))
	return `
${loadModules('unique_id', 'security2')}
Include ${folder}/modsecurity.conf
SecRuleEngine On
SecAuditEngine Off
SecUnicodeMapFile /etc/modsecurity/unicode.mapping 20127
SecTmpDir ${folder}
SecDataDir ${folder}
SecAction "id:900000,phase:1,nolog,pass,t:none,setvar:tx.paranoia_level=${level}"
${rules}
Include /etc/modsecurity/crs/crs-setup.conf
Include /usr/share/modsecurity-crs/rules/*.conf
`
}

// modsecurity is Apache with a rule set.
export function modsecurity(rules) {
	return (services, { folder, port, backend }) => startApache(services, port, ['mpm_event', 'authz_core', 'proxy', 'proxy_http'], `
${ruleSet(folder, rules)}
<VirtualHost 127.0.0.1:${port}>
	ProxyPreserveHost On
	ProxyPass / http://${backend}/
</VirtualHost>`)
}

// startApache runs Apache at a port, with modules and lines of its configuration.
export function startApache(services, port, modules, lines) {
	const { folder } = services
	writeFileSync(`${folder}/apache.conf`, `
ServerName localhost
ServerRoot ${folder}
DefaultRuntimeDir ${folder}
PidFile ${folder}/apache.pid
ErrorLog "|$cat >&2"
${loadModules(...modules)}
Listen 127.0.0.1:${port}
${lines}
`)
	services.start('apache', '/usr/sbin/apache2', ['-DFOREGROUND', '-f', `${folder}/apache.conf`])
}
