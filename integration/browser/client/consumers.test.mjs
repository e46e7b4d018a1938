// WordPress's own users of Heartbeat, on a live site: autosave, post locks in
// the lists and both editors, the log-in dialog. Each is played on core's client
// and on ours, whose beats a stand-in carries over a socket to the same PHP, and
// must come out the same.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { test } from 'node:test'
import { startFake } from './fake.mjs'
import { startChromium, until } from '../harness.mjs'
import { withSite } from '../../setup/use-site.mjs'

const MU_PLUGIN = fileURLToPath(new URL('consumers.php', import.meta.url))

test("WordPress's own consumers", (t) =>
	withSite(async (site) => {
		const fake = await startFake(t, { answer: (fields, via, request, body) => relay(site, request, body) })
		prepare(site, fake.url)
		const browser = await startChromium(t)
		for (const [name, play] of Object.entries(plays)) {
			await t.test(name, async (t) => {
				const outcome = {}
				for (const client of ['core', 'ours']) {
					const before = fake.beats
					outcome[client] = await play(await stage(t, browser, site, client))
					assert.equal(fake.beats > before, client === 'ours', `${client}: beats over the link`)
				}
				t.diagnostic(JSON.stringify(outcome.core))
				assert.deepEqual(outcome.ours, outcome.core)
			})
		}
	}))

// relay carries a beat to PHP as the browser would have, and brings back its tick.
async function relay(site, request, body) {
	const headers = { 'Content-Type': 'application/x-www-form-urlencoded; charset=UTF-8', Cookie: request.headers.cookie }
	const answer = await fetch(`${site.url}/wp-admin/admin-ajax.php`, { method: 'POST', headers, body })
	return answer.ok ? { tick: await answer.json() } : { decline: true }
}

function prepare(site, fake) {
	const config = `${site.dir}/wp-config.php`
	const extra = `<?php\ndefine( 'CONCATENATE_SCRIPTS', false );\ndefine( 'CONSUMERS_FAKE', '${fake}' );\n`
	writeFileSync(config, readFileSync(config, 'utf8').replace('<?php\n', extra))
	mkdirSync(`${site.dir}/wp-content/mu-plugins`, { recursive: true })
	copyFileSync(MU_PLUGIN, `${site.dir}/wp-content/mu-plugins/consumers.php`)
}

const php = (site, code) =>
	execFileSync('php', ['-r', `require '${site.dir}/wp-load.php'; require_once ABSPATH . 'wp-admin/includes/admin.php'; ${code}`], { encoding: 'utf8' })

// stage is a logged-in browser, a fresh draft, and what the plays do with them.
async function stage(t, browser, site, client) {
	const context = await browser.newContext()
	t.after(() => context.close())
	await context.addCookies([{ name: 'client', value: client, url: site.url }])
	const tab = await context.newPage()
	const { admin, editor } = site.users
	const post = Number(php(site, `echo wp_insert_post( array( 'post_title' => 'A draft', 'post_content' => 'Text', 'post_status' => 'draft', 'post_author' => ${admin.id} ) );`))
	const logIn = async () => {
		await context.request.get(`${site.url}/wp-login.php`)
		const form = { log: admin.login, pwd: admin.password, testcookie: '1' }
		const answer = await context.request.post(`${site.url}/wp-login.php`, { form, maxRedirects: 0 })
		assert.equal(answer.status(), 302)
	}
	await logIn()
	return {
		url: site.url,
		tab,
		context,
		post,
		logIn,
		php: (code) => php(site, code),
		lock: () => php(site, `wp_set_current_user( ${editor.id} ); wp_set_post_lock( ${post} );`),
		unlock: () => php(site, `delete_post_meta( ${post}, '_edit_lock' );`),
		logOutEverywhere: () => php(site, `WP_Session_Tokens::get_instance( ${admin.id} )->destroy_all();`),
		async open(path) {
			await tab.goto(`${site.url}/wp-admin/${path}`)
			await tab.waitForFunction(() => window.wp?.heartbeat)
			if (client === 'ours') await tab.waitForFunction(() => wp.heartbeat.transport.name === 'websocket')
		},
		beat: () => tab.evaluate(() => new Promise((resolve) => {
			jQuery(document).one('heartbeat-tick', () => setTimeout(resolve))
			wp.heartbeat.connectNow()
		})),
	}
}

const text = async (locator) => (await locator.first().innerText()).replace(/\s+/g, ' ').trim()

const plays = {
	async 'a locked post in the list'({ tab, post, open, beat, lock, unlock }) {
		await open('edit.php')
		const row = tab.locator(`#post-${post}`)
		const locked = async () => /\bwp-locked\b/.test(await row.getAttribute('class'))
		const seen = [await locked()]
		lock()
		await beat()
		seen.push(await locked(), await text(row.locator('.locked-text')))
		unlock()
		await beat()
		return [...seen, await locked()]
	},

	async 'autosave in the classic editor'({ url, tab, context, post, open, php }) {
		await context.addCookies([{ name: 'editor', value: 'classic', url }])
		await open(`post.php?post=${post}&action=edit`)
		await tab.fill('#title', 'Changed')
		await tab.fill('#content', 'Changed text')
		await tab.evaluate(() => wp.autosave.server.triggerSave())
		const message = tab.locator('.autosave-message').first()
		await until('the message', async () => (await message.innerText()) !== '')
		const saved = php(`$p = get_post( ${post} ); echo $p->post_title, '|', $p->post_content;`)
		return [(await message.innerText()).replace(/\d.*/, ''), saved, await tab.locator('#save-post').isEnabled(), await tab.locator('#publish').isEnabled()]
	},

	async 'a lock that is taken over, classic editor'({ url, tab, context, post, open, beat, lock, php }) {
		await context.addCookies([{ name: 'editor', value: 'classic', url }])
		await open(`post.php?post=${post}&action=edit`)
		const before = await tab.inputValue('#active_post_lock')
		await beat()
		const refreshed = await tab.inputValue('#active_post_lock')
		lock()
		await beat()
		const dialog = tab.locator('#post-lock-dialog')
		await dialog.locator('.notification-dialog').waitFor({ state: 'visible' })
		const owner = php(`echo get_post_meta( ${post}, '_edit_lock', true ) !== '' ? 'locked' : 'free';`)
		return [/^\d+:\d+$/.test(before), /^\d+:\d+$/.test(refreshed), await text(dialog.locator('.currently-editing')), owner]
	},

	async 'a lock that is taken over, block editor'({ tab, post, open, beat, lock }) {
		await open(`post.php?post=${post}&action=edit`)
		await tab.waitForFunction(() => window.wp?.data?.select('core/editor')?.getCurrentPostId())
		await beat()
		lock()
		await beat()
		const modal = tab.locator('.editor-post-locked-modal')
		await modal.waitFor({ state: 'visible' })
		return [await text(modal), await tab.evaluate(() => wp.data.select('core/editor').isPostLocked())]
	},

	async 'the log-in dialog'({ tab, open, beat, logIn, logOutEverywhere }) {
		await open('index.php')
		const wrap = tab.locator('#wp-auth-check-wrap')
		const shown = async () => !/\bhidden\b/.test(await wrap.getAttribute('class'))
		const seen = [await shown()]
		logOutEverywhere()
		await beat()
		await until('the dialog', shown)
		await logIn()
		await beat()
		await beat()
		await until('no dialog', async () => !(await wrap.isVisible()))
		return [...seen, await tab.evaluate(() => wp.heartbeat.hasConnectionError())]
	},
}
