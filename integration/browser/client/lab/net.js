// A network for one realm: XMLHttpRequest, WebSocket and fetch that answer the
// n-th beat with the scenario's n-th answer, whatever carried it.

const TICKET_LIFE = 3600;

export function installNet(win, { clock, answers, log, link, hashes }) {
	const net = { beats: 0, reserved: null, requests: 0, socketsOpen: 0 };

	// A declined beat keeps its answer for the POST that follows.
	function begin(body, over) {
		if (net.reserved) {
			const kept = net.reserved;
			net.reserved = null;
			if (kept.body === body) return kept;
		}
		const answer = answers[net.beats] || { status: 200, body: '{"server_time":1}', delay: 5 };
		net.beats++;
		log(`wire ${body}`);
		return { answer, body, over };
	}

	const json = (answer) => !answer.type || answer.type.indexOf('json') > 0;
	const answerable = ({ answer }) => answer.status === 200 && json(answer) && (answer.delay || 0) < 2400 && !answer.decline;

	function ticket() {
		const iat = Math.floor(clock.wall / 1000);
		const nonce = (win.heartbeatSettings && win.heartbeatSettings.nonce) || '';
		const claims = {
			sub: '1', iat, exp: iat + TICKET_LIFE, fresh_until: iat + TICKET_LIFE, nonce: hashes[nonce],
			native: ['a', 'b', 'c', 'presence-ping', 'presence-editor-ping'], rooms: ['admin/online', 'postType/post:5'],
		};
		return `h.${btoa(JSON.stringify(claims)).replace(/\+/g, '-').replace(/\//g, '_').replace(/=/g, '')}.s${iat}`;
	}

	win.XMLHttpRequest = class {
		constructor() {
			this.readyState = 0;
			this.withCredentials = false;
			this.headers = {};
			this.upload = {};
		}
		open(method, url) {
			this.readyState = 1;
			Object.assign(this, { method, url });
		}
		setRequestHeader(name, value) {
			this.headers[name] = value;
		}
		overrideMimeType() {}
		send(body) {
			const { answer } = begin(body, 'post');
			if (this.url !== win.expectedUrl) log(`url ${this.url}`);
			if (answer.hang) return;
			this.timer = win.setTimeout(() => this.finish(answer), answer.delay || 0);
		}
		finish(answer) {
			this.readyState = 4;
			this.status = answer.status || 0;
			this.statusText = answer.status ? answer.statusText || 'OK' : '';
			this.responseText = answer.status ? answer.body || '' : '';
			this.answerHeaders = `content-type: ${answer.type || 'application/json; charset=UTF-8'}\r\n`;
			if (link && answer.status === 200) this.answerHeaders += `X-Heartbeatd-Ticket: ${ticket()}\r\n`;
			const done = answer.status ? this.onload : this.onerror;
			if (done) done.call(this, {});
		}
		abort() {
			win.clearTimeout(this.timer);
			this.readyState = 0;
			if (this.onabort) this.onabort({});
		}
		getAllResponseHeaders() {
			return this.answerHeaders || '';
		}
	};

	// The server's half of a link: takes a client frame, sends frames back.
	function serve(frame, send) {
		if (frame.type === 'hello') {
			send({ type: 'welcome', session: 's', cursor: 'e-0', resumed: false, max_body: 1 << 20 });
		} else if (frame.type === 'beat') {
			const beat = begin(frame.body, 'link');
			net.overLink = (net.overLink || 0) + 1;
			if (answerable(beat)) {
				win.setTimeout(() => send({ type: 'tick', id: frame.id, status: 200, body: beat.answer.body }), beat.answer.delay || 0);
			} else {
				net.reserved = beat;
				send({ type: 'decline', id: frame.id });
			}
		}
	}

	win.WebSocket = class {
		constructor() {
			this.readyState = 0;
			net.socketsOpen++;
			win.setTimeout(() => {
				if (this.readyState) return;
				if (link !== 'websocket') {
					this.readyState = 3;
					if (this.onclose) this.onclose({ code: 1006 });
					return;
				}
				this.readyState = 1;
				this.onopen({});
			});
		}
		send(text) {
			serve(JSON.parse(text), async (frame) => {
				await null;
				if (this.onmessage) this.onmessage({ data: JSON.stringify(frame) });
			});
		}
		close() {
			this.readyState = 3;
		}
	};

	win.fetch = (url, { body, signal }) =>
		new Promise((resolve, reject) => {
			signal.addEventListener('abort', () => reject(new Error('aborted')));
			const respond = (status, frame) =>
				resolve({ ok: status < 300, status, text: () => Promise.resolve(frame ? JSON.stringify(frame) : '') });
			const path = url.split('?')[0].split('/').pop();
			if (path === 'poll') return void win.setTimeout(() => respond(200, { type: '', seq: 0, frames: [] }), 25000);
			const frame = JSON.parse(body);
			if (frame.type === 'hello' || frame.type === 'beat') serve(frame, (answer) => respond(200, answer));
			else respond(204);
		});

	return { net, ticket };
}
