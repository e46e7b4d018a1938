// A room is an immutable value { entries, total }. A frame makes a new room of it.

import { reportErrors } from './reporterrors.js'

// A page keeps at most this many entries of a room; `total` counts all of them.
const MAX_ENTRIES = 1000

export const EMPTY = Object.freeze({ entries: Object.freeze([]), total: 0 })

const list = (value) => (Array.isArray(value) ? value.filter((entry) => entry && entry.client_id) : [])

/** The room after a presence frame. */
export function applyPresence(room, frame) {
	if (Array.isArray(frame.snapshot)) {
		const entries = list(frame.snapshot).slice(0, MAX_ENTRIES)
		return { entries, total: Math.max(Number(frame.total) || 0, entries.length) }
	}
	const joined = list(frame.joined)
	const left = list(frame.left)
	const entries = list(frame.updated).concat(joined).reduce(put, without(room.entries, left)).slice(0, MAX_ENTRIES)
	// If the list was cut, the total is larger. It counts who joins and leaves, and is at
	// least the length of the list.
	const added = joined.filter((entry) => !has(room.entries, entry)).length
	const total = Math.max(room.total + added - left.length, entries.length)
	return { entries, total }
}

const has = (entries, entry) => entries.some((other) => other.client_id === entry.client_id)

const without = (entries, left) => entries.filter((entry) => !has(left, entry))

function put(entries, entry) {
	const at = entries.findIndex((other) => other.client_id === entry.client_id)
	if (at < 0) return entries.concat([entry])
	const next = entries.slice()
	next[at] = entry
	return next
}

/**
 * Whether a frame has a change of anybody but this user. A snapshot may have one. A new date,
 * and becoming idle or active, do not count.
 */
export function concernsOthers(frame, userId, entries) {
	if (Array.isArray(frame.snapshot)) return true
	const others = (kind) => ofOthers(frame[kind], userId)
	return ['joined', 'left'].some((kind) => others(kind).length) || others('updated').some((entry) => undated(entry) !== undated(entries.find(({ client_id }) => client_id === entry.client_id)))
}

/** Whether a frame updates the lock of another user. */
export const contestsLock = (frame, userId) => ofOthers(frame.updated, userId).some(({ client_id }) => /^lock-/.test(client_id))

const ofOthers = (value, userId) => list(value).filter((entry) => String(entry.user_id) !== String(userId))

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
