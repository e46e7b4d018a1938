// Figures and tables.

import { byLabel, sum } from './metrics.js'
import { format } from './series.js'

const element = (id) => document.getElementById(id)

// showRows shows the rows of a table, or one with a text if there are none.
export function showRows(id, rows, none = 'None') {
	const lines = (rows.length > 0 ? rows : [[none]]).map((cells) => {
		const line = document.createElement('tr')
		line.append(...cells.map((text, i) => {
			const cell = document.createElement(i === 0 ? 'th' : 'td')
			if (i === 0) cell.scope = 'row'
			if (rows.length === 0) cell.colSpan = element(id).tHead.rows[0].cells.length
			cell.textContent = text
			return cell
		}))
		return line
	})
	element(id).tBodies[0].replaceChildren(...lines)
}

// duration returns a number of seconds in words.
function duration(seconds) {
	if (seconds >= 86_400) return `${(seconds / 86_400).toFixed(1)} days`
	if (seconds >= 3600) return `${(seconds / 3600).toFixed(1)} hours`
	return seconds >= 60 ? `${Math.floor(seconds / 60)} min` : `${Math.floor(seconds)} s`
}

function figures(metrics) {
	const build = metrics.get('heartbeatd_build_info')?.[0]?.labels
	const started = sum(metrics, 'process_start_time_seconds')
	const connected = sum(metrics, 'heartbeatd_nats_connected') === 1
	return [
		['Version', build?.get('version') ?? '–'],
		['Running for', duration(Date.now() / 1000 - started)],
		['Pages', format(sum(metrics, 'heartbeatd_pages'))],
		['Sessions', format(sum(metrics, 'heartbeatd_sessions'))],
		['Presence entries written here', format(sum(metrics, 'heartbeatd_presence_entries'))],
		['NATS', connected ? 'connected' : 'away'],
		['Reconnections to NATS', format(sum(metrics, 'heartbeatd_nats_reconnects_total'))],
		['Writes that wait for NATS', format(sum(metrics, 'heartbeatd_presence_queue') + sum(metrics, 'heartbeatd_presence_writes_in_flight'))],
		['Connections', format(sum(metrics, 'heartbeatd_connections'))],
		['Memory', `${format(sum(metrics, 'process_resident_memory_bytes') / 2 ** 20)} MiB`],
		['Clocks differ by', `${format(Math.round(1000 * Math.max(0, ...byLabel(metrics, 'heartbeatd_clock_offset_seconds', 'peer').map(([, s]) => Math.abs(s)))) / 1000)} s`],
	]
}

// showFigures shows the figures of the node.
export function showFigures(metrics) {
	const list = element('figures')
	const all = figures(metrics)
	if (list.children.length !== all.length) {
		list.replaceChildren(...all.map(([name]) => {
			const [pair, term, value] = ['div', 'dt', 'dd'].map((tag) => document.createElement(tag))
			term.textContent = name
			pair.append(term, value)
			return pair
		}))
	}
	all.forEach(([, value], i) => {
		const shown = list.children[i].lastChild
		if (shown.textContent !== value) shown.textContent = value
	})
}
