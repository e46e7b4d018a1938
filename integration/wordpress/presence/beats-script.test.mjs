// When the script presence.js makes a page beat beside another plugin with the Presence API, without
// a site.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import vm from 'node:vm'

const script = readFileSync(new URL('../heartbeatd/assets/presence.js', import.meta.url), 'utf8')

// openPage runs the script in a page; beats are the times at which it beats, in milliseconds.
function openPage(t) {
	t.mock.timers.enable({ apis: ['setTimeout', 'Date'] })
	const listeners = {}
	const page = { beats: [] }
	// In a longer tick the date would be the one at its end for all timers.
	page.tick = (ms) => { for (let i = 0; i < ms; i += 10) t.mock.timers.tick(10) }
	const window = {
		setTimeout, clearTimeout, performance: { now: () => Date.now() }, heartbeatdPresence: { beside: true },
		wp: { heartbeat: { transport: { name: 'websocket', nudge: () => page.beats.push(Date.now()) } } },
	}
	const document = { visibilityState: 'visible', addEventListener() {} }
	const jQuery = () => ({ on: (name, call) => { listeners[name.split('.')[0]] = call } })
	vm.runInContext(script, vm.createContext({ window, document, jQuery }))
	let users = 0
	return Object.assign(page, {
		comes: () => listeners['heartbeat-presence']({}, { room: 'admin/online', joined: [{ client_id: `user-${users++}` }], updated: [], left: [] }),
		roomChanges: () => listeners['heartbeat-push']({}, { data: { heartbeatd: { presence: { rooms: ['a/b'] } } } }),
	})
}

test('a page beats at once for the changes of one action of a user', (t) => {
	const page = openPage(t)
	for (const at of [0, 300, 600]) {
		page.comes()
		page.tick(300)
		assert.ok(page.beats.at(-1) >= at && page.beats.at(-1) <= at + 10, `${page.beats}`)
	}
})

test('a page beats once a second if changes follow each other all the time', (t) => {
	const page = openPage(t)
	for (let i = 0; i < 600; i++) {
		page.comes()
		page.tick(100)
	}
	assert.ok(page.beats.length >= 58 && page.beats.length <= 63, `${page.beats.length} beats in a minute`)
	assert.ok(page.beats[2] < 600 && page.beats[3] >= 1000, `${page.beats}`)
})

test('a beat follows a changed room when heartbeatd has synchronized it', (t) => {
	const page = openPage(t)
	page.roomChanges()
	page.comes()
	page.tick(1000)
	assert.equal(page.beats.length, 2)
	assert.ok(page.beats[0] <= 10 && page.beats[1] >= 600 && page.beats[1] <= 610, `${page.beats}`)
})
