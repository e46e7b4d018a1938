// A persistent object cache for a live site: Redis, and a drop-in that uses it.

import { spawn } from 'node:child_process'
import { copyFileSync } from 'node:fs'
import { connect } from 'node:net'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { until } from './live.mjs'

// startRedis has the site keep its object cache in a Redis, which ends with the test, after the
// site.
export async function startRedis(t, site) {
	const folder = dirname(site.dir)
	const socket = `${folder}/redis.sock`
	const settings = { port: '0', unixsocket: socket, unixsocketperm: '777', save: '', dir: folder }
	const redis = spawn('redis-server', Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]), { stdio: 'ignore' })
	const ended = new Promise((done) => redis.once('exit', done))
	const kill = () => redis.kill('SIGKILL')
	process.once('exit', kill)
	t.after(async () => {
		redis.kill()
		await ended
		process.off('exit', kill)
	})
	await until('Redis', () => accepts(socket))
	copyFileSync(fileURLToPath(new URL('object-cache.php', import.meta.url)), `${site.dir}/wp-content/object-cache.php`)
}

// accepts returns whether a server accepts connections on a socket.
const accepts = (socket) => new Promise((done) => {
	const connection = connect(socket, () => {
		connection.destroy()
		done(true)
	})
	connection.once('error', () => done(false))
})
