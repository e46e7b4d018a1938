// The living side of a page: its ticket, its link, its rooms, and what the
// server sends unasked. jQuery's transport asks it to answer beats; pages see
// its events.

import { createChooser } from './chooser.js';
import { createLockMemory, isRoomOf, LOCK } from './repeat.js';
import { createLongPollLink } from './longpoll.js';
import { createRooms, concernsOthers } from './room.js';
import { createWebSocketLink } from './websocket.js';
import { isAlive, isNative, readTicket } from './ticket.js';

const LINKS = { websocket: createWebSocketLink, longpoll: createLongPollLink };
const ORDER = ['websocket', 'longpoll'];
const MAX_SPREAD = 60000;

export function createLive({ win, $, emit, connectNow }) {
	const config = (win.heartbeatSettings && win.heartbeatSettings.heartbeatd) || {};
	const conn = randomId(win);
	const rooms = createRooms();
	const lock = createLockMemory(Date.now);
	let ticket = null;
	let cursor = '';
	let presence = '';
	let maxBody = 0;
	let nudge = 0;
	let paused = false;

	const chooser = createChooser({
		order: known(config.transports || ORDER),
		make: (name, calls) => LINKS[name](Object.assign({ url: config.url, win }, calls)),
		hello: () => ({ ticket: ticket.text, conn, after: cursor, body: presence }),
		may: (name) => name !== 'longpoll' || win.document.visibilityState !== 'hidden',
		onFrame: received,
		onChange: changed,
		win,
		random: Math.random,
	});

	function known(names) {
		return [].concat(names).filter((name) => Object.prototype.hasOwnProperty.call(LINKS, name));
	}

	function changed(name, link, welcome) {
		lock.forget();
		if (welcome) {
			maxBody = Number(welcome.max_body) || 0;
			if (typeof welcome.cursor === 'string') cursor = welcome.cursor;
		}
		guard(win, () => emit('transport', [name || 'post']));
	}

	function received(frame) {
		if (frame.type === 'nudge') nudged(frame);
		else if (typeof frame.room !== 'string') return;
		else if (frame.type === 'presence') met(frame);
		else if (frame.type === 'push') {
			if (typeof frame.cursor === 'string') cursor = frame.cursor;
			guard(win, () => emit('push', [{ room: frame.room, data: frame.data }]));
		}
	}

	function met(frame) {
		const { room, snapshot, total, joined = [], updated = [], left = [] } = frame;
		if (lock.concerns(room) && concernsOthers(frame, ticket.claims.sub)) lock.forget();
		guard(win, () => rooms.receive(frame));
		const news = Array.isArray(snapshot) ? { room, snapshot, total } : { room, joined, updated, left };
		guard(win, () => emit('presence', [news]));
	}

	function nudged(frame) {
		lock.forget();
		if (nudge) return;
		const spread = Math.min(MAX_SPREAD, Math.max(0, Number(frame.spread_ms) || 0));
		nudge = win.setTimeout(() => {
			nudge = 0;
			connectNow();
		}, Math.random() * spread);
	}

	function take(text) {
		if (!config.url || !text || (ticket && ticket.text === text)) return;
		const next = readTicket(text, Date.now(), Math.random);
		if (!next) return;
		ticket = next;
		if (chooser.link) chooser.link.ticket(text);
		else if (!paused) chooser.start();
	}

	// The presence handles of a beat, written as the beat itself would write them.
	function presenceOf(fields) {
		const data = {};
		Object.keys(fields.data || {}).forEach((handle) => {
			if (handle.indexOf('presence-') === 0) data[handle] = fields.data[handle];
		});
		return $.param({ data, screen_id: fields.screen_id, has_focus: fields.has_focus });
	}

	win.document.addEventListener('visibilitychange', () => chooser.reconsider());

	return {
		/** Starts; not before every part stands. */
		start: () => take(config.ticket),

		/** How the link would answer a beat, or null when it is for PHP. */
		plan(fields, body) {
			const { link } = chooser;
			if (!link || body.length > maxBody || fields.wp_customize) return null;
			const again = lock.recall(fields.data[LOCK]);
			const handles = Object.keys(fields.data).filter((handle) => !again || handle !== LOCK);
			if (!isNative(ticket, handles, fields._nonce, Date.now())) return null;
			return {
				/** A promise of the tick's text, or of null when PHP must be asked after all. */
				send() {
					presence = presenceOf(fields);
					return link.beat(body).then((frame) => tickText(frame, again));
				},
				giveUp: () => chooser.suspect(link),
			};
		},

		/** A beat goes to PHP: the link hears what it says of presence. */
		posted(fields) {
			presence = presenceOf(fields);
			if (chooser.link) chooser.link.note(presence);
		},

		/** A tick arrived; `byPost` tells whether PHP wrote it. */
		ticked(fields, response, jqXHR, byPost) {
			if (!response || typeof response !== 'object') return;
			const out = response['wp-auth-check'] === false;
			if (out || response.nonces_expired) {
				ticket = null;
				chooser.stop();
			}
			if (!byPost) return;
			if (!out) take(jqXHR.getResponseHeader('X-Heartbeatd-Ticket'));
			if (hears(fields.data[LOCK])) lock.learn(fields.data[LOCK], response[LOCK]);
		},

		/** The page sleeps or wakes. */
		suspended(yes) {
			paused = yes;
			if (yes) chooser.stop();
			else if (isAlive(ticket, Date.now())) chooser.start();
		},

		/** What pages get beside the nine methods. */
		extras: {
			room: rooms.room,
			transport: {
				get name() {
					return chooser.name || 'post';
				},
				use: (names) => chooser.use(known(names)),
				leave() {
					if (chooser.link) chooser.link.leave();
				},
			},
		},
	};

	// Only a page that hears of the post's room may trust its silence.
	function hears(asked) {
		const { rooms: heard } = (ticket && ticket.claims) || {};
		return Boolean(asked && chooser.link && heard) && [].concat(heard).some((room) => isRoomOf(room, asked.post_id));
	}
}

function tickText(frame, again) {
	if (!frame || frame.type !== 'tick' || frame.status !== 200 || typeof frame.body !== 'string') return null;
	if (!again) return frame.body;
	try {
		return JSON.stringify(Object.assign(JSON.parse(frame.body), { [LOCK]: again }));
	} catch (e) {
		return null;
	}
}

// Page code that throws is reported as it would be anywhere, and stops nothing.
function guard(win, call) {
	try {
		call();
	} catch (e) {
		win.setTimeout(() => {
			throw e;
		});
	}
}

function randomId(win) {
	const bytes = win.crypto.getRandomValues(new Uint8Array(16));
	return Array.from(bytes, (byte) => (byte + 256).toString(16).slice(1)).join('');
}
