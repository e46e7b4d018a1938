// Prints the entries of a room as JSON, whenever they change. It speaks NATS's protocol over
// a socket, without a library:
//
//	node observe.mjs nats://observer:PASSWORD@127.0.0.1:4222 default admin/online 60
//
// The last arguments are the nodes' --presence-ttl in seconds, and their --nats-prefix if they have one.

import { connect } from 'node:net'

const [address = 'nats://127.0.0.1:4222', site = 'default', room = 'admin/online', ttl = 60, prefix = ''] = process.argv.slice(2)
const { hostname, port, username, password } = new URL(address)
const login = username && { user: decodeURIComponent(username), pass: decodeURIComponent(password) }
const keys = new Map() // the last value of each subject; each page has one
const written = new Map() // when that was
const lifetime = (Number(ttl) + Math.max(ttl / 6, 2)) * 1000 // entries are written again every third of the TTL

function show() {
	const shown = {} // of several pages of one user, the one that had the focus last
	const active = new Set() // users who are active in any page
	const order = ([subject, e]) => `${String(e.focused_at).padStart(16, '0')} ${e.date_gmt} ${subject.split('.').pop()}`
	for (const [subject, e] of keys) {
		if (e.room !== room) continue
		if (!(shown[e.client_id] && order(shown[e.client_id]) > order([subject, e]))) shown[e.client_id] = [subject, e]
		if (e.idle === false) active.add(e.client_id)
	}
	const isIdle = ({ client_id: id, idle, date_gmt: date }) => !active.has(id) && (idle ?? Date.now() - Date.parse(`${date.replace(' ', 'T')}Z`) > 30_000)
	console.log(JSON.stringify(Object.keys(shown).sort().map((id) => ({ client_id: id, name: shown[id][1].display_name, data: shown[id][1].data, idle: isIdle(shown[id][1]) }))))
}

function heard(subject, header, value) {
	if (/^(KV-Operation|Nats-Marker-Reason):/m.test(header)) keys.delete(subject) // left, was removed, or expired
	else keys.set(subject, JSON.parse(value))
	written.set(subject, performance.now())
	show()
}

// The message that says so may be lost.
setInterval(() => {
	const old = [...written].filter(([, when]) => performance.now() - when > lifetime).map(([subject]) => subject)
	for (const subject of old) written.delete(subject)
	if (old.filter((subject) => keys.delete(subject)).length > 0) show()
}, 1000)

// A server that is cut off from this machine may never say that the connection is gone.
let last = performance.now() // when NATS has sent something
setInterval(() => (performance.now() - last > 30_000 ? socket.destroy(new Error('NATS is silent')) : socket.write('PING\r\n')), 10_000)

let buffer = Buffer.alloc(0)
const socket = connect(Number(port) || 4222, hostname, () => socket.write(`CONNECT ${JSON.stringify({ verbose: false, headers: true, ...login })}\r\nSUB ${prefix && `${prefix}.`}presence.${site}.> 1\r\n`))
socket.on('data', (chunk) => {
	last = performance.now()
	buffer = Buffer.concat([buffer, chunk])
	for (let end; (end = buffer.indexOf('\r\n')) >= 0; ) {
		const [verb, subject, ...rest] = buffer.toString('latin1', 0, end).split(' ')
		const [head, total] = verb === 'HMSG' ? rest.slice(-2).map(Number) : [0, verb === 'MSG' ? Number(rest.at(-1)) : -2]
		const body = end + 2
		if (buffer.length < body + total + 2) return // the rest has not arrived yet
		if (total >= 0) heard(subject, buffer.toString('latin1', body, body + head), buffer.toString('utf8', body + head, body + total))
		if (verb === 'PING') socket.write('PONG\r\n')
		if (verb === '-ERR') console.error(subject, ...rest)
		buffer = buffer.subarray(body + total + 2)
	}
})
socket.on('error', (error) => console.error(error.message)).on('close', () => process.exit(1)) // start again with an empty state
