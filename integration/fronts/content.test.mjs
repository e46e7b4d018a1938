// A firewall that refuses the content of one page.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { beat, onTransport, openDemo, seen, shows } from '../browser/demo.mjs'
import { startChromium, startHeartbeatd, until } from '../browser/harness.mjs'
import { modsecurity, startProxy } from './fronts.mjs'

const RULES = `
SecRule REQUEST_URI "@beginsWith /heartbeat/" "id:1000,phase:2,deny,status:403,chain"
	SecRule ARGS "@contains forbidden"`

test('pages keep their links if a firewall refuses the content of one page', async (t) => {
	const server = await startHeartbeatd(t)
	const front = await startProxy(t, server.url, modsecurity({ level: 1, rules: RULES }))
	const browser = await startChromium(t)
	const context = await browser.newContext()
	t.after(() => context.close())
	const answers = []
	const warnings = []
	context.on('response', (response) => {
		const name = new URL(response.url()).pathname.match(/[^/]+$/)?.[0]
		if (/^(open|beat|admin-ajax\.php)$/.test(name)) answers.push(`${name} ${response.status()}`)
	})
	context.on('console', (message) => message.type() === 'warning' && warnings.push(message.text()))
	const page = await openDemo(t, browser, front, 1, { context, transport: 'longpoll' })
	const other = await openDemo(t, browser, front, 2, { context, transport: 'longpoll' })
	for (const one of [page, other]) await shows(one, [1, 2])
	await page.evaluate(() => jQuery(document).on('heartbeat-send', (event, data) => {
		data['presence-ping'] = { screen: 'front', title: 'forbidden' }
	}))
	const beats = async () => {
		for (let i = 0; i < 3; i++) {
			answers.length = 0
			await beat(page)
			assert.ok(answers.includes('admin-ajax.php 200'), `${answers}`)
			await beat(other)
			assert.equal(answers.at(-1), 'beat 200')
		}
	}
	await beats()
	for (const one of [page, other]) assert.deepEqual((await seen(one, 'transport')).map(({ detail }) => detail), ['longpoll'])
	await server.stop('SIGKILL')
	await server.restart()
	for (const one of [page, other]) {
		await until('the loss', async () => (await seen(one, 'transport')).length > 1)
		await onTransport(one, 'longpoll', 40)
	}
	await beats()
	assert.deepEqual(warnings, ['heartbeatd: no beats over longpoll for 2 minutes: POST /beat got an answer of another program, with status 403'])
})
