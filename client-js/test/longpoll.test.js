import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLongPollLink } from '../src/longpoll.js'

const settled = () => new Promise(setImmediate)

const response = (status, text, type = 'application/json', headers = {}) => ({ status, ok: status < 300, headers: new Headers(headers), text: async () => text, type })
const json = (value) => response(200, JSON.stringify(value))

// Returns a link, the requests that wait for an answer in `polls` and `due`, the frames that it
// has sent in `said`, and what it passed to the page. The test sets the clock. `opened` makes
// the answer to the hello; by default the server names ids. Each link starts a day later, when
// the refusals of earlier links have no effect any more.
let days = 0
function linkOf(t, opened = (id) => json({ type: 'welcome', session: 's', id, poll_ms: 25000 })) {
	t.mock.timers.reset()
	t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_800_000_000_000 + 86_400_000 * days++ })
	const it = { said: [], due: [], polls: [], closed: [], frames: [], urls: [], beacons: [], warnings: [] }
	const win = {
		AbortController,
		performance: { now: () => Date.now() },
		setTimeout: (...args) => setTimeout(...args),
		clearTimeout: (id) => clearTimeout(id),
		console: { warn: (text) => it.warnings.push(text) },
		navigator: { sendBeacon: (...args) => it.beacons.push(args.map(String)) },
		fetch: (address, { body, headers, signal }) => {
			const url = new URL(address, 'http://example.org')
			const id = Number(url.searchParams.get('id'))
			it.urls.push(address)
			if (url.pathname === '/heartbeat/open') {
				it.hello = body
				return Promise.resolve(opened(id, body))
			}
			return new Promise((resolve, reject) => {
				signal.addEventListener('abort', () => reject(signal.reason))
				if (url.pathname === '/heartbeat/poll') {
					it.polls.push({ id, after: Number(url.searchParams.get('after')), resolve })
					return
				}
				const isForm = headers['Content-Type'].startsWith('application/x-www-form-urlencoded')
				it.said.push(isForm ? { type: url.searchParams.get('type'), id, body } : JSON.parse(body))
				it.due.push((answer = response(204, '')) => resolve(answer))
			})
		},
	}
	it.link = createLongPollLink({
		url: '/heartbeat', win, onFrame: (frame) => it.frames.push(frame.type), onClosed: (close) => it.closed.push(close),
	})
	return it
}

async function opened(t, ...args) {
	const it = linkOf(t, ...args)
	await it.link.open({})
	return it
}

const FRAME = { type: 'nudge' }

// The first test: the others let the page receive frames.
test('a page whose session is gone opens another one, unless too many are gone in a row', async (t) => {
	const GONE = response(410, 'this session is gone')
	// It returns how many sessions are gone until the link says that the transport is refused.
	async function untilRefused() {
		for (let n = 1; ; n++) {
			const bad = await opened(t)
			bad.polls[0].resolve(GONE)
			await settled()
			const [{ reason }] = bad.closed
			if (!reason) continue
			assert.equal(reason, `GET /poll found no session, ${n} times in a row`)
			return n
		}
	}
	assert.equal(await untilRefused(), 5)
	const good = await opened(t)
	good.polls[0].resolve(json({ id: good.polls[0].id, seq: 1, frames: [FRAME] }))
	await settled()
	good.polls[1].resolve(GONE)
	await settled()
	assert.deepEqual(good.closed, [{ code: 1006, retryAfter: 0 }])
	assert.equal(await untilRefused(), 60, 'of a page that has received frames before')
})

test('notes and tickets are sent in order, and do not delay beats', async (t) => {
	const { link, said, due } = await opened(t)
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
	const { link, said, closed } = await opened(t)
	link.note('a')
	link.note('b')
	await settled()
	t.mock.timers.tick(35000)
	await settled()
	assert.equal(closed.length, 1)
	assert.deepEqual(said.map(({ body }) => body), ['a'])
})

test('no two requests have the same address, also of two pages', async (t) => {
	const { link, urls, polls, due } = await opened(t)
	polls[0].resolve(json({ id: polls[0].id, seq: 1, frames: [FRAME] }))
	link.note('a')
	link.note('b')
	link.beat('c')
	for (let i = 0; i < 3; i++) {
		await settled()
		due.forEach((answer) => answer())
	}
	link.close()
	const other = await opened(t)
	other.link.close()
	assert.equal(urls.length, 6)
	assert.equal(new Set([...urls, ...other.urls]).size, 8)
})

test('the frames of a poll are passed on, and the next poll acknowledges them', async (t) => {
	const { link, polls, frames, closed } = await opened(t)
	polls[0].resolve(json({ id: polls[0].id, seq: 2, frames: [FRAME, FRAME] }))
	await settled()
	t.mock.timers.tick(25000)
	polls[1].resolve(json({ id: polls[1].id, seq: 2, frames: [] }))
	await settled()
	assert.deepEqual(polls.map(({ after }) => after), [0, 2, 2])
	assert.deepEqual([frames, closed], [['nudge', 'nudge'], []])
	link.close()
})

const OLD = () => json({ type: 'welcome', session: 's' })
const FOREIGN = {
	'the answer to another poll': { answer: (id) => ({ id: id + 1, seq: 5, frames: [FRAME] }), reason: 'GET /poll got the answer to another request' },
	'an answer without the id': { answer: () => ({ seq: 5, frames: [FRAME] }), reason: 'GET /poll got the answer to another request' },
	'repeated frames': { answer: (id) => ({ id, seq: 1, frames: [FRAME] }), reason: 'GET /poll got an old answer' },
	'an older answer': { answer: (id) => ({ id, seq: 0, frames: [] }), wait: 25000, reason: 'GET /poll got an old answer' },
	'an empty answer at once': { answer: (id) => ({ id, seq: 1, frames: [] }), reason: 'GET /poll got an empty answer too early' },
	'repeated frames, from a server that names no ids': { opened: OLD, answer: () => ({ seq: 1, frames: [FRAME] }), reason: 'GET /poll got an old answer' },
	'an empty answer at once, from a server that names no ids': { opened: OLD, answer: () => ({ seq: 1, frames: [] }), reason: 'GET /poll got an empty answer too early' },
	'a page instead of an answer': { response: response(200, '<html>Are you human?'), reason: 'GET /poll got an answer of another program, with status 200' },
	'a refusal': { response: response(403, '<html>Forbidden'), reason: 'GET /poll got an answer of another program, with status 403' },
}
for (const [what, { opened: server, answer, response: whole, wait = 0, reason }] of Object.entries(FOREIGN)) {
	test(`${what} closes the link and is ignored`, async (t) => {
		const { polls, frames, closed } = await opened(t, server)
		polls[0].resolve(json({ id: server ? undefined : polls[0].id, seq: 1, frames: [FRAME] }))
		await settled()
		t.mock.timers.tick(wait)
		polls[1].resolve(whole || json(answer(polls[1].id)))
		await settled()
		assert.deepEqual(closed.map(({ reason }) => reason), [reason])
		assert.deepEqual(frames, ['nudge'])
		assert.equal(polls.length, 2)
	})
}

test('the answer to another beat is ignored', async (t) => {
	const { link, said, due, closed } = await opened(t)
	const tick = link.beat('b')
	await settled()
	due[0](json({ type: 'tick', id: said[0].id + 1, status: 200, body: '{}' }))
	assert.equal(await tick, null)
	assert.deepEqual(closed, [])
	link.close()
})

const FORBIDDEN = response(403, '<html>Forbidden')

test('a page whose beats or notes are refused keeps its link, and pauses them for growing times', async (t) => {
	const { link, said, due, closed, warnings } = await opened(t)
	const minutes = []
	const pass = (ms) => t.mock.timers.setTime(Date.now() + ms) // and no timer fires
	for (let i = 0; i < 8; i++) {
		const answer = i % 2 ? link.note('b') : link.beat('b')
		await settled()
		assert.equal(said.length, i + 1)
		due[i](FORBIDDEN)
		await settled()
		if (answer) assert.equal(await answer, null, 'the beat is posted')
		minutes.push(Number(warnings[i].match(/for (\d+) minutes/)[1]))
		pass(60_000 * minutes[i] - 1)
		link.note('b')
		assert.equal(await link.beat('b'), null)
		assert.equal(said.length, i + 1)
		pass(1)
	}
	assert.deepEqual(minutes.slice(-4), [32, 32, 32, 32])
	assert.deepEqual(minutes, [...minutes].sort((a, b) => a - b))
	assert.equal(warnings[7], 'heartbeatd: no beats over longpoll for 32 minutes: POST /beat got an answer of another program, with status 403')
	assert.deepEqual(closed, [])
	link.close()
})

test('a refused ticket closes the link', async (t) => {
	const { link, due, closed } = await opened(t)
	link.ticket('t')
	await settled()
	due[0](FORBIDDEN)
	await settled()
	assert.deepEqual(closed.map(({ reason }) => reason), ['POST /beat got an answer of another program, with status 403'])
})

test('a link whose hello is refused opens with a hello without a body', async (t) => {
	const bodies = []
	const strict = (id, body) => {
		bodies.push(body)
		return body.includes('data') ? FORBIDDEN : json({ type: 'welcome', session: 's', id, poll_ms: 25000 })
	}
	const { link } = linkOf(t, strict)
	await link.open({ ticket: 't', body: 'data%5Bn%5D=1&idle=0' })
	assert.deepEqual(bodies, ['ticket=t&data%5Bn%5D=1&idle=0', 'ticket=t'])
	link.close()
	const all = []
	await assert.rejects(linkOf(t, (id, body) => all.push(body) && FORBIDDEN).link.open({ ticket: 't', body: 'idle=0' }))
	assert.deepEqual(all, ['ticket=t&idle=0'], 'a front that refuses every hello is asked once')
})

test('beats are paused only if the body was refused, and a beat that is answered resets the pause', async (t) => {
	const fields = { ticket: 't', body: 'data%5Bn%5D=1&idle=0' }
	for (let i = 0; i < 6; i++) await assert.rejects(linkOf(t, () => FORBIDDEN).link.open(fields))
	const it = linkOf(t)
	const { link, said, due, warnings } = it
	t.mock.timers.setTime(Date.now() - 86_400_000 + 60_000) // a minute after the last refusal
	await link.open(fields)
	assert.match(it.hello, /data/, 'the body was not to blame')
	for (let i = 0; i < 6; i++) {
		const refused = i % 2
		const tick = link.beat('b')
		await settled()
		assert.equal(said.length, i + 1)
		due[i](refused ? FORBIDDEN : json({ type: 'tick', id: said[i].id, status: 200, body: '{}' }))
		await settled()
		assert.equal((await tick) === null, Boolean(refused))
		t.mock.timers.setTime(Date.now() + 120_000)
	}
	assert.deepEqual(warnings.map((text) => text.match(/for (\d+) minutes/)[1]), ['2', '2', '2'])
	link.close()
})

test('urlencoded bodies are sent as a form, and the ticket is not in the address', async (t) => {
	const it = linkOf(t)
	await it.link.open({ ticket: 'a.b-c', conn: '0123abcd', after: 'e-7', body: 'data%5Bn%5D=1&idle=0' })
	assert.equal(it.hello, 'ticket=a.b-c&conn=0123abcd&after=e-7&data%5Bn%5D=1&idle=0')
	assert.match(it.urls[0], /^\/heartbeat\/open\?id=\d+$/)
	it.link.beat('data%5Bn%5D=2')
	it.link.note('')
	await settled()
	assert.match(it.urls[2], /^\/heartbeat\/beat\?type=beat&id=\d+$/)
	assert.deepEqual(it.said.map(({ type, body }) => [type, body]), [['beat', 'data%5Bn%5D=2'], ['note', '']])
	it.link.close()
})

test('close() sends one POST /close with the session', async (t) => {
	const it = await opened(t)
	it.link.close()
	it.link.close()
	assert.deepEqual(it.beacons, [['/heartbeat/close', 'session=s']])
	const early = linkOf(t)
	const opening = early.link.open({})
	early.link.close()
	await assert.rejects(opening)
	assert.deepEqual([early.beacons.length, early.polls.length], [1, 0], 'also if the welcome arrives after close()')
})

const OPENINGS = {
	'a refusal of heartbeatd': [response(403, '{"type":"bye","code":4003,"reason":"no ticket"}'), { code: 4003, retryAfter: 0 }],
	'heartbeatd that is stopping': [response(503, '{"type":"bye","code":4001,"retry_after_ms":9}'), { code: 4001, retryAfter: 9 }],
	'a gateway without heartbeatd': [response(502, '<html>Bad Gateway'), { code: 1006, retryAfter: 0 }],
	'a firewall': [response(403, '<html>Forbidden'), { code: 1006, retryAfter: 0, reason: 'POST /open got an answer of another program, with status 403' }],
	'an answer that was cut off': [response(200, '{"type":"welc'), { code: 1006, retryAfter: 0 }],
	'a front with a rate limit': [response(429, '<html>Slow down', 'text/html', { 'Retry-After': '7' }), { code: 4006, retryAfter: 7000 }],
	'a front that asks to wait for a year': [response(429, '', 'text/html', { 'Retry-After': '31536000' }), { code: 4006, retryAfter: 3600000 }],
	'a front with a request timeout': [response(408, ''), { code: 4006, retryAfter: 0 }],
	'a captcha': [response(200, '<html>Are you human?'), { code: 1006, retryAfter: 0, reason: 'POST /open got an answer of another program, with status 200' }],
	'a size limit': [response(413, ''), { code: 1006, retryAfter: 0, reason: 'POST /open got an answer of another program, with status 413' }],
	'another page’s welcome': [json({ type: 'welcome', session: 's', id: 1, poll_ms: 25000 }), { code: 1006, retryAfter: 0, reason: 'POST /open got the answer to another request' }],
}
for (const [what, [answer, close]] of Object.entries(OPENINGS)) {
	test(`the link does not open: ${what}`, async (t) => {
		const { link, polls } = linkOf(t, () => answer)
		await assert.rejects(link.open({}), (error) => {
			assert.deepEqual(error, close)
			return true
		})
		assert.equal(polls.length, 0)
	})
}
