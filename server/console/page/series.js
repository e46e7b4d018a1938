// What the plots show: titles, units and the lines of each.

import { quantile, rate, sum } from './metrics.js'

const pages = (transport) => (before, now) => sum(now.metrics, 'heartbeatd_pages', { transport })
const perSecond = (name, labels) => (before, now) => rate(before, now, name, labels)
const milliseconds = (name, labels, part) => (before, now) => {
	const seconds = quantile(before, now, name, labels, part)
	return seconds === null ? null : seconds * 1000
}

// A value of null is no value: nothing was observed. A plot that is sparse has many of them, and
// shows each value as a point.
export const PLOTS = [
	{
		id: 'pages', title: 'Connected pages', unit: 'pages', lines: [
			['WebSocket', pages('websocket')], ['event stream', pages('events')], ['long-poll', pages('longpoll')], ['opening', pages('opening')],
		],
	},
	{
		id: 'beats', title: 'Beats', unit: 'beats/s', lines: [
			['answered by heartbeatd', perSecond('heartbeatd_beats_total', { answer: 'tick' })],
			['left to PHP', perSecond('heartbeatd_beats_total', { answer: 'decline' })],
			['refused pages and beats', perSecond('heartbeatd_refused_total')],
		],
	},
	{
		id: 'latency', title: 'Latency', unit: 'ms', sparse: true, lines: [
			['beat, median', milliseconds('heartbeatd_beat_seconds', {}, 0.5)],
			['beat, 99 of 100', milliseconds('heartbeatd_beat_seconds', {}, 0.99)],
			['presence to all pages, 99 of 100', milliseconds('heartbeatd_fanout_seconds', { kind: 'presence' }, 0.99)],
			['push to all pages, 99 of 100', milliseconds('heartbeatd_fanout_seconds', { kind: 'push' }, 0.99)],
		],
	},
	{
		id: 'messages', title: 'Pushes and nudges', unit: 'messages/s', lines: [
			['pushes', perSecond('heartbeatd_messages_total', { kind: 'push' })],
			['nudges', perSecond('heartbeatd_messages_total', { kind: 'nudge' })],
			['pushes sent again', perSecond('heartbeatd_replayed_pushes_total')],
		],
	},
	{
		id: 'nats', title: 'Presence on NATS', unit: 'writes/s', lines: [
			['writes', perSecond('heartbeatd_presence_writes_total')],
			['of which renewals', perSecond('heartbeatd_presence_renewals_total')],
			['look-ups', perSecond('heartbeatd_presence_lookups_total')],
		],
	},
	{
		id: 'limited', title: 'Limits that were hit', unit: 'refusals/s', lines: [
			['all limits', perSecond('heartbeatd_limited_total')],
		],
	},
]

export const format = (value) => {
	if (value == null) return '–'
	if (value === 0 || Math.abs(value) >= 100) return Math.round(value).toLocaleString('en')
	return value.toLocaleString('en', { maximumSignificantDigits: 3 })
}
