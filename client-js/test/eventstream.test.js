import assert from 'node:assert/strict'
import { test } from 'node:test'
import { canStream, createEventsLink } from '../src/eventstream.js'

// Waits until a stream has been read.
async function settled() {
	for (let i = 0; i < 5; i++) await new Promise(setImmediate)
}

const json = (value) => new Response(JSON.stringify(value), { headers: { 'Content-Type': 'application/json' } })
const refusal = (status, text) => new Response(text, { status })

// Returns a link, its streams as {id, after, write(text), end(), fail()}, and what it passed to
// the page. The test sets the clock. If `answer` is given, it makes the responses instead of
// streams. `act` is open or test.
function linkOf(t, { answer, act = 'open' } = {}) {
	t.mock.timers.reset()
	t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_800_000_000_000 })
	let now = 0
	const it = { streams: [], closed: [], frames: [], beacons: [], opened: false, failed: null }
	it.sleep = (ms) => t.mock.timers.setTime(Date.now() + ms) // performance.now() stands still
	it.pass = (ms) => {
		now += ms
		t.mock.timers.tick(ms)
		return settled()
	}
	const win = {
		AbortController,
		TextDecoder,
		performance: { now: () => now },
		setTimeout: (...args) => setTimeout(...args),
		clearTimeout: (id) => clearTimeout(id),
		console,
		navigator: { sendBeacon: (...args) => it.beacons.push(args.map(String)) },
		fetch: async (address, { headers, signal }) => {
			const { pathname, searchParams: query } = new URL(address, 'http://example.org')
			const id = Number(query.get('id'))
			if (pathname === '/heartbeat/open') return json({ type: 'welcome', session: 's', id, poll_ms: 25000 })
			assert.equal(pathname, '/heartbeat/events')
			const isTest = query.get('test') === '1'
			assert.equal(headers['Heartbeat-Session'], isTest ? undefined : 's')
			const stream = { id, isTest, after: Number(query.get('after')) }
			it.streams.push(stream)
			if (answer) return answer(id)
			const body = new ReadableStream({
				start(controller) {
					const encoder = new TextEncoder()
					stream.write = (text) => (controller.enqueue(typeof text === 'string' ? encoder.encode(text) : text), settled())
					stream.end = () => (controller.close(), settled())
					stream.fail = () => (controller.error(new TypeError('network error')), settled())
					signal.addEventListener('abort', () => controller.error(signal.reason))
				},
				cancel: () => (stream.cancelled = true),
			})
			return new Response(body, { headers: { 'Content-Type': 'text/event-stream' } })
		},
	}
	it.link = createEventsLink({
		url: '/heartbeat', win, onFrame: (frame) => it.frames.push(frame.type), onClosed: (close) => it.closed.push(close),
	})
	it.opening = it.link[act]({ body: '' }).then(() => (it.opened = true), (close) => (it.failed = close))
	return it
}

// opened returns a link whose first stream has begun.
async function opened(t) {
	const it = linkOf(t)
	await settled()
	await it.streams[0].write(`:${it.streams[0].id}\n\n`)
	await it.pass(0)
	assert.ok(it.opened)
	return it
}

const event = (id, frame = { type: 'nudge' }) => `id:${id}\ndata:${JSON.stringify(frame)}\n\n`

test('the link opens when its stream begins', async (t) => {
	const it = linkOf(t)
	await settled()
	assert.equal(it.streams[0].after, 0)
	await it.pass(4000)
	assert.equal(it.opened, false, 'no byte has arrived')
	await it.streams[0].write(`:${it.streams[0].id}\n\n${event(1)}`)
	assert.deepEqual([it.opened, it.frames], [true, []], 'the page has the link before it gets frames')
	await it.pass(0)
	assert.deepEqual(it.frames, ['nudge'])
	it.link.close()
	assert.deepEqual(it.beacons, [['/heartbeat/close', 'session=s']])
})

test('a link whose stream does not begin fails', async (t) => {
	const it = linkOf(t)
	await settled()
	await it.pass(20000)
	assert.deepEqual([it.opened, it.failed], [false, { code: 1006, retryAfter: 0 }])
	assert.deepEqual(it.closed, [])
})

test('events arrive in pieces of any size', async (t) => {
	const it = await opened(t)
	const bytes = new TextEncoder().encode(event(1, { type: 'push', data: 'ä€😀' }) + ':\n\n' + event(2))
	for (const byte of bytes) it.streams[0].write(new Uint8Array([byte]))
	await settled()
	await settled()
	for (let i = 0; i < 100 && it.frames.length < 2; i++) await settled()
	assert.deepEqual(it.frames, ['push', 'nudge'])
	it.link.close()
})

test('when a stream ends, the next one continues after the last event', async (t) => {
	const it = await opened(t)
	await it.streams[0].write(event(1) + event(2))
	for (let i = 0; i < 2; i++) {
		await it.pass(10000)
		await it.streams[0].write(':\n\n')
	}
	await it.pass(10000)
	await it.streams[0].end()
	assert.equal(it.streams[1].after, 2)
	assert.notEqual(it.streams[1].id, it.streams[0].id)
	await it.streams[1].write(`:${it.streams[1].id}\n\n${event(3)}`)
	await it.pass(0)
	assert.deepEqual([it.frames, it.closed], [['nudge', 'nudge', 'nudge'], []])
	it.link.close()
})

test('a stream that ends after the machine has slept did not end too early', async (t) => {
	const it = await opened(t)
	it.sleep(60000)
	await it.streams[0].end()
	assert.deepEqual([it.closed, it.streams.length], [[], 2])
	it.link.close()
})

// WebKit shows a broken connection like this. A node that passes the stream on may have stopped.
test('a stream that ends early is followed by the next one, but not too often', async (t) => {
	const it = await opened(t)
	const next = async (n, lasts) => {
		await it.streams[n].write(`:${it.streams[n].id}\n\n`)
		await it.pass(lasts)
		await it.streams[n].end()
		await settled()
	}
	await it.streams[0].end()
	await settled()
	await next(1, 9000)
	await next(2, 9000)
	await next(3, 11000) // lasts long enough
	for (let n = 4; n < 7; n++) await next(n, 0)
	assert.deepEqual([it.closed, it.streams.length], [[], 8])
	await next(7, 0)
	assert.deepEqual([it.closed, it.streams.length], [[{ code: 1006, retryAfter: 0, reason: 'GET /events ended early' }], 8])
})

const BREAKS = {
	'a silent stream': [(it) => it.pass(20000)],
	'a broken connection': [(it) => it.streams[0].fail()],
	'a bye': [(it) => it.streams[0].write(event(1, { type: 'bye', code: 4001, retry_after_ms: 9 })), { code: 4001, retryAfter: 9 }],
	'a repeated event': [(it) => it.streams[0].write(event(1) + event(1)), 'got an event out of order'],
	'a missing event': [(it) => it.streams[0].write(event(2)), 'got an event out of order'],
	'a line without end': [(it) => it.streams[0].write('data:' + 'x'.repeat(5 << 20)), 'got a line too long'],
}
for (const [what, [act, close = { code: 1006, retryAfter: 0 }]] of Object.entries(BREAKS)) {
	test(`${what} closes the link`, async (t) => {
		const it = await opened(t)
		await act(it)
		await settled()
		assert.deepEqual(it.closed, [typeof close === 'string' ? { code: 1006, retryAfter: 0, reason: `GET /events ${close}` } : close])
		assert.equal(it.streams.length, 1)
		assert.ok(it.frames.length <= 1)
	})
}

const ANSWERS = {
	'a firewall': [() => refusal(403, '<html>Forbidden'), 'GET /events got an answer of another program, with status 403'],
	'a page': [() => refusal(200, '<html>Are you human?'), 'GET /events got an answer of another program, with status 200'],
	'a stream without a line': [() => new Response('', { headers: { 'Content-Type': 'text/event-stream' } })],
	'a gateway': [() => refusal(502, '<html>Bad Gateway')],
	'heartbeatd': [() => refusal(403, '{"type":"bye","code":4003}'), { code: 4003, retryAfter: 0 }],
	'a cache': [(id) => new Response(`:${id - 1}\n\n${event(1)}`, { headers: { 'Content-Type': 'text/event-stream' } }), 'GET /events got the answer to another request'],
}
for (const [what, [answer, close = { code: 1006, retryAfter: 0 }]] of Object.entries(ANSWERS)) {
	for (const act of ['open', 'test']) {
		test(`${act} fails if ${what} answers`, async (t) => {
			const it = linkOf(t, { answer, act })
			await it.opening
			assert.deepEqual(it.failed, typeof close === 'string' ? { code: 1006, retryAfter: 0, reason: close } : close)
			assert.deepEqual([it.opened, it.frames, it.closed], [false, [], []])
		})
	}
}

test('a test passes with its first line, and needs no session', async (t) => {
	const it = linkOf(t, { act: 'test' })
	await settled()
	const [stream] = it.streams
	assert.ok(stream.isTest)
	await it.pass(4000)
	assert.equal(it.opened, false)
	await stream.write(`:${stream.id}\n\n`)
	await it.opening
	assert.deepEqual([it.opened, stream.cancelled, it.streams.length], [true, true, 1])
	const opening = it.link.open({ body: '' })
	await settled()
	assert.equal(it.streams[1].isTest, false)
	await it.streams[1].write(`:${it.streams[1].id}\n\n`)
	await opening
	it.link.close()
	assert.deepEqual(it.beacons, [['/heartbeat/close', 'session=s']])
})

test('a test that is held back fails after 5 s', async (t) => {
	const it = linkOf(t, { act: 'test' })
	await settled()
	await it.pass(4999)
	assert.equal(it.failed, null)
	await it.pass(1)
	assert.deepEqual([it.opened, it.failed, it.closed], [false, { code: 1006, retryAfter: 0 }, []])
})

test('a link that is closed during its test opens no session', async (t) => {
	const it = linkOf(t, { act: 'test' })
	await settled()
	it.link.close()
	await it.opening
	assert.deepEqual([it.failed, it.beacons], [{ code: 1006, retryAfter: 0 }, []])
})

test('a browser without streams cannot use the transport', () => {
	assert.ok(canStream({ fetch, AbortController, TextDecoder, Response }))
	assert.ok(!canStream({ fetch, AbortController, TextDecoder, Response: class {} }))
	assert.ok(!canStream({}))
})
