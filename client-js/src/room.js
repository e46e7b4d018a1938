// A room is an immutable value { entries, total }. A frame makes a new room of it.

import { reportErrors } from './reporterrors.js'

// A page keeps at most this many entries of a room; `total` counts all of them.
const MAX_ENTRIES = 1000

export const EMPTY = { entries: [], total: 0 }

// The members of an entry's data that pages show.
const SHOWN = ['screen', 'screen_label', 'title']

/**
 * Returns a presence frame with valid entries only. A date is a change of an entry that the room
 * has: it becomes one of the updated entries.
 */
export function readPresence({ room, snapshot, total, joined, updated, left, dates = [] }, { entries }) {
	const read = (list) => [].concat(list).filter(isEntry)
	const dated = dates.map((date) => Object.assign({}, find(entries, date), date))
	return snapshot ? { room, snapshot: read(snapshot), total: total || 0 } : { room, joined: read(joined), updated: read(dated.concat(updated)), left: read(left) }
}

// Whether a value is an entry. Any user who may edit posts can write any data. In frames a text that
// pages show is a text or a number; an object in its place could make String() fail.
function isEntry(entry) {
	const { client_id, date_gmt, data } = entry || {}
	if (!client_id || !date_gmt || !data) return false
	delete data.__proto__ // a copy of the data would inherit from it
	SHOWN.forEach((key) => typeof data[key] === 'object' && delete data[key])
	return true
}

/** The room after a presence frame. */
export function applyPresence(room, { snapshot, total, joined, updated, left }) {
	if (snapshot) {
		const entries = snapshot.slice(0, MAX_ENTRIES)
		return { entries, total: Math.max(total, entries.length) }
	}
	const all = new Map(room.entries.map((entry) => [entry.client_id, entry]))
	// If the list was cut, the total is larger. It counts who joins and leaves, and is at
	// least the length of the list.
	const added = joined.filter(({ client_id }) => !all.has(client_id)).length
	left.forEach(({ client_id }) => all.delete(client_id))
	updated.concat(joined).forEach((entry) => all.set(entry.client_id, entry))
	const entries = Array.from(all.values()).slice(0, MAX_ENTRIES)
	return { entries, total: Math.max(room.total + added - left.length, entries.length) }
}

/**
 * Whether a frame has a change of anybody but this user. A snapshot may have one. A new date,
 * and becoming idle or active, do not count.
 */
export function concernsOthers({ snapshot, joined, updated, left }, userId, entries) {
	const isNews = (entry) => undated(entry) !== undated(find(entries, entry))
	return snapshot || ofOthers(joined.concat(left, updated.filter(isNews)), userId).length
}

/** Whether a frame updates the lock of another user. */
export const contestsLock = ({ snapshot, updated }, userId) => !snapshot && ofOthers(updated, userId).some(({ client_id }) => /^lock-/.test(client_id))

const find = (entries, { client_id }) => entries.find((entry) => entry.client_id === client_id)

const ofOthers = (entries, userId) => entries.filter((entry) => String(entry.user_id) !== String(userId))

const undated = (entry) => JSON.stringify(Object.assign({}, entry, { date_gmt: '', idle: undefined }))

const MAX_ROOMS = 64

/** Keeps the rooms that this page hears, and calls back when one changes. */
export function createRooms(win) {
	const rooms = new Map()
	const watchers = new Set()
	const current = (name) => rooms.get(name) || EMPTY

	return {
		receive(frame) {
			const name = frame.room
			const room = applyPresence(current(name), frame)
			rooms.delete(name)
			rooms.set(name, room)
			if (rooms.size > MAX_ROOMS) rooms.delete(rooms.keys().next().value)
			Array.from(watchers).filter((watcher) => watcher.name === name).forEach(({ callback }) => reportErrors(win, () => callback(view(name))))
		},
		room: view,
	}

	function view(name) {
		return {
			get entries() {
				return current(name).entries.slice()
			},
			get total() {
				return current(name).total
			},
			onChange(callback) {
				const watcher = { name, callback }
				watchers.add(watcher)
				return () => watchers.delete(watcher)
			},
		}
	}
}
