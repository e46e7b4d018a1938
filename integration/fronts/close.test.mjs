// A page is left behind a front that does not close an aborted request to heartbeatd.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { changes, openDemo, shows } from '../browser/demo.mjs'
import { startChromium, startHeartbeatd, until } from '../browser/harness.mjs'
import { nginx, startProxy } from './fronts.mjs'

test('the user of a closed tab with long-poll leaves after the grace period, also if the front keeps the request', async (t) => {
	const server = await startHeartbeatd(t)
	const front = await startProxy(t, server.url, nginx({ upgrade: false, location: 'proxy_ignore_client_abort on;' }))
	const browser = await startChromium(t)
	const watcher = await openDemo(t, browser, server, 1)
	for (const [how, leave] of [['closed', (page) => page.close({ runBeforeUnload: true })], ['left', (page) => page.goto('about:blank')]]) {
		const page = await openDemo(t, browser, front, 2, { transport: 'longpoll' })
		await shows(watcher, [1, 2])
		const before = (await changes(watcher, 2)).length
		const at = Date.now()
		await leave(page)
		const left = await until('the leave', async () => (await changes(watcher, 2)).slice(before).find(({ change }) => change === 'left'), 40)
		t.diagnostic(`a page that is ${how} leaves after ${left.at - at} ms`)
		assert.ok(left.at - at < 20_000, 'the grace is 10 s')
		await shows(watcher, [1])
	}
})
