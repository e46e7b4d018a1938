// The log of events: a line for each, with its data on demand.

import { element, text } from './dom.js'

const MAX_LINES = 200
const WAIT = 100 // ms

const waiting = []

// log adds a line about an event, a moment later: drawing it would delay a tick that is on its way.
export function log(name, summary, detail) {
	if (!waiting.length) setTimeout(show, WAIT)
	waiting.unshift(lineOf(name, summary, detail))
	waiting.splice(MAX_LINES)
}

function show() {
	const list = document.getElementById('log')
	list.prepend(...waiting.splice(0))
	while (list.children.length > MAX_LINES) list.lastChild.remove()
}

function lineOf(name, summary, detail) {
	const data = element('pre')
	const line = element('details', {}, element('summary', {},
		element('time', {}, new Date().toTimeString().slice(0, 8)), element('b', {}, name), element('span', {}, summary)), data)
	line.addEventListener('toggle', () => { data.textContent = JSON.stringify(detail, null, 2) ?? '' })
	return element('li', {}, line)
}

// describeHandles names the handles of a beat.
export const describeHandles = (data) => Object.keys(data).join(', ') || 'no handles'

// describePresence says what has changed in a room.
export function describePresence({ room, snapshot, total, joined = [], updated = [], left = [] }) {
	const changes = [['joined', joined], ['changed', updated], ['left', left]]
		.filter(([, entries]) => entries.length)
		.map(([change, entries]) => `${entries.map((entry) => text(entry.display_name) || text(entry.client_id)).join(', ')} ${change}`)
	return `${text(room)}: ${snapshot ? `${total} here` : changes.join('; ')}`
}
