// The long-poll link: one request waits for frames, and the next follows its answer.

import { CLOSED, clock, otherProgram, readJSON, since } from './link.js'
import { createRequestLink } from './requestlink.js'

export const createLongPollLink = (options) =>
	createRequestLink(Object.assign({ name: 'longpoll' }, options), (session) => {
		poll(session, options.win)
	})

async function poll(session, win) {
	let seq = 0

	// Returns what is wrong with an answer that heartbeatd did not make for this poll.
	function faultOf(answer, id, started) {
		const { seq: newest, frames } = answer
		if (session.isOthers(answer, id)) return 'got the answer to another request'
		if (newest < seq || (frames.length && newest === seq)) return 'got an old answer'
		if (!frames.length && since(win, started) < session.hold / 2) return 'got an empty answer too early'
		return ''
	}

	while (session.isOpen) {
		const started = clock(win)
		const id = session.nextId()
		try {
			const reply = await session.request('GET', '/poll', { after: seq, id })
			const answer = reply.response.ok && readJSON(reply.text)
			const fault = isAnswer(answer) && faultOf(answer, id, started)
			if (!isAnswer(answer)) session.refused(reply)
			else if (fault) session.ended(otherProgram('GET /poll ' + fault))
			else {
				seq = answer.seq
				session.deliver(answer.frames)
			}
		} catch (e) {
			session.ended(CLOSED)
		}
	}
}

const isAnswer = (answer) => answer && answer.seq >= 0 && Array.isArray(answer.frames)
