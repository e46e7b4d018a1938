// A WordPress in a temporary folder: a copy of the pinned release with its own services.

import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import { Services, freePort, installMariaDB, startMariaDB, startNginx, startPHP, writeOwn } from './services.mjs'

const here = fileURLToPath(new URL('.', import.meta.url))
const [, version] = (process.env.WORDPRESS ?? readFileSync(`${here}wordpress-version`, 'utf8')).trim().split(' ')

const cache = fileURLToPath(new URL('../../.cache/', import.meta.url))

// wordpressFiles is the folder of the unpacked release. It must not be modified.
export const wordpressFiles = `${cache}wordpress/${version}`

const DATABASE = { name: 'wordpress', user: 'wordpress' }

// startSite calls ready with the description of the running site. The web server forwards
// /heartbeat/ to the address heartbeatd, if it is given. When stop is aborted or a service
// fails, it removes everything and rejects; it never resolves.
export async function startSite(stop, ready, { heartbeatd } = {}) {
	const folder = mkdtempSync(`${largeFolder()}/wordpress-`)
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

// largeFolder returns the folder for temporary files. A site has 150 MB of them, which are copied
// several times as fast if they stay in memory.
function largeFolder() {
	const memory = '/dev/shm'
	if (!existsSync(memory)) return tmpdir()
	const { bavail, bsize } = statfsSync(memory)
	return bavail * bsize > 4 * 2 ** 30 ? memory : tmpdir()
}

async function install(services, heartbeatd) {
	const { folder } = services
	const dir = `${folder}/wordpress`
	const installed = await installedDatabase(services.failed)
	execFileSync('cp', ['-r', '--preserve=timestamps', wordpressFiles, dir]) // PHP keeps no compiled file that is new
	execFileSync('cp', ['-r', `${installed}/mariadb`, folder])
	openFolder(services)

	const database = { socket: `${folder}/mariadb.sock`, ...DATABASE, password: secret() }
	const port = await freePort()
	const url = `http://127.0.0.1:${port}`
	await startMariaDB(services, database.socket, [
		`ALTER USER ${database.user}@localhost IDENTIFIED BY '${database.password}';`,
		`UPDATE ${database.name}.wp_options SET option_value = '${url}' WHERE option_name IN ('siteurl', 'home');`,
	])
	writeOwn(services, `${dir}/wp-config.php`, config(database, url))
	await startNginx(services, dir, port, await startPHP(services), heartbeatd)
	await services.until(url, () => fetch(`${url}/wp-login.php`).then((answer) => answer.ok, () => false))
	return { url, dir, database, ...JSON.parse(readFileSync(`${installed}/site.json`, 'utf8')) }
}

// openFolder lets the user of the services use the folder and what is in it.
function openFolder({ folder, user }) {
	chmodSync(folder, 0o711)
	if (user) execFileSync('chown', ['-R', `${user.uid}:${user.gid}`, folder])
}

// installedDatabase returns a folder with the files of a database in which WordPress is installed, and
// with site.json, which is the site's version and users. The first site that needs it makes it.
async function installedDatabase(stopped) {
	const cause = [readFileSync(`${here}install.php`), execFileSync('mariadbd', ['--version']), version]
	const made = `${cache}installed/${createHash('sha256').update(cause.join('\n')).digest('hex').slice(0, 16)}`
	if (existsSync(made)) return made
	mkdirSync(`${cache}installed`, { recursive: true })
	const services = new Services(mkdtempSync(`${largeFolder()}/wordpress-database-`))
	const { folder } = services
	try {
		execFileSync('cp', ['-r', wordpressFiles, `${folder}/wordpress`])
		openFolder(services)
		const database = { socket: `${folder}/mariadb.sock`, ...DATABASE, password: secret() }
		installMariaDB(services)
		await Promise.race([stopped, startMariaDB(services, database.socket, [
			`CREATE DATABASE ${database.name} CHARACTER SET utf8mb4;`,
			`CREATE USER ${database.user}@localhost IDENTIFIED BY '${database.password}';`,
			`GRANT ALL ON ${database.name}.* TO ${database.user}@localhost;`,
		])])
		writeOwn(services, `${folder}/wordpress/wp-config.php`, config(database, 'http://127.0.0.1'))
		// On standard input, because the user of the services may not be able to read this folder.
		const script = readFileSync(`${here}install.php`, 'utf8')
		const site = services.run('php', ['-d', 'sendmail_path=/bin/true', '--', `${folder}/wordpress`], script)
		await services.stop()
		const part = mkdtempSync(`${made}-`)
		writeFileSync(`${part}/site.json`, site)
		execFileSync('cp', ['-r', `${folder}/mariadb`, part])
		keep(part, made)
	} finally {
		await services.stop()
		rmSync(folder, { recursive: true, force: true })
	}
	return made
}

// keep gives a folder its name, unless another process was faster.
function keep(part, name) {
	try {
		renameSync(part, name)
	} catch (error) {
		rmSync(part, { recursive: true })
		if (!['ENOTEMPTY', 'EEXIST'].includes(error.code)) throw error
	}
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
