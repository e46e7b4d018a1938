// Servers with ws and with socket.io: a client joins one room, gets its own messages back, and
// POST /push sends a message to the room.

import { createServer } from 'node:http'
import { Server } from 'socket.io'
import { WebSocketServer } from 'ws'

const server = createServer(async (request, response) => {
	const chunks = []
	for await (const chunk of request) chunks.push(chunk)
	push(Buffer.concat(chunks).toString())
	response.writeHead(202, { 'Content-Length': 2 }).end('{}')
})

let push
if (process.argv[2] === 'ws') {
	const sockets = new WebSocketServer({ server, path: '/socket' })
	sockets.on('connection', (socket) => {
		socket.on('message', (text, binary) => socket.send(text, { binary }))
	})
	push = (body) => {
		const frame = body.padEnd(165) // as long as heartbeatd's frame
		sockets.clients.forEach((socket) => socket.send(frame))
	}
} else {
	const io = new Server(server)
	io.on('connection', (socket) => {
		socket.join(socket.handshake.auth.room)
		socket.on('beat', (form, answer) => answer(form))
	})
	push = (body) => io.to('1').emit('push', JSON.parse(body))
}

server.keepAliveTimeout = 0 // connections of the load generator may be idle for long
server.listen(0, '127.0.0.1', () => console.error(`ready 127.0.0.1:${server.address().port}`))
