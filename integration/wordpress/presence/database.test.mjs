// Presence writes nothing to the database. MariaDB logs all queries of a minute of beats of
// twenty editors.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { until } from '../../browser/harness.mjs'
import { beat, connected, withPlugin } from '../plugin.mjs'
import { logIn } from './person.mjs'

const editors = 20
const beatsInAMinute = 4

test('presence of twenty editors makes no write to the database', { timeout: 400_000 }, async (t) => {
	await withPlugin(t, async ({ site, php, ask, open }) => {
		const names = Array.from({ length: editors }, (_, i) => `editor${i}`)
		const ids = php(`$ids = array(); for ($i = 0; $i < ${editors}; $i++) $ids[] = wp_insert_user(array('user_login' => "editor$i", 'user_pass' => "pass $i", 'role' => 'editor', 'display_name' => "Editor $i")); return $ids;`)
		names.forEach((login, i) => { site.users[login] = { id: ids[i], login, password: `pass ${i}`, role: 'editor' } })
		const posts = php(`$p = array(); for ($i = 0; $i < ${editors}; $i++) $p[] = wp_insert_post(array('post_title' => "Post $i", 'post_content' => 'x', 'post_status' => 'publish')); return $p;`)
		const log = startLog(site)

		const people = []
		for (const name of names.slice(0, editors - 2)) people.push(await logIn(site, name))
		const [dashboard, list] = [await open(names.at(-2), '/wp-admin/'), await open(names.at(-1), '/wp-admin/edit.php')]
		const minute = async () => {
			for (let i = 0; i < beatsInAMinute; i++) {
				for (const [at, person] of people.entries()) {
					const screen = ['dashboard', 'edit-post', 'post'][at % 3]
					const data = { 'presence-ping': { screen }, 'presence-active-posts-ping': true, 'presence-screen-ping': { key: `post/${posts[at]}` } }
					if (screen === 'post') data['presence-editor-ping'] = { post_id: posts[at] }
					const tick = await person.beat(data, { screen, conn: `tab-of-editor-${at}` })
					assert.ok(tick['presence-online'].length >= 1 && Array.isArray(tick['presence-active-posts']))
				}
				await beat(dashboard)
				await beat(list)
			}
		}
		await connected(dashboard)
		await connected(list)
		await minute() // writes that happen once happen now

		await t.test('a minute of beats makes no write', async () => {
			const everybody = async () => (await ask(`return heartbeatd_presence_list_all(array('room' => 'admin/online'));`)).length
			await until('everybody in the room', async () => await everybody() === editors)
			const before = log.queries().length
			await minute()
			assert.equal(await everybody(), editors)
			const made = log.queries().slice(before)
			assert.ok(made.length > 100, `the log works: ${made.length} queries`)
			assert.deepEqual(made.filter(isWrite), [])
			t.diagnostic(`${made.length} queries, all of them reads`)
		})

		await t.test('entering, leaving and reading rooms makes no write', async () => {
			const before = log.queries().length
			php(`wp_set_presence('r', 'c', array(), ${ids[0]}); wp_get_presence('r'); wp_remove_presence('r', 'c'); wp_remove_user_presence(${ids[0]}); return 1;`)
			assert.equal((await people[0].rest('POST', '/wp-presence/v1/presence', { room: 'r', client_id: 'c' })).status, 200)
			assert.equal((await people[0].rest('GET', '/wp-presence/v1/presence/rooms')).status, 200)
			await dashboard.close()
			await until('one fewer', async () => !(await ask(`return array_column(wp_get_presence('admin/online'), 'user_id');`)).includes(ids.at(-2)), 20)
			assert.deepEqual(log.queries().slice(before).filter(isWrite), [])
		})

		await t.test('a lock makes only core\'s write', async () => {
			const before = log.queries().length
			await people[2].beat({ 'wp-refresh-post-lock': { post_id: posts[2], lock: '' } }, { screen: 'post' })
			await until('the lock in the room', async () => (await ask(`return array_column(wp_get_presence('postType/post:${posts[2]}'), 'client_id');`)).includes(`lock-${ids[2]}`))
			const writes = log.queries().slice(before).filter(isWrite)
			assert.ok(writes.length === 1 && writes[0].includes('_edit_lock'), writes.join('\n'))
		})
	})
})

const isWrite = (query) => /^\s*(INSERT|UPDATE|DELETE|REPLACE|TRUNCATE|CREATE|ALTER|DROP)\b/i.test(query)

// A query of several lines is identified by its first line that is not empty.
const record = /\bQuery\t\s*(.*)/g

// startLog makes the database log every query to a file.
function startLog({ database: { socket } }) {
	const file = `${socket}.queries.log`
	execFileSync('mariadb', ['--no-defaults', `--socket=${socket}`, '--user=root', '-e', `SET GLOBAL log_output = 'FILE'; SET GLOBAL general_log_file = '${file}'; SET GLOBAL general_log = 1`])
	return {
		queries: () => Array.from(readFileSync(file, 'utf8').matchAll(record), ([, query]) => query),
	}
}
