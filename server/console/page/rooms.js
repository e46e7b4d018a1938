// The rooms of a site with their people. What people and plugins have written is shown as text only.

import { ask } from './api.js'

const PER_PART = 1000
const MAX_PARTS = 3
const SHOWN = 100 // rooms

const element = (id) => document.getElementById(id)

// list returns the first entries of a site, or of its rooms with a prefix, and how many there are.
async function list(site, prefix) {
	const entries = []
	let after = ''
	let total = 0
	for (let part = 0; part < MAX_PARTS; part++) {
		const query = new URLSearchParams({ site, data: 'short', per_page: PER_PART, after })
		if (prefix) query.set('prefix', prefix)
		const answer = await ask(`api/v1/presence?${query}`)
		entries.push(...(await answer.json()))
		total = Number(answer.headers.get('X-WP-Total'))
		after = answer.headers.get('X-Heartbeatd-Next')
		if (!after) break
	}
	return { entries, total }
}

// byRoom groups entries, the fullest room first.
function byRoom(entries) {
	const rooms = new Map()
	for (const entry of entries) {
		if (!rooms.has(entry.room)) rooms.set(entry.room, [])
		rooms.get(entry.room).push(entry)
	}
	return [...rooms].sort((a, b) => b[1].length - a[1].length || a[0].localeCompare(b[0]))
}

const count = (n, one, many) => `${n.toLocaleString('en')} ${n === 1 ? one : many}`

const contains = (text, part) => String(text).toLowerCase().includes(part)

// found returns the rooms whose names have a text, and those with people whose names have it.
function found(rooms, text) {
	const part = text.toLowerCase()
	return rooms.filter(([room, people]) => contains(room, part) || people.some((entry) => contains(entry.display_name, part) || contains(entry.client_id, part)))
}

export class Rooms {
	#shown = new Map() // the elements of rooms
	#seen = { entries: [], total: 0 }
	#cut = false // the site has more entries than a list has

	constructor(choose) {
		this.choose = choose // of a room, to reach its pages
		element('search').addEventListener('input', () => this.#show())
		element('room-form').addEventListener('submit', (event) => event.preventDefault())
	}

	// refresh asks for the entries again. If there are more than it gets, it asks for the rooms whose
	// names begin with what is searched for. It drops the answer if another site has been chosen meanwhile.
	async refresh(site) {
		const text = element('search').value.trim()
		const prefix = this.#cut && text.includes('/') ? text : ''
		const seen = await list(site, prefix)
		if (element('site').value !== site) return
		this.#seen = seen
		if (!prefix) this.#cut = this.#seen.total > this.#seen.entries.length
		this.#show()
	}

	#show() {
		const text = element('search').value.trim()
		const { entries, total } = this.#seen
		const rooms = found(byRoom(entries), text)
		const people = new Set(entries.map((entry) => entry.user_id)).size
		let note = `${count(people, 'person', 'people')} in ${count(byRoom(entries).length, 'room', 'rooms')}`
		if (entries.length < total) note = `The first ${entries.length.toLocaleString('en')} of ${total.toLocaleString('en')} entries: search for the beginning of a room, as postType/post:, to see others`
		if (text) note += `; ${rooms.length} found`
		if (rooms.length > SHOWN) note += `, of which ${SHOWN} are shown`
		if (element('rooms-note').textContent !== note) element('rooms-note').textContent = note
		this.#update(rooms.slice(0, SHOWN))
	}

	// update keeps the elements of rooms that stay, so that they keep the focus and stay open.
	#update(rooms) {
		const into = element('room-list')
		const names = new Set(rooms.map(([room]) => room))
		for (const [room, shown] of this.#shown) {
			if (names.has(room)) continue
			shown.item.remove()
			this.#shown.delete(room)
		}
		rooms.forEach(([room, people], i) => {
			if (!this.#shown.has(room)) this.#shown.set(room, this.#make(room))
			const shown = this.#shown.get(room)
			shown.count.textContent = String(people.length)
			if (into.children[i] !== shown.item && !shown.item.contains(document.activeElement)) into.insertBefore(shown.item, into.children[i] ?? null)
			shown.people = people
			if (shown.details.open) fill(shown)
		})
	}

	#make(room) {
		const [item, details, summary, name, count, reach, list] = ['li', 'details', 'summary', 'span', 'b', 'button', 'ul'].map((tag) => document.createElement(tag))
		name.textContent = room
		reach.type = 'button'
		reach.textContent = 'Reach its pages'
		reach.addEventListener('click', () => this.choose(room))
		summary.append(name, count)
		details.append(summary, reach, list)
		item.append(details)
		const shown = { item, details, count, list, people: [] }
		details.addEventListener('toggle', () => details.open && fill(shown))
		return shown
	}
}

// fill lists the people of a room.
function fill({ list, people }) {
	const lines = people.map((entry) => {
		const [line, name, about] = ['li', 'b', 'small'].map((tag) => document.createElement(tag))
		name.textContent = String(entry.display_name || entry.client_id)
		const parts = [entry.client_id, entry.data?.screen_label ?? entry.data?.screen, entry.date_gmt && `seen ${entry.date_gmt} UTC`]
		about.textContent = parts.filter((part) => typeof part === 'string' && part !== '').join(' · ')
		line.append(name, about)
		return line
	})
	list.replaceChildren(...lines)
}
