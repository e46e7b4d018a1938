// Counts the requests to PHP of a user who has a dashboard, a posts list and an editor open, with
// WordPress's client and with the drop-in at the same time, in the web server's log of one site.
// HEARTBEATD_COUNT_SECONDS=600 counts for ten minutes.

import assert from 'node:assert/strict'
import { readFileSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'node:test'
import { beat, editorOf, linked, newEditor, newPost, withLive } from './live.mjs'

const SECONDS = Number(process.env.HEARTBEATD_COUNT_SECONDS || 60)
const CLIENTS = { core: 'core', ours: 'websocket' }
const SCREENS = { dashboard: 'index.php', 'posts list': 'edit.php', editor: 'post.php' }
const RENEWAL = 'heartbeatd renews the lock'

test('the drop-in makes fewer requests to PHP', { timeout: 400_000 + 2000 * SECONDS }, async (t) => {
	await withLive(t, async ({ site, php, person }) => {
		for (const [name, client] of Object.entries(CLIENTS)) {
			newEditor(site, php, name)
			await open(await person(name, { client }), php, name, client)
		}
		const log = `${dirname(site.dir)}/nginx-access.log`
		const start = statSync(log).size
		await sleep(1000 * SECONDS)
		const requests = readFileSync(log, 'utf8').slice(start).split('\n').filter((line) => /"\w+ \S*(\.php|\/wp-json\/)/.test(line))
		const counts = count(requests)
		t.diagnostic(`requests to PHP in ${SECONDS} seconds`)
		for (const line of table(counts)) t.diagnostic(line)
		// In a minute WordPress's client sends one beat from the dashboard and six from each of the others.
		assert.ok(counts.core['all three'] >= 10 * Math.floor(SECONDS / 60), JSON.stringify(counts))
		// heartbeatd has the lock renewed every 90 seconds, and the list asks PHP about locks every five minutes.
		assert.ok(3 * counts.ours['all three'] <= counts.core['all three'], JSON.stringify(counts))
	})
})

// open opens the three screens, and waits until heartbeatd answers their beats.
async function open(person, php, name, client) {
	// The User-Agent tells them apart in the log.
	await person.context.setExtraHTTPHeaders({ 'User-Agent': `client-${name}` })
	const id = newPost(php, `Open with ${name}`, person.id)
	for (const path of ['/wp-admin/index.php', '/wp-admin/edit.php', editorOf(id)]) {
		const page = await person.open(path)
		await linked(page, client)
		await beat(page)
		await beat(page)
	}
}

function count(requests) {
	const counts = {}
	for (const name of Object.keys(CLIENTS)) {
		const own = requests.filter((line) => line.endsWith(`"client-${name}"`))
		const calls = name === 'ours' ? requests.filter((line) => line.includes('/wp-json/heartbeatd/v1/locks')).length : 0
		counts[name] = { [RENEWAL]: calls, 'all three': own.length + calls }
		for (const [screen, file] of Object.entries(SCREENS)) {
			counts[name][screen] = own.filter((line) => line.includes(`/wp-admin/${file}`)).length
		}
	}
	return counts
}

function table(counts) {
	return ['| | core | ours |', '|---|--:|--:|', ...[...Object.keys(SCREENS), RENEWAL, 'all three'].map((screen) => `| ${screen} | ${counts.core[screen]} | ${counts.ours[screen]} |`)]
}
