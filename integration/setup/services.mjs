// The programs that serve a WordPress: MariaDB, PHP-FPM and nginx. Each runs in the foreground
// as a child of this process, on a socket in the site's folder or a loopback port, and as an
// ordinary user even if this process is root.

import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, chownSync, closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'

// Services holds the child processes, and stops all of them.
export class Services {
	#children = []
	#fail

	constructor(folder) {
		this.folder = folder
		this.user = unprivileged()
		// failed rejects when a service ends by itself, and at stop.
		this.failed = new Promise((_, reject) => {
			this.#fail = reject
		})
		this.failed.catch(() => {})
	}

	// start runs a program until stop. Its output goes to folder/NAME.log.
	start(name, command, args) {
		const log = `${this.folder}/${name}.log`
		const output = openSync(log, 'a')
		const [program, ...rest] = this.#asUser(command, args)
		const child = spawn(program, rest, { stdio: ['ignore', output, output], env: this.#env() })
		closeSync(output)
		const ended = new Promise((done) => child.once('exit', done))
		ended.then((code) => this.#fail(new Error(`${name} ended with ${code}:\n${tail(log)}`)))
		this.#children.push({ child, ended })
	}

	// run waits for a program to end and returns what it printed.
	run(command, args, input = '') {
		const [program, ...rest] = this.#asUser(command, args)
		const result = spawnSync(program, rest, { input, encoding: 'utf8', cwd: this.folder, env: this.#env() })
		if (result.status !== 0) {
			throw new Error(`${command} ended with ${result.status ?? result.error}:\n${result.stdout}${result.stderr}`)
		}
		return result.stdout
	}

	// until polls a condition, and fails when a service has failed.
	async until(what, condition, seconds = 60) {
		const deadline = Date.now() + seconds * 1000
		while (!(await condition())) {
			if (Date.now() > deadline) throw new Error(`${what}: not within ${seconds} s`)
			await Promise.race([sleep(20), this.failed])
		}
	}

	// stop ends the services, the last started first, and waits for them.
	async stop(reason = new Error('stopped')) {
		this.#fail(reason)
		for (const { child, ended } of this.#children.splice(0).reverse()) {
			child.kill('SIGTERM')
			const kill = setTimeout(() => child.kill('SIGKILL'), 15_000)
			await ended
			clearTimeout(kill)
		}
	}

	// Two MariaDBs that are installed at the same time delete each other's temporary tables.
	#env() {
		return { ...process.env, TMPDIR: this.folder }
	}

	// The kernel ends a service if its parent is killed.
	#asUser(command, args) {
		const identity = this.user ? [`--reuid=${this.user.uid}`, `--regid=${this.user.gid}`, '--clear-groups'] : []
		return ['setpriv', ...identity, '--pdeathsig=TERM', '--', command, ...args]
	}
}

// startServices makes Services with a temporary folder, for one test.
export function startServices(t, name) {
	const folder = mkdtempSync(`${tmpdir()}/heartbeatd-${name}-`)
	const services = new Services(folder)
	t.after(async () => {
		await services.stop()
		rmSync(folder, { recursive: true, force: true })
	})
	chmodSync(folder, 0o711)
	if (services.user) chownSync(folder, services.user.uid, services.user.gid)
	return services
}

// unprivileged returns Debian's web user if this process is root, else nothing.
function unprivileged() {
	if (process.getuid() !== 0) return null
	const [, , uid, gid] = readFileSync('/etc/passwd', 'utf8').match(/^www-data:.*$/m)[0].split(':')
	return { uid: Number(uid), gid: Number(gid) }
}

function tail(log) {
	return existsSync(log) ? readFileSync(log, 'utf8').split('\n').slice(-20).join('\n') : ''
}

// MARIADB are the options of an installation and of the server. The files of a small redo log are
// copied quickly.
const MARIADB = ['--no-defaults', '--innodb-log-file-size=16M']

// installMariaDB creates the files of an empty server.
export function installMariaDB(services) {
	services.run('mariadb-install-db', [
		...MARIADB, `--datadir=${services.folder}/mariadb`, '--auth-root-authentication-method=normal', '--skip-test-db',
	])
}

// startMariaDB starts the server with the files in folder/mariadb. It runs the statements before it
// accepts connections.
export async function startMariaDB(services, socket, statements) {
	const { folder } = services
	const init = `${folder}/database.sql`
	writeOwn(services, init, statements.join('\n'))
	services.start('mariadb-server', 'mariadbd', [
		...MARIADB, `--datadir=${folder}/mariadb`, `--socket=${socket}`, '--skip-networking', '--skip-log-bin',
		`--pid-file=${folder}/mariadb.pid`, `--init-file=${init}`, '--innodb-flush-log-at-trx-commit=2',
	])
	await services.until('MariaDB', () => existsSync(socket))
}

export async function startPHP(services) {
	const { folder } = services
	const version = services.run('php', ['-r', 'echo PHP_MAJOR_VERSION, ".", PHP_MINOR_VERSION;'])
	const socket = `${folder}/php.sock`
	writeOwn(services, `${folder}/php-fpm.conf`, `
[global]
pid = ${folder}/php-fpm.pid
error_log = ${folder}/php-fpm-errors.log
daemonize = no
[www]
listen = ${socket}
pm = static
pm.max_children = 6
catch_workers_output = yes
php_admin_value[opcache.enable] = 1
php_admin_value[opcache.memory_consumption] = 128
php_value[opcache.revalidate_freq] = 0
php_admin_value[error_log] = ${folder}/php-errors.log
php_admin_value[sendmail_path] = /bin/true
php_admin_value[session.save_path] = ${folder}
`)
	services.start('php-fpm', `/usr/sbin/php-fpm${version}`, ['--nodaemonize', '--fpm-config', `${folder}/php-fpm.conf`])
	await services.until('PHP-FPM', () => existsSync(socket))
	return socket
}

// startNginx serves the site, and forwards /heartbeat/ to the address heartbeatd, if it is
// given.
export async function startNginx(services, root, port, phpSocket, heartbeatd) {
	const { folder } = services
	const heartbeat = heartbeatd ? `location /heartbeat/ {
			proxy_pass ${heartbeatd};
			proxy_http_version 1.1;
			proxy_set_header Host $http_host;
			proxy_set_header Upgrade $http_upgrade;
			proxy_set_header Connection $connection_upgrade;
			proxy_read_timeout 90s;
			proxy_buffering off;
		}` : ''
	const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
		.map((kind) => `${kind}_temp_path ${folder}/nginx-${kind};`).join('\n\t')
	writeOwn(services, `${folder}/nginx.conf`, `
daemon off;
pid ${folder}/nginx.pid;
error_log stderr;
worker_processes 1;
events { worker_connections 512; }
http {
	include /etc/nginx/mime.types;
	access_log ${folder}/nginx-access.log;
	${temp}
	client_max_body_size 16m;
	map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
	server {
		listen 127.0.0.1:${port};
		root ${root};
		index index.php;
		# the sites of a network, in folders
		if (!-e $request_filename) {
			rewrite ^/[^/]+(/wp-(?:admin|includes|content)/.*)$ $1 last;
			rewrite ^/[^/]+(/[^/]+\\.php)$ $1 last;
		}
		location / { try_files $uri $uri/ /index.php?$args; }
		${heartbeat}
		location ~ \\.php$ {
			try_files $uri =404;
			include /etc/nginx/fastcgi_params;
			fastcgi_param HTTP_HOST $http_host; # with the port
			fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;
			fastcgi_pass unix:${phpSocket};
			fastcgi_read_timeout 120s;
		}
	}
}
`)
	services.start('nginx', 'nginx', ['-e', 'stderr', '-c', `${folder}/nginx.conf`])
}

// writeOwn writes a file that belongs to the user of the services.
export function writeOwn(services, file, text) {
	writeFileSync(file, text, { mode: 0o600 })
	if (services.user) chownSync(file, services.user.uid, services.user.gid)
}

// freePort returns a loopback port that is not in use.
export function freePort() {
	return new Promise((resolve, reject) => {
		const server = createServer().on('error', reject).listen(0, '127.0.0.1', () => {
			const { port } = server.address()
			server.close(() => resolve(port))
		})
	})
}
