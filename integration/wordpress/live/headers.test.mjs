// A site whose plugins send many response headers, behind nginx with its default buffers: a
// ticket never makes the headers too large, and a page whose answers still fail stops asking for
// tickets.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { claimsOf } from '../plugin.mjs'
import { addMuPlugin, linked, newPost, withLive } from './live.mjs'

// nginx reads the headers of a response into one buffer of this size.
const BUFFER = 4096
const POSTS = 20

// Adds response headers to beats: before the beat is answered, at the end of the request, as
// developer tools do, or while the answer is written, after everything else.
const extra = `
if (isset($_COOKIE['live_headers']) && wp_doing_ajax() && 'heartbeat' === ($_POST['action'] ?? '')) {
	list($when, $bytes) = explode('-', $_COOKIE['live_headers']);
	$add = function () use ($bytes) {
		for ($i = 10; $bytes >= 110; $i++, $bytes -= 100) header("X-Extra-$i: " . str_repeat('x', 86));
		header('X-Extra-00: ' . str_repeat('x', $bytes - 14));
	};
	if ('early' === $when) add_action('admin_init', $add);
	if ('late' === $when) {
		ob_start();
		add_action('shutdown', function () use ($add) { $add(); ob_flush(); }, 0);
	}
	if ('last' === $when) ob_start(function ($output) use ($add) { $add(); return $output; });
}
`

test('response headers', { timeout: 400_000 }, async (t) => {
	await withLive(t, async ({ site, person, php }) => {
		addMuPlugin(site, 'extra', extra)
		const admin = await person('admin')
		for (let i = 0; i < POSTS; i++) newPost(php, `Post ${i}`, admin.id)
		const open = async (headers, client = 'post') => {
			await admin.uses({ client })
			await admin.context.addCookies([{ name: 'live_headers', value: headers, url: site.url }])
			const page = await admin.open('/wp-admin/edit.php')
			await linked(page, client)
			return page
		}

		await t.test('few headers: the ticket names every post of a list', async () => {
			const page = await open('early-100')
			const { status, ticket } = await postedBeat(page)
			assert.equal(status, 200)
			assert.equal(claimsOf(ticket).rooms.length, POSTS)
			await page.close()
		})

		for (const when of ['early', 'late']) {
			await t.test(`many headers, ${when}: the ticket has only its first rooms`, async (t) => {
				const page = await open(`${when}-1800`)
				const rooms = claimsOf(await page.evaluate(() => heartbeatSettings.heartbeatd.ticket)).rooms
				assert.equal(rooms.length, POSTS, 'the ticket in the page is no header')
				for (let i = 0; i < 3; i++) {
					const { status, ticket, size } = await postedBeat(page)
					assert.equal(status, 200)
					t.diagnostic(`${size} bytes of headers, ${ticket.length} of them the ticket's`)
					assert.ok(size < BUFFER, `${size} bytes of headers`)
					const fitting = claimsOf(ticket).rooms
					assert.ok(fitting.length < POSTS)
					assert.deepEqual(fitting, rooms.slice(0, fitting.length))
				}
				await page.close()
			})

			await t.test(`more headers, ${when}: every beat is answered`, async () => {
				const page = await open(`${when}-2200`)
				for (let i = 0; i < 3; i++) {
					const { status, size } = await postedBeat(page)
					assert.equal(status, 200)
					assert.ok(size < BUFFER, `${size} bytes of headers`)
				}
				await page.close()
			})

			await t.test(`too many headers, ${when}: the answer has no ticket, and the link stays`, async () => {
				const page = await open(`${when}-3300`, 'websocket')
				for (let i = 0; i < 3; i++) {
					const { status, ticket } = await postedBeat(page)
					assert.deepEqual([status, ticket], [200, undefined])
				}
				assert.equal(await page.evaluate(() => wp.heartbeat.transport.name), 'websocket')
				await page.close()
			})
		}

		await t.test('answers with a ticket fail: the page asks twice, and no other page of the tab asks for an hour', async () => {
			const beats = []
			admin.context.on('response', (response) => {
				if (isBeat(response)) beats.push([response.status(), !response.request().headers()['heartbeat-no-ticket']])
			})
			const page = await open('last-2600')
			for (let i = 0; i < 6; i++) await postedBeat(page)
			assert.deepEqual(beats.slice(0, 6), [[502, true], [200, false], [502, true], [200, false], [200, false], [200, false]])
			assert.equal(await page.evaluate(() => wp.heartbeat.hasConnectionError()), false)
			const before = beats.length
			await page.reload()
			await linked(page)
			for (let i = 0; i < 2; i++) await postedBeat(page)
			assert.deepEqual(new Set(beats.slice(before).map(String)), new Set(['200,false']))
			await page.close()
		})
	})
})

const isBeat = (response) => response.url().includes('admin-ajax') && /(^|&)action=heartbeat(&|$)/.test(response.request().postData() ?? '')

// postedBeat makes a page beat, and returns its answers from the web server.
async function postedBeat(page) {
	const [response] = await Promise.all([page.waitForResponse(isBeat), page.evaluate(() => new Promise((done) => {
		wp.heartbeat.enqueue('live-php', 1)
		jQuery(document).one('heartbeat-tick.live heartbeat-error.live', () => {
			jQuery(document).off('.live')
			done()
		})
		wp.heartbeat.connectNow()
	}))])
	const headers = await response.headersArray()
	return {
		status: response.status(),
		ticket: await response.headerValue('x-heartbeatd-ticket') ?? undefined,
		size: headers.reduce((sum, { name, value }) => sum + name.length + value.length + 4, 0),
	}
}
