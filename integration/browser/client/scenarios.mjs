// Scripted scenarios: actions of a page, a user, a network and a server on a Heartbeat client.
// lab/realm.js has the steps.

const SECOND = 1000
const MINUTE = 60 * SECOND

export const PAGE = {
	ajaxurl: '/wp-admin/admin-ajax.php',
	pagenow: 'dashboard',
	heartbeatSettings: { nonce: 'n0', interval: '15' },
	wpApiSettings: { nonce: 'r0' },
}

// Values that JavaScript converts to numbers, and others.
export const ODD_NUMBERS = [0, '0', '', ' ', false, true, null, -1, '-7', 0.5, '0.5', 1.5, '2.25', '1e1', '0x10', ' 20 ', '+9', 3600.5, '3601', 1e12, [], [0], [30], ['12'], ['']]
export const NO_NUMBERS = ['fast', '15abc', 'abc', [10, 20], ['x'], {}, { a: 1 }]

const page = (settings, rest) => ({ ...PAGE, ...rest, heartbeatSettings: { ...PAGE.heartbeatSettings, ...settings } })
const ok = (extra, rest) => ({ status: 200, body: JSON.stringify({ server_time: 1, 'wp-auth-check': true, ...extra }), ...rest })
const advance = (ms) => ['advance', ms]
const call = (...args) => ['call', ...args]
const STATE = ['state']
const FOUR_BEATS = [advance(MINUTE), STATE]
const show = (answers, ...steps) => ({ answers, steps: steps.length ? steps : FOUR_BEATS })
const throughout = (answer, ms = 2 * MINUTE) => ({
	answers: [ok(), ...Array(8).fill(answer), ok(), ok()],
	steps: [...Array(ms / 10000).fill(0).flatMap(() => [advance(10000), STATE])],
})

export const scenarios = Object.entries({
	...surface(),
	...intervals(),
	...settings(),
	...oddSettings(),
	...attention(),
	...answers(),
	...nonces(),
	...handlers(),
	...rushes(),
}).map(([name, scenario]) => ({ page: PAGE, name, ...scenario }))

function surface() {
	return {
		'first beat one interval after ready': show([], advance(14999), advance(1), advance(15000)),
		'methods and nothing else': show([], ['eval', 'window.wp.heartbeat.enqueue("a", Object.keys(wp.heartbeat).sort())'], advance(15000)),
		'enqueue and its returns': show([],
			call('enqueue', 'a', 1), call('enqueue', 'a', 2, true), call('enqueue', 'a', 3), call('enqueue', '', 1), call('enqueue'),
			call('isQueued', 'a'), call('isQueued', 'b'), call('isQueued', ''), call('isQueued'), call('getQueuedItem', 'a'),
			call('getQueuedItem', 'b'), call('getQueuedItem', ''), call('dequeue', 'a'), call('dequeue', 'b'), call('dequeue'),
			call('isQueued', 'a'), call('enqueue', 'b', null), call('isQueued', 'b'), call('getQueuedItem', 'b'), advance(15000), call('isQueued', 'b')),
		'odd handles': show([], call('enqueue', 0, 1), call('enqueue', 7, 1), call('enqueue', 'toString', 1), call('isQueued', 'hasOwnProperty'),
			call('getQueuedItem', 'valueOf'), call('enqueue', 'a b[c]', 1), call('enqueue', null, 1), call('isQueued', null), advance(15000)),
		'own property names in the queue': { differs: true, ...show([], call('enqueue', 'hasOwnProperty', 1), call('isQueued', 'a'), call('enqueue', 'a', 1, true), advance(15000)) },
		'detached calls': { differs: true, ...show([], ['eval', 'var e = wp.heartbeat.enqueue; e("a", 1, true)'], ['eval', 'var g = wp.heartbeat.getQueuedItem; e("b", g("a"))'], advance(15000)) },
		'values as PHP will see them': show([], call('enqueue', 'a', { t: true, f: false, n: null, e: [], o: {}, l: [1, [2, 3], { x: 4 }], s: 'é ü+&=%' }), advance(15000)),
		'undefined data': show([], ['eval', 'wp.heartbeat.enqueue("b", { x: undefined, y: [undefined, null], z: 1 })'], call('enqueue', 'a'), call('isQueued', 'a'), call('getQueuedItem', 'a'), call('enqueue', 'a', 1, true), advance(15000)),
		'queue is empty after a beat': show([], call('enqueue', 'a', 1), advance(15000), advance(15000)),
		'queued while connecting goes with the next': show([ok({}, { delay: 1000 })], call('enqueue', 'a', 1), advance(15500), call('enqueue', 'b', 2), advance(20000)),
		'connectNow': show([], call('connectNow'), STATE, advance(0), call('connectNow'), advance(20000)),
		'connectNow before ready': { ...show([]), before: 'jQuery.holdReady(true)', steps: [call('connectNow'), advance(1000), ['eval', 'jQuery.holdReady(false)'], advance(MINUTE)] },
		'connectNow while connecting': show([ok({ n: 1 }, { delay: 2000 })], advance(15500), call('enqueue', 'a', 1), call('connectNow'), call('connectNow'), advance(MINUTE)),
		'disableSuspend returns nothing': show([], call('disableSuspend'), call('hasFocus'), call('hasConnectionError')),
		'no wp.hooks': { differs: true, ...show([]), before: 'wp.hooks = undefined' },
		'null heartbeatSettings nonce': { page: page({ nonce: null }), ...show([]) },
	}
}

function intervals() {
	const ask = (...values) => show([], ...values.flatMap((value) => [call('interval', ...[].concat(value)), advance(20000)]), call('interval'), advance(3 * MINUTE))
	return {
		'interval numbers': ask(10, 30, 120, 1),
		'interval strings': ask('fast', '20', '7abc', 'slow', 'standard'),
		'interval out of range': ask(0, -5, 3601, 3600, 'x', NaN),
		'interval odd types': ask(true, null, false, [[9]], { a: 1 }, 12.7),
		'interval odd numbers': ask('0', '-7', 0.5, '0.5', '2.25', '1e1', '0x10', ' 20 ', '+9', 3600.5, '3600.5', '3601', 1e12, 1e21, 1e-7),
		'interval not a number': ask('', ' ', '15abc', 'abc', 'FAST', ' fast', [[]], [['fast']], [[10, 20]], [['7s']], {}),
		'interval fast, odder ticks': ask(['fast', '0'], ['fast', 2.9], ['fast', '2.9'], ['fast', '2x'], ['fast', [2]], ['fast', null], ['fast', true], ['fast', {}], ['5', 2], [[5], 2], [5.9, 2], ['5s', 2]),
		'interval with objects that are converted': show([], ['eval', 'wp.heartbeat.enqueue("a", [wp.heartbeat.interval({ toString: () => "8" }), wp.heartbeat.interval(new String("fast")), wp.heartbeat.interval(Infinity), wp.heartbeat.interval({ valueOf: () => 9 })])'], advance(MINUTE), ['eval', 'wp.heartbeat.interval(Object.create(null))'], ['eval', 'wp.heartbeat.interval(Symbol())'], advance(MINUTE), STATE),
		'interval set by the server, odder': show(['0', -1, 0.5, '1e1', [7], [], {}, true, false, '12abc', 'FAST', 99999].map((speed) => ok({ heartbeat_interval: speed })), advance(12 * MINUTE), STATE),
		'interval long-polling': { answers: Array(40).fill(ok({}, { delay: 900 })), steps: [call('interval', 'long-polling'), advance(20000), call('interval', 10), advance(40000)] },
		'interval fast for 30 beats': show([], call('interval', 'fast'), advance(4 * MINUTE), STATE),
		'interval 5 for three beats': show([], call('interval', 5, 3), advance(MINUTE), STATE),
		'interval fast, odd ticks': ask(['fast', 0], ['fast', 31], ['fast', '2'], ['fast', 'x'], ['fast', -1]),
		'interval fast twice': show([], call('interval', 5, 3), advance(6000), call('interval', 5, 3), advance(MINUTE)),
		'interval fast then slow': show([], call('interval', 'fast'), advance(6000), call('interval', 40), advance(2 * MINUTE)),
		'interval same value does not reschedule': show([], advance(8000), call('interval', 15), advance(7000), STATE),
		'interval shorter than elapsed': show([], advance(12000), call('interval', 10), advance(30000)),
		'interval while unfocused': show([], ['focus', false], advance(10000), call('interval', 'fast'), call('interval', 20), advance(5 * MINUTE), ['focus', true], advance(MINUTE)),
		'interval fast counted while unfocused': show([], call('interval', 5, 4), advance(6000), ['focus', false], advance(5 * MINUTE), ['focus', true], advance(MINUTE)),
		'interval set by the server': show([ok({ heartbeat_interval: 30 }), ok({ heartbeat_interval: 'fast' }), ok(), ok({ heartbeat_interval: 60 })], advance(3 * MINUTE), STATE),
		'interval set by the server, odd': show([ok({ heartbeat_interval: '20' }), ok({ heartbeat_interval: 'x' }), ok({ heartbeat_interval: 0 }), ok({ heartbeat_interval: 5 })], advance(3 * MINUTE), STATE),
		'interval set by the server and by a tick handler': show([ok({ heartbeat_interval: 30 }), ok({ heartbeat_interval: 'fast' }), ok({ heartbeat_interval: 60 })], ['handler', 'tick', 'event', ['call', 'interval', 20]], advance(3 * MINUTE), STATE),
		'interval long-polling by the server': { answers: [ok({ heartbeat_interval: 'long-polling' }), ...Array(30).fill(ok({}, { delay: 1500 })), ok({ heartbeat_interval: 30 })], steps: [advance(MINUTE), STATE, advance(MINUTE)] },
	}
}

function settings() {
	const with_ = (given, ...steps) => ({ page: page(given), ...show([], ...(steps.length ? steps : [STATE, advance(5 * MINUTE), STATE])) })
	return {
		'setting interval 1': with_({ interval: 1 }, STATE, advance(5000)),
		'setting interval 0': with_({ interval: 0 }),
		'setting interval 4000': with_({ interval: '4000' }, STATE, advance(70 * MINUTE)),
		'setting interval -3': with_({ interval: -3 }, STATE, advance(MINUTE)),
		'setting interval fast': { differs: true, ...with_({ interval: 'fast' }, STATE, advance(4000)) },
		'setting interval missing': with_({ interval: undefined }),
		'setting interval 5': with_({ interval: 5 }, STATE, advance(MINUTE), call('interval', 'standard'), advance(MINUTE)),
		'minimal interval clamps': with_({ minimalInterval: '60' }, STATE, call('interval', 'fast'), call('interval', 20), call('interval', 90), advance(5 * MINUTE)),
		'minimal interval 5 and fast': with_({ minimalInterval: 5 }, call('interval', 'fast', 2), call('interval', 2), advance(MINUTE)),
		'minimal interval out of range': with_({ minimalInterval: 601 }, call('interval', 2), advance(10000)),
		'minimal interval over unfocused': with_({ minimalInterval: 300 }, ['focus', false], advance(20 * MINUTE)),
		'minimal interval and long-polling': with_({ minimalInterval: 20 }, call('interval', 'long-polling'), advance(MINUTE)),
		'no pagenow': { page: { ...PAGE, pagenow: undefined, heartbeatSettings: { nonce: 'n0', screenId: 'shop' } }, ...show([], advance(2 * MINUTE)) },
		'no screen at all': { page: { heartbeatSettings: { nonce: 'n0', ajaxurl: '/other.php', interval: 20 } }, ...show([], advance(2 * MINUTE)) },
		'pagenow without settings': { page: { ajaxurl: '/a.php', pagenow: 'x' }, ...show([], advance(2 * MINUTE)) },
		'empty globals': { page: { ajaxurl: '', pagenow: '', heartbeatSettings: { ajaxurl: '/b.php', screenId: '' } }, ...show([], advance(2 * MINUTE)) },
		'no heartbeatSettings': { page: { ajaxurl: '/a.php' }, ...show([], advance(2 * MINUTE)) },
		'no settings, no ajaxurl': { page: {}, ...show([], advance(2 * MINUTE)) },
		'customizer': { page: page({}, { pagenow: 'customize' }), ...show([]) },
		'settings changed after load': show([], ['set', 'ajaxurl', '/moved.php'], ['set', 'pagenow', 'x'], ['set', 'heartbeatSettings.nonce', 'n1'], advance(MINUTE)),
		'settings gone after load': show([ok({ heartbeat_nonce: 'n1' })], ['set', 'heartbeatSettings', undefined], advance(MINUTE)),
	}
}

function oddSettings() {
	const text = (value) => JSON.stringify(value)
	const watch = (given, rest) => ({ page: page(given), ...rest, ...show([], STATE, advance(2 * MINUTE), STATE, call('interval', 'x'), call('interval', 5, 2), advance(MINUTE), STATE) })
	const list = {
		'setting interval NaN': watch({}, { before: 'heartbeatSettings.interval = NaN' }),
		'setting interval Infinity': watch({}, { before: 'heartbeatSettings.interval = Infinity' }),
		'setting interval -Infinity': watch({}, { before: 'heartbeatSettings.interval = -Infinity' }),
		'minimal interval Infinity': watch({}, { before: 'heartbeatSettings.minimalInterval = Infinity' }),
		'minimal interval is a number from then on': { page: page({ minimalInterval: '20s' }), ...show([], ['eval', 'wp.heartbeat.enqueue("a", [typeof heartbeatSettings.minimalInterval, heartbeatSettings.minimalInterval])']) },
		'settings as a list': { ...show([], STATE), before: 'heartbeatSettings = []' },
		'settings as a function': { ...show([], STATE), before: 'heartbeatSettings = () => {}' },
	}
	for (const value of ODD_NUMBERS) list[`setting interval ${text(value)}`] = watch({ interval: value })
	for (const value of NO_NUMBERS) list[`setting interval ${text(value)}`] = { differs: true, page: page({ interval: value }), ...show([], STATE, advance(4000)) }
	for (const value of [...ODD_NUMBERS, ...NO_NUMBERS]) list[`minimal interval ${text(value)}`] = watch({ minimalInterval: value })
	for (const value of ['', '0', 'disabled', 'Disable', true, false, null, ['disable'], 0]) {
		list[`suspension ${text(value)}`] = { page: page({ suspension: value }), ...show([], advance(30000), ['event', 'touchend'], advance(12 * MINUTE), STATE, call('connectNow'), advance(MINUTE)) }
	}
	return list
}

function attention() {
	const away = [['focus', false], advance(10000), STATE]
	return {
		'losing and regaining focus': show([], ...away, advance(3 * MINUTE), ['focus', true], advance(10000), STATE, advance(MINUTE)),
		'focus back before the interval': show([], advance(10000), ...away, ['focus', true], advance(40000), STATE),
		'hidden and shown': show([], advance(5000), ['visible', false], STATE, advance(5 * MINUTE), ['visible', true], STATE, advance(MINUTE)),
		'hidden and shown quickly': show([], advance(5000), ['visible', false], advance(1000), ['visible', true], STATE, advance(MINUTE)),
		'shown without focus': show([], ['focus', false], ['visible', false], advance(MINUTE), ['visible', true], STATE, advance(20000), STATE, advance(3 * MINUTE)),
		'no focus check while hidden': show([], ['visible', false], ['focus', true], advance(MINUTE), STATE),
		'hidden from the start': { ...show([], STATE, advance(5 * MINUTE), ['visible', true], advance(MINUTE), STATE), hidden: true },
		'idle for an hour, never active': show([], advance(65 * MINUTE), STATE, ['event', 'mouseover'], advance(MINUTE)),
		'idle after activity': show([], advance(30000), ['event', 'mouseover'], STATE, advance(4 * MINUTE), STATE, advance(2 * MINUTE), STATE, advance(6 * MINUTE), STATE, ['event', 'keyup'], STATE, advance(2 * MINUTE)),
		'suspension disabled': { page: page({ suspension: 'disable' }), ...show([], advance(30000), ['event', 'touchend'], advance(20 * MINUTE), STATE, advance(50 * MINUTE), STATE, ['event', 'mouseover'], STATE, advance(MINUTE)) },
		'disableSuspend called': show([], call('disableSuspend'), advance(30000), ['event', 'mouseover'], advance(70 * MINUTE), STATE, ['event', 'mouseover'], advance(MINUTE)),
		'the borders of idle and suspended': show([], advance(30000), ['event', 'mouseover'], advance(5 * MINUTE), STATE, ['jump', 500], advance(30000), STATE, ['event', 'mouseover'], ['jump', -500], advance(10 * MINUTE - 30000), call('connectNow'), advance(30000), call('connectNow'), advance(30000), call('connectNow'), advance(MINUTE)),
		'just idle': show([], advance(30000), ['event', 'keyup'], ['jump', 500], advance(5 * MINUTE), STATE),
		'just suspended': show([], advance(30000), ['focus', false], ['event', 'keyup'], ['jump', 500], advance(10 * MINUTE), call('connectNow'), advance(MINUTE)),
		'the border of suspended for all': show([], call('disableSuspend'), advance(30000), ['focus', false], ['event', 'keyup'], advance(60 * MINUTE), call('connectNow'), advance(1000), ['jump', 500], advance(29000), call('connectNow'), advance(MINUTE)),
		'connectNow while suspended': show([], advance(30000), ['event', 'keyup'], advance(15 * MINUTE), call('connectNow'), STATE, advance(MINUTE), ['event', 'keyup'], advance(MINUTE)),
		'activity before it is listened for': show([], ['event', 'mouseover'], advance(7 * MINUTE), STATE),
		'activity is re-armed every 30 s': show([], advance(30000), ['event', 'mouseover'], ['event', 'mouseover'], advance(29000), ['event', 'keyup'], advance(5 * MINUTE), STATE, advance(30000), STATE),
		'activity in a frame': show([], ['addFrame'], advance(30000), ['event', 'keyup', 'frame'], advance(4 * MINUTE + 50000), STATE, ['event', 'mouseover', 'frame'], advance(20000), STATE),
		'scrolling is not activity': show([], advance(30000), ['event', 'mouseover'], advance(4 * MINUTE), ['event', 'scroll'], ['event', 'mousemove'], ['event', 'click'], advance(2 * MINUTE), STATE),
		'page hidden for good': show([ok({}, { delay: 5000 })], advance(16000), ['pagehide'], STATE, advance(5 * MINUTE), STATE),
		'page hidden between beats': show([], advance(16000), ['pagehide'], advance(MINUTE), ['pageshow', false], advance(MINUTE), ['pageshow', true], STATE, advance(MINUTE)),
		'back from the cache': show([ok({}, { delay: 5000 })], advance(16000), ['pagehide'], ['pageshow', true], STATE, advance(MINUTE)),
		'back from the cache, unfocused': show([], ['focus', false], advance(20000), ['pagehide'], advance(5 * MINUTE), ['pageshow', true], STATE, advance(MINUTE)),
		'window events that mean nothing': show([], ['windowEvent', 'blur'], STATE, ['windowEvent', 'focus'], ['windowEvent', 'beforeunload'], STATE, advance(MINUTE)),
		'clock set forward': show([], advance(5000), ['jump', 3600000], advance(MINUTE), STATE),
		'clock set back': show([], advance(20000), ['jump', -3600000], advance(MINUTE), STATE, call('connectNow'), advance(2 * MINUTE)),
		'no document.hasFocus': { ...show([], advance(MINUTE), ['visible', false], advance(3 * MINUTE), ['visible', true], advance(MINUTE), STATE), before: 'document.hasFocus = undefined' },
	}
}

function answers() {
	const http = (status, body = '', rest) => ({ status, body, statusText: status === 200 ? 'OK' : String(status), ...rest })
	const list = {
		slow: ok({}, { delay: 8000 }),
		'slower than the interval': ok({}, { delay: 22000 }),
		'slow over a link, too': ok({}, { delay: 2000 }),
		empty: http(200), 'zero': http(200, '0'), '-1': http(200, '-1'), null: http(200, 'null'), false: http(200, 'false'),
		'a string': http(200, '"x"'), 'an empty list': http(200, '[]'), 'an empty map': http(200, '{}'), 'success false': http(200, '{"success":false}'),
		'204': http(204), '304': http(304), '301 without a target': http(301), '400': http(400, '0', { type: 'text/html' }), '403': http(403, '-1'),
		'404': http(404, '<html>', { type: 'text/html' }), '413': http(413), '429': http(429), '500': http(500, '{"a":1}'), '502': http(502, '<html>', { type: 'text/html' }),
		'503': http(503), '504': http(504), HTML: http(200, '<!doctype html><title>Log in</title>', { type: 'text/html' }),
		'a warning before the JSON': http(200, '<b>Warning</b>{"server_time":1}', { type: 'text/html' }), 'JSON as HTML': http(200, '{"server_time":1}', { type: 'text/html' }),
		'truncated JSON': http(200, '{"server_time":'), 'a byte order mark': http(200, '\ufeff{"a":1}'), 'no network': { status: 0, delay: 100 },
	}
	const each = Object.fromEntries(Object.entries(list).map(([name, answer]) => [`answers: ${name}`, throughout(answer)]))
	return {
		...each,
		'answers: never (time out)': { answers: [ok(), { hang: true }, { hang: true }, ok()], steps: [advance(3 * MINUTE), STATE, advance(MINUTE), STATE] },
		'time out before ever connected': { answers: [{ hang: true }, ok()], steps: [advance(50000), STATE, advance(MINUTE), STATE] },
		'503 before ever connected': { answers: Array(4).fill(http(503)).concat([ok()]), steps: [...Array(8).fill([advance(10000), STATE]).flat()] },
		'errors before ever connected': { answers: Array(5).fill(http(500)).concat([ok()]), steps: [...Array(10).fill([advance(10000), STATE]).flat()] },
		'three errors spread over time': { answers: [ok(), http(500), ok(), ok(), http(502), ok(), ok(), http(504), ok(), http(500), ok()], steps: Array(18).fill([advance(10000), STATE]).flat() },
		'503 counts once lost': { answers: [ok(), http(503), http(503), ok(), http(500), http(500), http(500), ok()], steps: Array(14).fill([advance(10000), STATE]).flat() },
		'aborted by a page': { answers: [ok({}, { delay: 5000 }), ok({}, { delay: 5000 })], steps: [['eval', 'jQuery(document).on("ajaxSend", (e, xhr) => { window.last = xhr })'], advance(16000), ['eval', 'last.abort()'], STATE, advance(16000), ['eval', 'last.abort("timeout")'], STATE, advance(MINUTE)] },
		'aborted before it was sent': { answers: [ok(), ok()], steps: [['eval', 'jQuery(document).one("ajaxSend", (e, xhr) => xhr.abort())'], advance(MINUTE), STATE] },
		'cancelled in beforeSend': { answers: [], steps: [['eval', 'jQuery.ajaxSetup({ beforeSend: () => false })'], advance(20000), STATE, ['eval', 'jQuery.ajaxSetup({ beforeSend: null })'], advance(MINUTE), STATE] },
		'cancelled in beforeSend, again and again': { answers: [ok()], steps: [advance(16000), ['eval', 'jQuery.ajaxSetup({ beforeSend: () => false })'], ...Array(6).fill([advance(15000), STATE]).flat()] },
		'aborted with words of its own': { answers: [ok(), ...Array(5).fill(ok({}, { delay: 5000 })), ok()], steps: [['eval', 'jQuery(document).on("ajaxSend", (e, xhr) => { window.last = xhr })'], advance(16000), ...Array(5).fill([advance(15000), ['eval', 'last.abort("enough")'], STATE]).flat(), advance(MINUTE)] },
		'log-in wanted': { answers: [ok({ 'wp-auth-check': false }), ok({ 'wp-auth-check': false }), ok(), ok()], steps: [advance(2 * MINUTE)] },
	}
}

function nonces() {
	return {
		'fresh nonces': show([ok({ heartbeat_nonce: 'n1', rest_nonce: 'r1' }), ok(), ok({ heartbeat_nonce: 'n2' })], advance(MINUTE), ['eval', 'wp.heartbeat.enqueue("a", [heartbeatSettings.nonce, wpApiSettings.nonce])'], advance(15000)),
		'nonces expired': show([{ status: 200, body: '{"nonces_expired":true,"heartbeat_nonce":"n1","rest_nonce":"r1"}' }, ok()], advance(MINUTE)),
		'nonces expired without new ones': show([{ status: 200, body: '{"nonces_expired":true}' }, ok()], advance(MINUTE)),
		'no wpApiSettings': { page: { ...PAGE, wpApiSettings: undefined }, ...show([ok({ rest_nonce: 'r1' })]) },
		'a pending connectNow still has the old nonce': show([ok({ heartbeat_nonce: 'n1' }, { delay: 1500 }), ok()], advance(15500), call('connectNow'), advance(MINUTE)),
		'nonces expired while lost': show([ok(), { status: 503 }, { status: 200, body: '{"nonces_expired":true,"heartbeat_nonce":"n1","heartbeat_interval":30}' }, ok()], advance(2 * MINUTE), STATE),
	}
}

// A send handler's connectNow() starts a second beat beside the first; both are
// answered in the same millisecond.
function twoTicks(via, ...steps) {
	return {
		numbered: true,
		answers: [ok({}, { delay: 300 }), ok({}, { delay: 300 }), ok({}, { delay: 300 })],
		steps: [['handler', 'send', via, ['call', 'connectNow'], 1], ...steps, advance(MINUTE), STATE],
	}
}

function handlers() {
	const both = (on, act, times, rest) => ['event', 'action'].map((via) => [
		`${via} ${on} handler: ${act.join(' ')}`,
		{ answers: [ok({ n: 1 }, { delay: 300 }), ok({ n: 2 }), { status: 500 }, { status: 503 }, ok({ n: 5 })], steps: [call('enqueue', 'a', 1), call('enqueue', 'b', 2), ['handler', on, via, act, times], advance(MINUTE), advance(MINUTE), STATE], ...rest },
	])
	return Object.fromEntries([
		...['event', 'action'].flatMap((via) => [
			[`two ticks at once, the first ${via} handler throws`, twoTicks('event', ['handler', 'tick', via, ['throw'], 1])],
			[`two ticks at once, both ${via} handlers throw`, twoTicks('action', ['handler', 'tick', via, ['throw'], 2])],
		]),
		...both('send', ['delete', 'a']), ...both('send', ['add', 'c', { x: [1] }]), ...both('send', ['call', 'enqueue', 'c', 1]),
		...both('send', ['call', 'connectNow'], 2), ...both('send', ['call', 'interval', 'fast', 2], 1), ...both('send', ['false']),
		...both('send', ['throw'], 1, { differs: true }),
		...both('tick', ['throw'], 1), ...both('tick', ['call', 'connectNow'], 3), ...both('tick', ['call', 'interval', 20], 1), ...both('tick', ['delete', 'server_time']),
		...both('error', ['throw'], 1), ...both('error', ['call', 'connectNow'], 2),
		...both('connection-lost', ['throw']), ...both('connection-lost', ['call', 'connectNow']), ...both('connection-restored', ['throw']), ...both('connection-restored', ['call', 'enqueue', 'c', 9]),
	])
}

function rushes() {
	return {
		'many at once': show([], ...Array(10).fill(call('connectNow')), advance(20000)),
		'connectNow every second': show(Array(30).fill(ok({}, { delay: 1500 })), ...Array(20).fill([call('connectNow'), advance(1000)]).flat(), advance(MINUTE)),
		'enqueue in every second': show([], ...Array(20).fill([call('enqueue', 'a', 'x', true), advance(1000)]).flat(), advance(MINUTE)),
		'everything at once': show([ok({ heartbeat_interval: 'fast', heartbeat_nonce: 'n1' }, { delay: 700 }), { status: 503 }, ok({ heartbeat_interval: 30 })],
			call('interval', 'fast'), ['focus', false], advance(7000), call('connectNow'), ['visible', false], advance(11000), ['visible', true], ['focus', true], advance(MINUTE), ['pagehide'], ['pageshow', true], advance(2 * MINUTE), STATE),
	}
}
