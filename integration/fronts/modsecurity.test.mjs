// ModSecurity with the core rule set at paranoia level 2.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { beat, onTransport, openDemo, shows } from '../browser/demo.mjs'
import { startChromium, startHeartbeatd, until } from '../browser/harness.mjs'
import { modsecurity, startProxy } from './fronts.mjs'

test('the core rule set at paranoia level 2 accepts every request of long-poll', async (t) => {
	const server = await startHeartbeatd(t)
	const front = await startProxy(t, server.url, modsecurity({ level: 2 }))
	const json = await fetch(`${front.url}/heartbeat/open`, {
		method: 'POST', headers: { 'Content-Type': 'application/json' },
		body: JSON.stringify({ type: 'hello', body: 'data%5Bpresence-ping%5D%5Bscreen%5D=front&data%5Bpresence-ping%5D%5Btitle%5D=a' }),
	})
	assert.equal(json.status, 403, 'the rules are on: they refuse urlencoded text within JSON')
	const browser = await startChromium(t)
	const refused = []
	const asked = new Set()
	const context = await browser.newContext()
	t.after(() => context.close())
	context.on('request', (request) => {
		const { pathname, searchParams } = new URL(request.url())
		const name = pathname.match(/^\/heartbeat\/([a-z]+)$/)?.[1]
		if (name) asked.add(searchParams.has('type') ? `${name}: ${searchParams.get('type')}` : name)
	})
	context.on('response', (response) => response.status() >= 400 && refused.push(`${response.status()} ${response.url()}`))
	const page = await openDemo(t, browser, front, 1, { context, transport: 'longpoll' })
	await shows(page, [1])
	await beat(page)
	// An editor's beat with its room, its lock, and the locks of a list. PHP answers it.
	await page.evaluate(() => {
		wp.heartbeat.enqueue('presence-editor-ping', { post_id: 42 })
		wp.heartbeat.enqueue('wp-refresh-post-lock', { post_id: 42, lock: '1764300000:1' })
		wp.heartbeat.enqueue('wp-check-locked-posts', ['post-42', 'post-51'])
	})
	await beat(page)
	await page.evaluate(() => wp.heartbeat.transport.announce({ 'presence-ping': { screen: 'edit-post', title: 'Posts & "pages" (50 %)' } }))
	await until('a note, and a newer ticket', () => asked.has('beat: note') && asked.has('beat'))
	await page.evaluate(() => wp.heartbeat.transport.use([]))
	await onTransport(page, 'post')
	await until('the goodbye', () => asked.has('close'))
	assert.deepEqual([...asked].sort(), ['beat', 'beat: beat', 'beat: note', 'close', 'open', 'poll'])
	assert.deepEqual(refused, [])
})
