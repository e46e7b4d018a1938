// Runs a real WordPress with the plugin and heartbeatd on loopback until Ctrl-C, for make
// wordpress.

import { once } from 'node:events'
import { withPlugin } from './plugin.mjs'

const stop = new EventTarget()
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stop.dispatchEvent(new Event('stop')))

const ends = []
try {
	await withPlugin({ after: (end) => ends.push(end) }, async ({ site, server }) => {
		console.log(`
WordPress ${site.version} with heartbeatd:

	${site.url}/wp-admin/
`)
		for (const { login, password, role } of Object.values(site.users)) console.log(`	${role.padEnd(14)} ${login} / ${password}`)
		console.log(`
Log in as two people, in two browsers. What heartbeatd says of itself is under
Settings, Heartbeatd; its metrics are at ${server.admin}/metrics. Ctrl-C ends it.
`)
		await once(stop, 'stop')
	})
} finally {
	for (const end of ends.reverse()) await end()
}
