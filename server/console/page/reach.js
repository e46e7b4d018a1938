// The form that nudges pages, or pushes a test to them.

import { ask } from './api.js'

const element = (id) => document.getElementById(id)
const LABELS = { room: 'Room', user: 'User ID' }

function target() {
	const value = element('target-value').value.trim()
	switch (element('target').value) {
		case 'room': return { room: value }
		case 'user': return { user: Number(value) }
	}
	return { all: true }
}

function showTarget() {
	const label = LABELS[element('target').value]
	element('target-label').parentElement.hidden = !label
	element('target-value').required = Boolean(label)
	element('target-label').textContent = label ?? ''
}

// chooseRoom prepares the form for a room.
export function chooseRoom(room) {
	element('target').value = 'room'
	element('target-value').value = room
	showTarget()
	element('send-form').querySelector('button').focus()
}

async function send(call, site) {
	if (!site) throw new Error('this node no longer has the site: choose another one.')
	const body = { site, to: target() }
	if (call === 'nudge') {
		await ask('api/v1/nudge', { method: 'POST', body: { ...body, spread_ms: 1000 } })
		return 'Accepted: each of these pages beats within a second.'
	}
	const answer = await ask('api/v1/push', { method: 'POST', body: { ...body, data: { 'heartbeatd-test': new Date().toISOString() } } })
	return `Accepted: the push ${(await answer.json()).cursor} is on its way.`
}

// reachPages prepares the form. site returns the chosen site, or nothing if the node does not have it.
export function reachPages(site) {
	element('target').addEventListener('change', showTarget)
	element('send-form').addEventListener('submit', async (event) => {
		event.preventDefault()
		const status = element('sent')
		status.textContent = 'Sending…'
		try {
			status.textContent = await send(event.submitter?.value ?? 'nudge', site())
		} catch (error) {
			status.textContent = `Not sent: ${error.message}`
		}
	})
}
