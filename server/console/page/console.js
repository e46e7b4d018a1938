// The live console: reads the metrics every second, and the rooms every few seconds.

import { ask, forgetKey, hasKey, Refused, useKey } from './api.js'
import { byLabel, parse, sum } from './metrics.js'
import { makePlots } from './plots.js'
import { chooseRoom, reachPages } from './reach.js'
import { Rooms } from './rooms.js'
import { format } from './series.js'
import { showFigures, showRows } from './tables.js'

const EVERY = 1000
const ROOMS_EVERY = 3000

const element = (id) => document.getElementById(id)
const add = makePlots(element('plots'))
const rooms = new Rooms(chooseRoom)
let before = null

reachPages(() => element('site').selectedOptions[0]?.disabled === false && element('site').value)

function say(text, bad = false, where = 'state') {
	const state = element(where)
	if (state.textContent !== text) state.textContent = text
	state.classList.toggle('bad', bad)
}

// askForKey shows the form for the key, and says why the last one is not enough.
function askForKey(note) {
	element('key-form').hidden = false
	element('forget').hidden = !hasKey()
	element('key-note').textContent = note
	for (const part of document.querySelectorAll('[data-operator]')) part.hidden = true
	say('Enter the key to see rooms and people. Without --api-key heartbeatd shows figures only.', false, 'rooms-note')
}

function showOperator() {
	element('key-form').hidden = true
	element('forget').hidden = !hasKey()
	for (const part of document.querySelectorAll('[data-operator]')) part.hidden = false
}

async function readMetrics() {
	const now = { at: Date.now(), metrics: parse(await (await ask('metrics')).text()) }
	add(before && now.at - before.at < 5 * EVERY ? before : null, now)
	before = now
	showFigures(now.metrics)
	const answered = sum(now.metrics, 'heartbeatd_beats_total')
	const share = (n) => (answered ? `${format((100 * n) / answered)} %` : '–')
	const ticks = sum(now.metrics, 'heartbeatd_beats_total', { answer: 'tick' })
	const php = byLabel(now.metrics, 'heartbeatd_declined_beats_total', 'cause').filter(([, n]) => n > 0)
	showRows('answers', [['heartbeatd', format(ticks), share(ticks)], ...php.map(([cause, n]) => [`PHP: ${cause}`, format(n), share(n)])])
	showRows('limits', byLabel(now.metrics, 'heartbeatd_limited_total', 'limit').filter(([, n]) => n > 0).map(([name, n]) => [name, format(n)]), 'None')
	const problems = byLabel(now.metrics, 'heartbeatd_problem', 'name').map(([name]) => name)
	if (sum(now.metrics, 'heartbeatd_ready') !== 1) say('Not ready: no traffic may come', true)
	else if (problems.length > 0) say(`Ready, but not everything works: ${problems.join(', ')}`, true)
	else say('Ready')
}

// readRooms reads the sites, the nodes and the rooms of the chosen site.
async function readRooms() {
	const node = await (await ask('api/v1/node')).json()
	showOperator()
	showRows('nodes', node.nodes.map(({ node, pages, draining }, i) => [i === 0 ? `${node} (this one)` : node, format(pages), draining ? 'draining' : 'open']))
	showSites(node.sites ?? [])
	const site = element('site').value
	if (!site) return
	await rooms.refresh(site)
	element('rooms-note').classList.remove('bad')
}

// showSites lists the sites. The chosen one stays when it is gone: what is sent must not go to another one.
function showSites(sites) {
	const site = element('site')
	const chosen = site.value || sites[0]?.id
	const ids = sites.map(({ id }) => id).sort()
	const options = ids.map((id) => new Option(id, id, false, id === chosen))
	if (chosen && !ids.includes(chosen)) {
		options.unshift(new Option(`${chosen} (gone)`, chosen, false, true))
		options[0].disabled = true
	}
	// An open menu must stay as it is.
	if (options.length !== site.options.length || options.some((option, i) => !option.isEqualNode(site.options[i]))) site.replaceChildren(...options)
}

// failed shows, in an element, why a reading failed.
function failed(error, where) {
	if (!(error instanceof Refused)) say('The node does not answer', true, where)
	else if (error.status === 401) askForKey(hasKey() ? 'The node refuses this key.' : '')
	else say(error.message, true, where)
}

const readings = [[EVERY, readMetrics, 'state'], [ROOMS_EVERY, readRooms, 'rooms-note']].map(([every, read, where]) => ({ every, read, where, refused: false }))

async function take(reading) {
	try {
		await reading.read()
	} catch (error) {
		reading.refused = error.status === 401
		failed(error, reading.where)
	}
}

// repeat reads again and again while the page is visible, until the node asks for another key.
async function repeat(reading) {
	for (;;) {
		if (!document.hidden && !reading.refused) await take(reading)
		await new Promise((done) => { setTimeout(done, reading.every) })
	}
}

element('key-form').addEventListener('submit', (event) => {
	event.preventDefault()
	useKey(element('key').value)
	element('key').value = ''
	for (const reading of readings) {
		reading.refused = false
		take(reading)
	}
})
element('forget').addEventListener('click', () => {
	forgetKey()
	location.reload()
})
element('site').addEventListener('change', () => take(readings[1]))

readings.forEach(repeat)
