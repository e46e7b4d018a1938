// A fake network for one realm: XMLHttpRequest, WebSocket and fetch answer the n-th beat with the
// n-th answer of the scenario, on every transport.

const TICKET_LIFE = 3600

export function installNet(win, { clock, answers, log, link, hashes }) {
	const net = { beats: 0, overLink: 0 }
	// Beats on the link that have no tick yet. After a decline, or when the link is closed, a beat
	// is posted at once and keeps its answer.
	let unanswered = []

	function begin(body, viaLink) {
		const freed = unanswered.findIndex((beat) => beat.body === body && beat.freed === clock.turn)
		if (!viaLink && freed >= 0) return unanswered.splice(freed, 1)[0]
		const answer = answers[net.beats] || { status: 200, body: '{"server_time":1}', delay: 5 }
		const beat = { answer, body, due: clock.time + (answer.delay || 0) }
		net.beats++
		log(`wire ${body}`)
		if (viaLink) {
			net.overLink++
			unanswered.push(beat)
		}
		return beat
	}

	const free = (beats) => beats.forEach((beat) => (beat.freed = clock.turn))

	const json = (answer) => !answer.type || answer.type.indexOf('json') > 0
	const answerable = ({ answer }) => answer.status === 200 && json(answer) && (answer.delay || 0) < 2400 && !answer.decline

	function ticket() {
		const iat = Math.floor(clock.wall / 1000)
		const nonce = (win.heartbeatSettings && win.heartbeatSettings.nonce) || ''
		const claims = {
			sub: '1',
			iat,
			exp: iat + TICKET_LIFE,
			fresh_until: iat + TICKET_LIFE,
			nonce: hashes[nonce],
			native: ['n', 'a', 'b', 'c', 'presence-ping', 'presence-editor-ping'],
			rooms: ['admin/online', 'postType/post:5'],
		}
		return `h.${btoa(JSON.stringify(claims)).replace(/\+/g, '-').replace(/\//g, '_').replace(/=/g, '')}.s${iat}`
	}

	win.XMLHttpRequest = class {
		constructor() {
			this.readyState = 0
			this.withCredentials = false
			this.headers = {}
			this.upload = {}
		}
		open(method, url) {
			this.readyState = 1
			Object.assign(this, { method, url })
		}
		setRequestHeader(name, value) {
			this.headers[name] = value
		}
		overrideMimeType() {}
		send(body) {
			const { answer, due } = begin(body, false)
			if (this.url !== win.expectedUrl) log(`url ${this.url}`)
			if (answer.hang) return
			this.timer = win.setTimeout(() => this.finish(answer), due - clock.time)
		}
		finish(answer) {
			this.readyState = 4
			this.status = answer.status || 0
			this.statusText = answer.status ? answer.statusText || 'OK' : ''
			this.responseText = answer.status ? answer.body || '' : ''
			this.answerHeaders = `content-type: ${answer.type || 'application/json; charset=UTF-8'}\r\n`
			if (link && answer.status === 200) this.answerHeaders += `X-Heartbeatd-Ticket: ${ticket()}\r\n`
			const done = answer.status ? this.onload : this.onerror
			if (done) done.call(this, {})
		}
		abort() {
			win.clearTimeout(this.timer)
			this.readyState = 0
			if (this.onabort) this.onabort({})
		}
		getAllResponseHeaders() {
			return this.answerHeaders || ''
		}
	}

	// The server's side of a link: receives a frame of the client, and sends frames.
	function serve(frame, send) {
		if (frame.type === 'hello') {
			send({ type: 'welcome', session: 's', cursor: 'e-0', resumed: false, max_body: 1 << 20 })
		} else if (frame.type === 'beat') {
			const beat = begin(frame.body, true)
			if (!answerable(beat)) {
				free([beat])
				send({ type: 'decline', id: frame.id })
				return
			}
			win.setTimeout(() => {
				unanswered = unanswered.filter((other) => other !== beat)
				send({ type: 'tick', id: frame.id, status: 200, body: beat.answer.body })
			}, beat.answer.delay || 0)
		}
	}

	win.WebSocket = class {
		constructor() {
			this.readyState = 0
			win.setTimeout(() => {
				if (this.readyState) return
				if (link !== 'websocket') {
					this.readyState = 3
					if (this.onclose) this.onclose({ code: 1006 })
					return
				}
				this.readyState = 1
				this.onopen({})
			})
		}
		send(text) {
			serve(JSON.parse(text), async (frame) => {
				await null
				if (this.onmessage) this.onmessage({ data: JSON.stringify(frame) })
			})
		}
		close() {
			this.readyState = 3
			free(unanswered)
		}
	}

	// Decodes a long-poll request: a form, or a frame.
	function frameOf(path, query, body) {
		if (path === 'open') return { type: 'hello' }
		return body[0] === '{' ? JSON.parse(body) : { type: query.get('type'), id: Number(query.get('id')), body }
	}

	win.fetch = (url, { headers = {}, body, signal }) =>
		new Promise((resolve, reject) => {
			signal.addEventListener('abort', () => {
				free(unanswered)
				reject(new Error('aborted'))
			})
			const respond = (status, frame) =>
				resolve({ ok: status < 300, status, text: () => Promise.resolve(frame ? JSON.stringify(frame) : '') })
			const { pathname, searchParams } = new URL(url)
			const path = pathname.split('/').pop()
			if (path === 'poll' && !headers['Heartbeat-Session']) return void respond(410)
			if (path === 'poll') return void win.setTimeout(() => respond(200, { type: '', seq: 0, frames: [] }), 25000)
			const frame = frameOf(path, searchParams, body)
			if (frame.type === 'hello' || frame.type === 'beat') serve(frame, (answer) => respond(200, answer))
			else respond(204)
		})

	return { net, ticket }
}
