// A room is a value: { entries, total }. Frames turn one room into the next;
// nothing here is changed in place.

import { reportErrors } from './reporterrors.js'

// A page that shows people shows no more than this; `total` counts the rest.
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
	const entries = list(frame.updated).concat(joined).reduce(place, without(room.entries, left)).slice(0, MAX_ENTRIES)
	// Beyond the snapshot's cut the total is larger than the list: count what
	// came and went, never below what is seen.
	const come = joined.filter((entry) => !has(room.entries, entry)).length
	const total = Math.max(room.total + come - left.length, entries.length)
	return { entries, total }
}

const has = (entries, entry) => entries.some((other) => other.client_id === entry.client_id)

const without = (entries, left) => entries.filter((entry) => !has(left, entry))

function place(entries, entry) {
	const at = entries.findIndex((other) => other.client_id === entry.client_id)
	if (at < 0) return entries.concat([entry])
	const next = entries.slice()
	next[at] = entry
	return next
}

/**
 * Does this frame say something new of anybody but this user? A snapshot always
 * may; that somebody who is there beat again, or became idle, is nothing new.
 */
export function concernsOthers(frame, userId, entries) {
	if (Array.isArray(frame.snapshot)) return true
	const others = (kind) => ofOthers(frame[kind], userId)
	return ['joined', 'left'].some((kind) => others(kind).length) || others('updated').some((entry) => undated(entry) !== undated(entries.find(({ client_id }) => client_id === entry.client_id)))
}

/** Does this frame say that somebody else is there with the lock, and has been? */
export const contestsLock = (frame, userId) => ofOthers(frame.updated, userId).some(({ client_id }) => /^lock-/.test(client_id))

const ofOthers = (value, userId) => list(value).filter((entry) => String(entry.user_id) !== String(userId))

const undated = (entry) => JSON.stringify(Object.assign({}, entry, { date_gmt: '', idle: undefined }))

const MAX_ROOMS = 64

/** Keeps the rooms this page hears of, and tells whoever asked about changes. */
export function createRooms(win) {
	const rooms = new Map()
	const watchers = new Map()

	function set(name, room) {
		rooms.delete(name)
		rooms.set(name, room)
		if (rooms.size > MAX_ROOMS) rooms.delete(rooms.keys().next().value)
	}

	return {
		receive(frame) {
			const name = frame.room
			set(name, applyPresence(rooms.get(name) || EMPTY, frame))
			;(watchers.get(name) || []).forEach((callback) => reportErrors(win, () => callback(view(name))))
		},
		room: view,
	}

	function view(name) {
		return {
			get entries() {
				return (rooms.get(name) || EMPTY).entries.slice()
			},
			get total() {
				return (rooms.get(name) || EMPTY).total
			},
			onChange(callback) {
				watchers.set(name, (watchers.get(name) || []).concat([callback]))
				return () =>
					watchers.set(
						name,
						watchers.get(name).filter((other) => other !== callback)
					)
			},
		}
	}
}
