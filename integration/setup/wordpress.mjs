// A WordPress in a temporary folder: a copy of the pinned release with its own services.

import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import { Services, freePort, startMariaDB, startNginx, startPHP, writeOwn } from './services.mjs'

const here = fileURLToPath(new URL('.', import.meta.url))
const [, version] = (process.env.WORDPRESS ?? readFileSync(`${here}wordpress-version`, 'utf8')).trim().split(' ')

// wordpressFiles is the folder of the unpacked release. It must not be modified.
export const wordpressFiles = fileURLToPath(new URL(`../../.cache/wordpress/${version}`, import.meta.url))

// startSite calls ready with the description of the running site. The web server forwards
// /heartbeat/ to the address heartbeatd, if it is given. When stop is aborted or a service
// fails, it removes everything and rejects; it never resolves.
export async function startSite(stop, ready, { heartbeatd } = {}) {
	const folder = mkdtempSync(`${tmpdir()}/wordpress-`)
	const services = new Services(folder)
	stop.addEventListener('abort', () => services.stop())
	const installed = install(services, heartbeatd)
	try {
		ready(await installed)
		await services.failed
	} finally {
		// An interrupted installation may have started one more service.
		await installed.catch(() => {})
		await services.stop()
		rmSync(folder, { recursive: true, force: true })
	}
}

async function install(services, heartbeatd) {
	const { folder } = services
	const dir = `${folder}/wordpress`
	chmodSync(folder, 0o711)
	execFileSync('cp', ['-r', wordpressFiles, dir])
	if (services.user) execFileSync('chown', ['-R', `${services.user.uid}:${services.user.gid}`, folder])

	const database = {
		socket: `${folder}/mariadb.sock`, name: 'wordpress', user: 'wordpress', password: secret(),
	}
	const port = await freePort()
	const url = `http://127.0.0.1:${port}`
	await startMariaDB(services, database)
	writeOwn(services, `${dir}/wp-config.php`, config(database, url))
	// On standard input, because the user of the services may not be able to read this folder.
	const script = readFileSync(`${here}install.php`, 'utf8')
	const installed = JSON.parse(services.run('php', ['-d', 'sendmail_path=/bin/true', '--', dir], script))
	await startNginx(services, dir, port, await startPHP(services), heartbeatd)
	await services.until(url, () => fetch(`${url}/wp-login.php`).then((answer) => answer.ok, () => false))
	return { url, dir, version: installed.version, database, users: installed.users }
}

function secret() {
	return randomBytes(24).toString('hex')
}

function config(database, url) {
	const keys = ['AUTH', 'SECURE_AUTH', 'LOGGED_IN', 'NONCE'].flatMap((name) => [`${name}_KEY`, `${name}_SALT`])
	const constants = {
		DB_NAME: database.name,
		DB_USER: database.user,
		DB_PASSWORD: database.password,
		DB_HOST: `localhost:${database.socket}`,
		DB_CHARSET: 'utf8mb4',
		DB_COLLATE: '',
		...Object.fromEntries(keys.map((key) => [key, secret()])),
		WP_HOME: url,
		WP_SITEURL: url,
		FS_METHOD: 'direct',
		// Only the tests make requests: no cron, no updates, no external calls.
		DISABLE_WP_CRON: true,
		AUTOMATIC_UPDATER_DISABLED: true,
		WP_HTTP_BLOCK_EXTERNAL: true,
	}
	const lines = Object.entries(constants).map(([name, value]) => `define('${name}', ${typeof value === 'string' ? `'${value}'` : value});`)
	return `<?php
${lines.join('\n')}
$table_prefix = 'wp_';
if (!defined('ABSPATH')) define('ABSPATH', __DIR__ . '/');
require_once ABSPATH . 'wp-settings.php';
`
}
