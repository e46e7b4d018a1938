// The site of the tests: it runs as an ordinary user, and leaves no processes and files behind.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { dirname } from 'node:path'
import { withSite } from './use-site.mjs'

test('a site answers until its input closes, and then removes everything', async () => {
	const folder = await withSite(async (site) => {
		assert.match(site.version, /^\d+\.\d+/)
		assert.match(site.url, /^http:\/\/127\.0\.0\.1:\d+$/)
		const { editor } = site.users
		const answer = await fetch(`${site.url}/wp-login.php`, {
			method: 'POST', redirect: 'manual', headers: { Cookie: 'wordpress_test_cookie=WP%20Cookie%20check' },
			body: new URLSearchParams({ log: editor.login, pwd: editor.password, testcookie: '1' }),
		})
		assert.equal(answer.status, 302, 'the editor can log in')
		const api = await (await fetch(`${site.url}/wp-json/`)).json()
		assert.equal(api.home, site.url)

		const running = processesOf(dirname(site.dir))
		for (const name of ['mariadbd', 'php-fpm', 'nginx']) assert.ok(running.some(({ command }) => command.includes(name)), name)
		assert.deepEqual(running.filter(({ uid }) => uid === 0), [], 'no service runs as root')
		return dirname(site.dir)
	})
	assertGone(folder)
})

test('a site whose database dies ends with an error', async () => {
	const child = spawn(fileURLToPath(new URL('site', import.meta.url)), { stdio: ['pipe', 'pipe', 'pipe'] })
	const ended = new Promise((done) => child.once('exit', done))
	let complaint = ''
	child.stderr.on('data', (data) => (complaint += data))
	const site = JSON.parse(await new Promise((resolve) => createInterface(child.stdout).once('line', resolve)))
	const folder = dirname(site.dir)
	process.kill(processesOf(folder).find(({ command }) => command.includes('mariadbd')).pid, 'SIGKILL')
	assert.equal(await ended, 1)
	assert.match(complaint, /^site: mariadb-server ended/)
	assertGone(folder)
})

function assertGone(folder) {
	assert.deepEqual(processesOf(folder), [])
	assert.ok(!existsSync(folder))
}

// processesOf returns the processes whose command line has the site's folder, and their children.
function processesOf(folder) {
	const all = readdirSync('/proc').filter((name) => /^\d+$/.test(name)).flatMap((pid) => {
		try {
			const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
			const parent = Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').pop().split(' ')[1])
			return [{ pid: Number(pid), parent, uid: statSync(`/proc/${pid}`).uid, command }]
		} catch {
			return [] // the process has ended
		}
	})
	const own = all.filter(({ command }) => command.includes(folder))
	return own.concat(all.filter(({ pid, parent }) => own.some((one) => one.pid === parent) && !own.some((one) => one.pid === pid)))
}
