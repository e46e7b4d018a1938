// The classic editor while PHP is stopped and after it is started again: autosaves, the notice
// that the connection is lost, and the disabled buttons, with every client at the same time, and
// with heartbeatd stopped. The result with core's client is the expected one.

import assert from 'node:assert/strict'
import { readFileSync, renameSync } from 'node:fs'
import { dirname } from 'node:path'
import { test } from 'node:test'
import { TRANSPORTS, beat, editorOf, linked, newPost, until, withLive } from './live.mjs'

// An autosave every 5 seconds instead of every minute.
const constants = { AUTOSAVE_INTERVAL: '5' }
// The timeout of a beat; core's is 30 s.
const TIMEOUT = 4000

test('autosave', { timeout: 400_000 }, async (t) => {
	await withLive(t, async ({ site, server, person, php }) => {
		const people = { core: await person('editor', { client: 'core', editor: 'classic' }), ours: await person('admin', { editor: 'classic' }) }
		let editors
		const openAll = async (clients) => {
			editors = []
			for (const client of clients) editors.push(await openEditor(people[client === 'core' ? 'core' : 'ours'], php, client))
		}
		await openAll(['core', ...TRANSPORTS])
		await t.test('autosaves work', () => saves(editors, php, 'The first words.'))
		await t.test('PHP is down', () => gone(editors, site))
		await t.test('PHP hangs', () => hangs(editors, site, php))
		await t.test('autosaves work in the block editor', () => inTheBlockEditor(people.ours, php))
		await server.stop('SIGKILL')
		await openAll(['core', 'any'])
		await t.test('autosaves work, heartbeatd stopped', () => saves(editors, php, 'Other words.'))
		await t.test('PHP is down, heartbeatd stopped', () => gone(editors, site))
		await t.test('PHP hangs, heartbeatd stopped', () => hangs(editors, site, php))
	}, { constants })
})

async function openEditor(person, php, client) {
	await person.uses({ client, editor: 'classic' })
	const id = newPost(php, `Autosaved by ${client}`, person.id)
	const page = await person.open(editorOf(id))
	await linked(page, client)
	await page.click('#content-html')
	await page.evaluate((timeout) => {
		window.seen = []
		const note = (name) => (event, ...args) => window.seen.push([name, ...args.filter((arg) => typeof arg !== 'object')].join(' '))
		jQuery(document)
			.on('heartbeat-connection-lost', note('lost'))
			.on('heartbeat-connection-restored', note('restored'))
			.on('heartbeat-error', (event, jqXHR, status) => window.seen.push(`error ${status} ${jqXHR.status}`))
		jQuery.ajaxPrefilter((options) => { if (/action=heartbeat/.test(options.data)) options.timeout = timeout })
	}, TIMEOUT)
	await beat(page)
	return { client, page, id, user: person.id }
}

const each = (editors, use) => Promise.all(editors.map(use))

// What a user sees: the notice, and whether Publish is disabled.
const look = ({ page }) => page.evaluate(() => ({
	notice: jQuery('#lost-connection-notice').is(':visible'),
	disabled: jQuery('#publish').hasClass('disabled'),
	failing: wp.heartbeat.hasConnectionError(),
}))
const CALM = { notice: false, disabled: false, failing: false }

const calm = (editor) => until(`${editor.client}: Publish back`, async () => JSON.stringify(await look(editor)) === JSON.stringify(CALM), 40)

async function seen({ page }) {
	return page.evaluate(() => window.seen.splice(0))
}

// All clients had the same events as core's.
async function sameSeen(editors) {
	const [core, ...ours] = await each(editors, async (editor) => [editor.client, await seen(editor)])
	for (const [client, events] of ours) assert.deepEqual(events, core[1], client)
	return core[1]
}

const write = ({ page }, text) => page.fill('#content', text)

const savedText = (php, { id, user }) => php(`$saved = wp_get_post_autosave(${id}, ${user}); return $saved ? $saved->post_content : '';`)

async function saves(editors, php, text) {
	await each(editors, (editor) => write(editor, text))
	for (const editor of editors) {
		await until(`${editor.client}: the autosave`, () => savedText(php, editor) === text, 40)
		await calm(editor)
		assert.match(await editor.page.innerText('.autosave-message'), /^Draft saved at/, editor.client)
	}
	assert.deepEqual(await sameSeen(editors), [])
}

// The web server answers 502. After three of them the connection counts as lost.
async function gone(editors, site) {
	const socket = `${dirname(site.dir)}/php.sock`
	renameSync(socket, `${socket}.away`)
	try {
		for (let i = 0; i < 3; i++) await each(editors, ({ page }) => failingBeat(page))
		await each(editors, (editor) => until(`${editor.client}: lost`, async () => (await look(editor)).failing))
		for (const editor of editors) assert.equal((await look(editor)).notice, false, editor.client)
	} finally {
		renameSync(`${socket}.away`, socket)
	}
	await each(editors, ({ page }) => beat(page))
	await each(editors, calm)
	assert.deepEqual(await sameSeen(editors), [...Array(2).fill('error error 502'), 'lost error 502', 'error error 502', 'restored'])
}

// Only a beat that PHP answers can fail.
const failingBeat = (page) => page.evaluate(() => new Promise((done) => {
	jQuery(document).one('heartbeat-error', done)
	wp.heartbeat.enqueue('for-php', 1)
	wp.heartbeat.connectNow()
}))

// PHP does not answer: the notice appears, stays while beats go on, and disappears afterwards.
async function hangs(editors, site, php) {
	const text = 'Written while nobody listened.'
	signal(site, 'SIGSTOP')
	try {
		await each(editors, (editor) => write(editor, text))
		await each(editors, (editor) => until(`${editor.client}: the notice`, async () => (await look(editor)).notice, 40))
		assert.deepEqual(await each(editors, look), editors.map(() => ({ notice: true, disabled: true, failing: true })))
		assert.deepEqual(await sameSeen(editors), ['lost timeout 0', 'error timeout 0'])
		// The next beat has nothing to save. heartbeatd could answer it, but the drop-in must post it.
		await each(editors, ({ page, client }) => {
			page.evaluate(() => wp.heartbeat.connectNow())
			return until(`${client}: the next failure`, () => page.evaluate(() => window.seen.length))
		})
		assert.deepEqual(await sameSeen(editors), ['error timeout 0'])
		assert.deepEqual(await each(editors, look), editors.map(() => ({ notice: true, disabled: true, failing: true })))
	} finally {
		signal(site, 'SIGCONT')
	}
	await each(editors, calm)
	assert.deepEqual((await sameSeen(editors)).slice(-1), ['restored'])
	for (const editor of editors) await until(`${editor.client}: the autosave`, () => savedText(php, editor) === text, 40)
}

// signal sends a signal to the master process of PHP-FPM and its workers.
function signal(site, name) {
	const master = readFileSync(`${dirname(site.dir)}/php-fpm.pid`, 'utf8').trim()
	const workers = readFileSync(`/proc/${master}/task/${master}/children`, 'utf8').trim().split(' ')
	for (const pid of [master, ...workers]) process.kill(Number(pid), name)
}

// The block editor autosaves with the REST API, which the drop-in must not change.
async function inTheBlockEditor(person, php) {
	await person.uses({ client: 'websocket' })
	const id = newPost(php, 'Autosaved by the block editor', person.id)
	const page = await person.open(editorOf(id))
	await linked(page, 'websocket')
	await page.waitForFunction(() => window.wp.data?.select('core/editor').getCurrentPostId())
	await page.evaluate(() => wp.data.dispatch('core/editor').editPost({ content: 'Words in blocks.' }))
	await page.evaluate(() => wp.data.dispatch('core/editor').autosave())
	assert.equal(savedText(php, { id, user: person.id }), 'Words in blocks.')
	await page.close()
}
