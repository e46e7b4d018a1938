// Firefox keeps a page in its back/forward cache only if the page has no open connection
// when a navigation starts, and no event comes before that. Connections of a shared worker
// do not count. So where Firefox may keep the page, its links have their connections in a
// shared worker that no other page uses and that ends with the page. Other browsers keep
// pages with open connections.

import { isFirefox } from './link.js'

// The cache and the worker answer within milliseconds, on a busy machine within seconds.
const TIMEOUT = 5000
// A worker that does not answer the request for a connection within this time has ended. It is
// less than the time in which a link must open.
const ENDED = 2000

/**
 * Calls found with the { WebSocket, fetch } of the page's links: the window, or what uses a
 * worker. Calls it with null where a worker is needed and there is none.
 *
 * @param {Window} win
 * @param {Function} found (network)
 */
export function findNetwork(win, found) {
	if (!isFirefox(win) || !win.ReadableStream) found(win)
	else {
		const late = new Promise((resolve, reject) => win.setTimeout(reject, TIMEOUT))
		const network = isCached(win).then((yes) => (yes ? startWorker(win) : win))
		Promise.race([network, late]).catch(() => null).then(found)
	}
}

// A page with no-store is in neither cache. This request never reaches the network.
const isCached = (win) =>
	win.fetch(win.location.href, { cache: 'only-if-cached', mode: 'same-origin' }).then(
		() => true,
		() => false
	)

// The worker's script. Each message of the page opens a connection: it has an address, the
// protocol of a WebSocket or the options of a request, and the port of that connection. The
// worker answers at once on that port.
function serve() {
	function openSocket(url, protocol, port) {
		const socket = new WebSocket(url, protocol)
		for (const type of ['open', 'message', 'error', 'close']) {
			socket['on' + type] = ({ data, code, wasClean }) => port.postMessage([type, { data, code, wasClean }])
		}
		port.onmessage = ({ data }) => (data ? socket.send(data) : socket.close())
	}

	async function request(url, options, port) {
		const aborter = new AbortController()
		port.onmessage = () => aborter.abort()
		try {
			const { status, headers, body } = await fetch(url, Object.assign(options, { signal: aborter.signal }))
			port.postMessage(['head', { status, headers: Array.from(headers) }, Boolean(body)])
			const reader = body && body.getReader()
			for (let part; reader && !(part = await reader.read()).done;) port.postMessage(['part', part.value])
			port.postMessage(['end'])
		} catch (e) {
			port.postMessage(['failed'])
		}
	}

	self.onconnect = ({ ports: [page] }) => {
		page.onmessage = ({ data: [url, how], ports: [port] }) => {
			port.postMessage([])
			;(how.method ? request : openSocket)(url, how, port)
		}
		page.postMessage('ready')
	}
}

function startWorker(win) {
	let worker

	function start() {
		const script = new win.Blob(['(' + serve + ')()'], { type: 'text/javascript' })
		worker = new win.SharedWorker(win.URL.createObjectURL(script))
	}

	// Returns what sends to a connection, and closes it. Firefox may end a worker without telling
	// the page: the connection is then opened in a new one.
	function connect(url, how, receive) {
		let port
		let timer
		function open() {
			const { port1, port2 } = new win.MessageChannel()
			port = port1
			worker.port.postMessage([new URL(url, win.location.href).href, how], [port2])
			timer = win.setTimeout(() => {
				port.close()
				start()
				open()
			}, ENDED)
			port.onmessage = ({ data }) => {
				win.clearTimeout(timer)
				if (data.length) receive(data)
			}
		}
		open()
		return {
			send: (data) => port.postMessage(data),
			close() {
				win.clearTimeout(timer)
				port.postMessage('')
				port.close()
			},
		}
	}

	// Firefox drops a page from the cache when a message arrives on one of its ports. So the
	// page closes the port with the connection.
	function WorkerSocket(url, protocol) {
		const { send, close } = connect(url, protocol, ([type, event]) => {
			this.readyState = type === 'close' ? 3 : 1
			if (type === 'close') close()
			const handler = this['on' + type]
			if (handler) handler(event)
		})
		this.send = send
		this.close = close
	}

	const workerFetch = (url, options) =>
		new Promise((resolve, reject) => {
			const { signal } = options
			let stream
			const body = new win.ReadableStream({ start: (controller) => void (stream = controller) })
			const fail = () => {
				const error = new win.TypeError('failed')
				reject(error)
				stream.error(error)
			}
			if (signal.aborted) {
				fail()
				return
			}
			const { close } = connect(url, Object.assign({}, options, { signal: null }), ([what, value, hasBody]) => {
				if (what === 'end' || what === 'failed') {
					close()
					signal.removeEventListener('abort', abort)
				}
				if (what === 'head') resolve(new win.Response(hasBody ? body : null, value))
				else if (what === 'part') stream.enqueue(value)
				else if (what === 'end') stream.close()
				else fail()
			})
			function abort() {
				close()
				fail()
			}
			signal.addEventListener('abort', abort)
		})

	start()
	return new Promise((resolve, reject) => {
		worker.onerror = reject
		worker.port.onmessage = () => resolve({ WebSocket: WorkerSocket, fetch: workerFetch })
	})
}
