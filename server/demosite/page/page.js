// The demo page: pings for presence as the Presence API's script does, and shows the answers.

import { addBeat, NAMES, showBeats } from './beats.js'
import { text } from './dom.js'
import { describeHandles, describePresence, log } from './log.js'
import { openPost, setPolled, showPeople } from './people.js'

const LOST = 1000 // ms without a link until the page says so

const $ = jQuery
const { heartbeat } = wp
const byId = (id) => document.getElementById(id)
const transport = byId('transport')
const wanted = byId('transport-switch')
let sent = { at: 0, via: 'post' }
let lost = 0 // the timer of a lost link

// setGone shows or hides that heartbeatd does not answer.
function setGone(gone) {
	clearTimeout(lost)
	lost = 0
	if (gone === !byId('gone').hidden) return
	byId('gone').hidden = !gone
	byId('gone').textContent = gone ? `heartbeatd does not answer. You see what this page knew at ${new Date().toTimeString().slice(0, 8)}. It tries again by itself.` : ''
	document.body.classList.toggle('is-gone', gone)
}

function showTransport(name) {
	transport.textContent = NAMES[name]
	if (name !== 'post') {
		setPolled(null)
		setGone(false)
	} else if (wanted.value && !lost) lost = setTimeout(() => setGone(!document.hidden), LOST)
}

// Sends the user's screen and post. A hidden tab does not ping.
$(document).on('heartbeat-send', (event, data) => {
	sent = { at: performance.now(), via: heartbeat.transport.name }
	if (document.visibilityState !== 'hidden') {
		data['presence-ping'] = { screen: heartbeatSettings.screenId }
		if (openPost) data['presence-editor-ping'] = { post_id: openPost.ID }
	}
	log('heartbeat-send', describeHandles(data), data)
})

$(document).on('heartbeat-tick', (event, data, status, jqXHR) => {
	// The answer over a link has no header but one.
	const via = jqXHR.getResponseHeader('Cache-Control') === null ? sent.via : 'post'
	const ms = performance.now() - sent.at
	addBeat(via, ms)
	setGone(false)
	// Without a link only ticks say who is online.
	const people = data['presence-online'] ?? []
	setPolled(heartbeat.transport.name === 'post' ? people : null)
	log('heartbeat-tick', `${NAMES[via]}, ${ms.toFixed(1)} ms: ${describeHandles(data)}`, data)
})

$(document).on('heartbeat-error', (event, { status }) => {
	setGone(true)
	log('heartbeat-error', `status ${status}`, { status })
})

for (const name of ['connection-lost', 'connection-restored', 'nonces-expired', 'missed']) {
	$(document).on(`heartbeat-${name}`, (event, detail) => log(`heartbeat-${name}`, '', detail))
}

$(document).on('heartbeat-presence', (event, change) => log('heartbeat-presence', describePresence(change), change))

$(document).on('heartbeat-push', (event, push) => log('heartbeat-push', text(push.room), push))

$(document).on('heartbeat-transport', (event, name) => {
	showTransport(name)
	log('heartbeat-transport', NAMES[name], name)
})

showBeats()
showPeople()
transport.textContent = NAMES[heartbeat.transport.name]

wanted.addEventListener('change', () => heartbeat.transport.use(wanted.value ? wanted.value.split(' ') : []))
byId('beat').addEventListener('click', () => heartbeat.connectNow())

// Beat at once, and not one interval after the page has loaded.
$(() => heartbeat.connectNow())
document.addEventListener('visibilitychange', () => {
	if (document.visibilityState === 'visible') heartbeat.connectNow()
})
