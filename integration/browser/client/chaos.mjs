// A proxy that breaks connections at random: it kills, delays, truncates and half-opens them.

import { connect, createServer } from 'node:net'

// startChaos starts a proxy for `target` (a URL). `fate(path)` decides for each connection, with the
// path of its request, how to break it, and after how many bytes of the answer. onHarm(request,
// kind) is called for each broken connection.
export async function startChaos(t, target, { fate, onHarm = () => {} }) {
	const { hostname, port } = new URL(target)
	const open = new Set()
	const server = createServer((client) => {
		const upstream = connect(Number(port), hostname)
		const pair = { client, upstream, request: '', harm: null, passed: 0 }
		open.add(pair)
		client.on('error', () => {})
		upstream.on('error', () => {})
		client.on('close', () => {
			open.delete(pair)
			upstream.destroy()
		})
		// Send delayed bytes before the end.
		upstream.on('close', () => silent(pair) || setTimeout(() => client.end(), pair.harm?.kind === 'delay' ? pair.harm.ms : 0))
		client.on('data', (chunk) => {
			if (pair.request.length < 4096) pair.request += chunk
			pair.harm ??= fate(pair.request.split(' ')[1] ?? '')
			if (!silent(pair)) upstream.write(chunk)
		})
		upstream.on('data', (chunk) => forward(pair, chunk, onHarm))
	})
	await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
	t.after(async () => {
		open.forEach(({ client, upstream }) => [client, upstream].forEach((socket) => socket.destroy()))
		await new Promise((resolve) => server.close(resolve))
	})
	return { url: `http://127.0.0.1:${server.address().port}` }
}

const silent = (pair) => pair.harmed && pair.harm.kind === 'half-open'

function forward(pair, chunk, onHarm) {
	const { client, harm } = pair
	if (silent(pair)) return
	pair.passed += chunk.length
	if (harm.kind === 'none' || pair.passed <= harm.after) return void client.write(chunk)
	if (harm.kind === 'delay') return void setTimeout(() => client.writable && client.write(chunk), harm.ms)
	pair.harmed = true
	onHarm(pair.request, harm.kind)
	if (harm.kind === 'truncate') client.end(chunk.subarray(0, Math.floor(chunk.length / 2)), () => client.destroy())
	else if (harm.kind === 'kill') kill(client)
}

// A socket that is ending cannot be reset: Node would keep its handle and never exit.
function kill(socket) {
	if (socket.writableEnded) socket.destroy()
	else socket.resetAndDestroy()
}
