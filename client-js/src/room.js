// A room is an immutable value { entries, total }. A frame makes a new room of it.

import { reportErrors } from './reporterrors.js'

// A page keeps at most this many entries of a room; `total` counts all of them.
const MAX_ENTRIES = 1000

export const EMPTY = Object.freeze({ entries: Object.freeze([]), total: 0 })

// The members of an entry's data that pages show.
const SHOWN = ['screen', 'screen_label', 'title']

/** Returns a presence frame with valid entries only. */
export function readPresence({ room, snapshot, total, joined, updated, left }) {
	const read = (entries) => [].concat(entries).filter(isEntry)
	return snapshot ? { room, snapshot: read(snapshot), total: total || 0 } : { room, joined: read(joined), updated: read(updated), left: read(left) }
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
	const entries = updated.concat(joined).reduce(put, without(room.entries, left)).slice(0, MAX_ENTRIES)
	// If the list was cut, the total is larger. It counts who joins and leaves, and is at
	// least the length of the list.
	const added = joined.filter((entry) => !has(room.entries, entry)).length
	return { entries, total: Math.max(room.total + added - left.length, entries.length) }
}

const same = (entry) => (other) => other.client_id === entry.client_id

const has = (entries, entry) => entries.some(same(entry))

const without = (entries, left) => entries.filter((entry) => !has(left, entry))

const put = (entries, entry) => (has(entries, entry) ? entries.map((other) => (same(entry)(other) ? entry : other)) : entries.concat([entry]))

/**
 * Whether a frame has a change of anybody but this user. A snapshot may have one. A new date,
 * and becoming idle or active, do not count.
 */
export function concernsOthers({ snapshot, joined, updated, left }, userId, entries) {
	const isNews = (entry) => undated(entry) !== undated(entries.find(same(entry)))
	return snapshot || ofOthers(joined.concat(left, updated.filter(isNews)), userId).length
}

/** Whether a frame updates the lock of another user. */
export const contestsLock = ({ snapshot, updated }, userId) => !snapshot && ofOthers(updated, userId).some(({ client_id }) => /^lock-/.test(client_id))

const ofOthers = (entries, userId) => entries.filter((entry) => String(entry.user_id) !== String(userId))

const undated = (entry) => JSON.stringify(Object.assign({}, entry, { date_gmt: '', idle: undefined }))

const MAX_ROOMS = 64

/** Keeps the rooms that this page hears, and calls back when one changes. */
export function createRooms(win) {
	const rooms = new Map()
	let watchers = []

	function set(name, room) {
		rooms.delete(name)
		rooms.set(name, room)
		if (rooms.size > MAX_ROOMS) rooms.delete(rooms.keys().next().value)
	}

	return {
		receive(frame) {
			const name = frame.room
			set(name, applyPresence(rooms.get(name) || EMPTY, frame))
			watchers.filter((watcher) => watcher.name === name).forEach(({ callback }) => reportErrors(win, () => callback(view(name))))
		},
		room: view,
	}

	function view(name) {
		const current = () => rooms.get(name) || EMPTY
		return {
			get entries() {
				return current().entries.slice()
			},
			get total() {
				return current().total
			},
			onChange(callback) {
				const watcher = { name, callback }
				watchers = watchers.concat(watcher)
				return () => {
					watchers = watchers.filter((other) => other !== watcher)
				}
			},
		}
	}
}
