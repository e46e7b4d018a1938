import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLongPollLink } from '../src/longpoll.js'

const settled = () => new Promise(setImmediate)

// An open link, what it has said, and the answers that are due: the polls wait.
async function linkOf(t) {
	t.mock.timers.enable({ apis: ['setTimeout'] })
	const said = []
	const due = []
	const closed = []
	const response = (status, text) => ({ status, ok: status < 300, text: async () => text })
	const win = {
		AbortController,
		setTimeout: (...args) => setTimeout(...args),
		clearTimeout: (id) => clearTimeout(id),
		fetch: (url, { body }) => {
			if (url.endsWith('/open')) return Promise.resolve(response(200, '{"type":"welcome","session":"s"}'))
			return new Promise((resolve) => {
				if (!url.endsWith('/beat')) return
				said.push(JSON.parse(body))
				due.push(() => resolve(response(204, '')))
			})
		},
	}
	const link = createLongPollLink({ url: '/heartbeat', win, onFrame() {}, onClosed: (close) => closed.push(close.code) })
	await link.open({})
	return { link, said, due, closed }
}

test('notes and tickets reach the server in order, and delay no beat', async (t) => {
	const { link, said, due } = await linkOf(t)
	link.ticket('t')
	link.note('idle=1')
	link.note('idle=0')
	link.beat('b')
	await settled()
	assert.deepEqual(said.map(({ type }) => type).sort(), ['beat', 'ticket'])
	for (let i = 0; i < 4; i++) {
		due.forEach((answer) => answer())
		await settled()
	}
	assert.deepEqual(said.filter(({ type }) => type !== 'beat').map(({ body, ticket }) => body || ticket), ['t', 'idle=1', 'idle=0'])
	link.close()
})

test('a note without an answer closes the link', async (t) => {
	const { link, said, closed } = await linkOf(t)
	link.note('a')
	link.note('b')
	await settled()
	t.mock.timers.tick(35000)
	await settled()
	assert.equal(closed.length, 1)
	assert.deepEqual(said.map(({ body }) => body), ['a'])
})
