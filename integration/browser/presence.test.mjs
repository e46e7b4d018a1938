// Presence as other browsers, a NATS subscriber and heartbeatd watch see it.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { connect } from '@nats-io/transport-node'
import { setVisibility, startChromium, startHeartbeatd, startWatch, until } from './harness.mjs'
import { beat, changes, online, openDemo, seen, shows } from './demo.mjs'

describe('presence', () => {
	for (const transport of ['websocket', 'events', 'longpoll', 'post']) {
		test(`a second user's first beat, by ${transport}, reaches the first user and NATS`, async (t) => {
			const server = await startHeartbeatd(t)
			const browser = await startChromium(t)
			const heard = await subscribe(t, server)
			const first = await openDemo(t, browser, server, 1)
			await shows(first, [1])
			const second = await openDemo(t, browser, server, 2, { transport })
			const [joined] = await until('user 2 in the first browser', async () => {
				const found = await changes(first, 2)
				return found.length > 0 && found
			})
			assert.equal(joined.change, 'joined')
			await shows(first, [1, 2])
			await beat(second) // a page that only posts hears of others in its tick
			await shows(second, [1, 2])
			const onNATS = await until('user 2 on NATS', () => heard.find((message) => message.entry?.user_id === 2))
			const [{ at: sent }] = await seen(second, 'send')
			t.diagnostic(`from the second user's first beat: first browser ${joined.at - sent} ms, NATS ${onNATS.at - sent} ms`)
		})
	}

	test('a user stays while one of their tabs is open, and leaves after the last one is closed', async (t) => {
		const server = await startHeartbeatd(t)
		const browser = await startChromium(t)
		const watched = await startWatch(t, server)
		const watcher = await openDemo(t, browser, server, 1)
		const two = await browser.newContext()
		const back = await browser.newContext()
		t.after(() => Promise.all([two.close(), back.close()]))
		const [closing] = [await openDemo(t, browser, server, 2, { context: two }), await openDemo(t, browser, server, 2, { context: two })]
		const only = await openDemo(t, browser, server, 3)
		const leaving = await openDemo(t, browser, server, 4, { context: back })
		await shows(watcher, [1, 2, 3, 4])
		for (const user of [2, 3, 4]) await until('in watch', () => watched.some((line) => joins(line, user)))

		const closed = Date.now()
		await Promise.all([closing.close(), only.close(), leaving.close()])
		await openDemo(t, browser, server, 4, { context: back })
		// When user 3 has left, the others would have left, too.
		const left = await until('user 3 to leave', async () => (await changes(watcher, 3)).find(({ change }) => change === 'left'), 30)
		t.diagnostic(`the last tab closed: a leave after ${left.at - closed} ms`)
		assert.ok(left.at - closed >= 9_000, 'the leave came before the grace was over')
		for (const user of [2, 4]) {
			const since = (await changes(watcher, user)).filter(({ change, at }) => at >= closed && change !== 'updated')
			assert.deepEqual(since, [], `user ${user} neither left nor joined`)
		}
		await shows(watcher, [1, 2, 4])
		await until('the leave in watch', () => watched.some((line) => line.event === 'left' && line.user_id === 3))
		assert.deepEqual(watched.filter((line) => line.user_id !== 3 && line.event === 'left'), [])

		await two.close()
		await until('user 2 to leave with the last tab', async () => (await changes(watcher, 2)).some(({ change }) => change === 'left'), 30)
		await shows(watcher, [1, 4])
	})

	test('the user of a hidden tab leaves after the TTL, and joins when the tab is shown', async (t) => {
		const server = await startHeartbeatd(t, { flags: ['--presence-ttl', '6s'] })
		const browser = await startChromium(t)
		const watcher = await openDemo(t, browser, server, 1)
		const hidden = await openDemo(t, browser, server, 2)
		await shows(watcher, [1, 2])

		await setVisibility(hidden, 'hidden') // and it beats no more: the link itself says so
		const start = Date.now()
		await shows(watcher, [1])
		t.diagnostic(`hidden: a leave after ${Date.now() - start} ms with a TTL of 6 s`)
		await setVisibility(hidden, 'visible')
		await beat(hidden)
		await shows(watcher, [1, 2])
		// The entry of an open tab does not expire: its node renews it.
		assert.deepEqual((await changes(hidden, 1)).filter(({ change }) => change === 'left'), [])
		assert.deepEqual(await online(hidden), [1, 2])
	})
})

function joins(line, user) {
	return line.event === 'joined' && line.user_id === user
}

// subscribe returns the messages of presence.> as a NATS client gets them: {subject, entry, at}.
async function subscribe(t, server) {
	const connection = await connect({ servers: server.nats })
	t.after(() => connection.close())
	const heard = []
	connection.subscribe('presence.>', {
		callback: (error, message) => {
			if (error) throw error
			heard.push({ subject: message.subject, entry: message.data.length > 0 ? message.json() : null, at: Date.now() })
		},
	})
	await connection.flush()
	return heard
}
