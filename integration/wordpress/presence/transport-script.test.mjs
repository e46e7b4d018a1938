// The script that makes heartbeatd the push transport of the Presence API plugin
// (presence-transport.js), with WordPress's hooks and without a site.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import vm from 'node:vm'
import { wordpressFiles } from '../../setup/wordpress.mjs'

const script = readFileSync(new URL('../heartbeatd/assets/presence-transport.js', import.meta.url), 'utf8')
const hooks = readFileSync(`${wordpressFiles}/wp-includes/js/dist/hooks.js`, 'utf8')

// openPage runs the script in a page whose beats carry the ping if it leads the browser's tabs.
function openPage(t, { leads = true, room = '' } = {}) {
	t.mock.timers.enable({ apis: ['setTimeout'] })
	const listeners = {}
	const document = { visibilityState: 'visible' }
	const page = { beats: 0, triggered: [], document, tick: (ms) => t.mock.timers.tick(ms) }
	const window = { setTimeout, clearTimeout, heartbeatdPresence: { room }, document }
	const jQuery = () => ({ on: (name, call) => { listeners[name.split('.')[0]] = call }, trigger: (name, args) => page.triggered.push([name, ...args]) })
	const context = vm.createContext({ window, document, jQuery, Math })
	vm.runInContext(hooks, context)
	page.hooks = window.wp.hooks
	window.wp.heartbeat = {
		connectNow() {
			page.beats++
			page.hooks.doAction('heartbeat.send', leads ? { 'presence-ping': {} } : {})
		},
	}
	vm.runInContext(script, context)
	window.wp.heartbeat.connectNow() // the first beat
	page.beats = 0
	return Object.assign(page, {
		push: (presence) => listeners['heartbeat-push']({}, { data: { heartbeatd: { presence } } }),
		other: (data) => listeners['heartbeat-push']({}, { data }),
		ticks: (tick, jqXHR) => listeners['heartbeat-tick']({}, tick, 'success', jqXHR),
		link: (name) => listeners['heartbeat-transport']({}, name),
		keepalive: () => page.hooks.applyFilters('presence-api.keepalive', true),
	})
}

test('a page leaves its rows to heartbeatd while it holds them', (t) => {
	const page = openPage(t)
	assert.equal(page.keepalive(), true)
	page.push({ holds: true })
	assert.equal(page.keepalive(), false)
	page.link('post') // the page ends, or the link reconnects
	assert.equal(page.keepalive(), false)
	page.tick(14_999)
	page.link('websocket')
	page.push({ holds: true })
	page.tick(60_000)
	assert.equal(page.keepalive(), false)
	assert.equal(page.beats, 0)
})

test('a link that does not return gives the rows back, and the page writes them', (t) => {
	const page = openPage(t)
	page.push({ holds: true })
	page.link('post')
	page.tick(10_000)
	page.link('websocket') // of a heartbeatd that does not hold the rows yet
	page.tick(5000)
	assert.equal(page.keepalive(), true)
	page.tick(3000)
	assert.equal(page.beats, 1)
	page.push({ holds: true })
	page.push({ holds: false })
	assert.equal(page.keepalive(), true)
	page.tick(3000)
	assert.equal(page.beats, 2)
	page.push({ holds: false })
	page.tick(3000)
	assert.equal(page.beats, 2, 'nothing was held')
})

test('a follower and a hidden page do not beat', (t) => {
	const follower = openPage(t, { leads: false })
	follower.push({ holds: true })
	follower.push({ holds: false })
	follower.push({ rooms: ['admin/online'] })
	follower.tick(5000)
	assert.equal(follower.beats, 0)
	t.mock.timers.reset()
	const hidden = openPage(t)
	hidden.document.visibilityState = 'hidden'
	hidden.push({ rooms: ['admin/online'] })
	hidden.tick(5000)
	assert.equal(hidden.beats, 0)
})

test('a change makes a page beat once, if the plugin does not listen', (t) => {
	const page = openPage(t)
	page.push({ rooms: ['admin/online', 'postType/post:5'] })
	page.tick(1)
	assert.equal(page.beats, 1)
	page.push({ rooms: ['admin/online'], spread_ms: 700 })
	page.tick(700)
	assert.equal(page.beats, 2)
	page.other({ heartbeatd: { lock: {} } })
	page.other({ a: 1 })
	page.other(null)
	page.tick(5000)
	assert.equal(page.beats, 2)
})

test('the plugin hears of the rooms until it beats, the page\'s own first', (t) => {
	const page = openPage(t, { room: 'postType/post:5' })
	const heard = []
	let beatsFor = 'postType/post:5'
	page.hooks.addAction('presence-api.roomChanged', 'test', (room) => {
		heard.push(room)
		if (room === beatsFor) page.hooks.doAction('heartbeat.send', { 'presence-ping': {} })
	})
	page.push({ rooms: ['admin/online', 'postType/post:5'] })
	page.tick(1)
	assert.deepEqual(heard, ['postType/post:5'])
	beatsFor = ''
	page.push({ rooms: ['admin/online', 'postType/post:5'] })
	page.tick(1)
	assert.deepEqual(heard, ['postType/post:5', 'postType/post:5', 'admin/online'])
	assert.equal(page.beats, 0, 'whether to beat is the plugin\'s decision')
})

test('a part of another tab\'s tick does not hide the locks in a list', (t) => {
	const page = openPage(t, { leads: false })
	const locks = { 'wp-check-locked-posts': { 'post-5': { text: 'Anna is editing' } } }
	const relay = () => {
		page.ticks({ 'presence-online-hash': 'x' })
		page.tick(1)
		return JSON.parse(JSON.stringify(page.triggered.splice(0)))
	}
	assert.deepEqual(relay(), [], 'no tick yet')
	page.ticks({ ...locks, 'presence-online-hash': 'x' }, {})
	assert.deepEqual(relay(), [['heartbeat-tick.wp-check-locked-posts', locks]])
	page.ticks({}, {})
	assert.deepEqual(relay(), [], 'no post is locked any more')
})
