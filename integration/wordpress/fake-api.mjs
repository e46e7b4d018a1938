import { createServer } from 'node:http'

// startAPI plays heartbeatd's API. answer makes the answer to a call; null: none. It keeps
// pushes; other calls may still be in flight.
export async function startAPI(t) {
	const api = { pushes: [], revokes: [], ended: 0, answer: () => null, reset: () => Object.assign(api, { pushes: [], revokes: [], ended: 0 }) }
	const server = createServer((request, response) => {
		const isPush = request.url === '/api/v1/push'
		let text = ''
		request.on('data', (chunk) => (text += chunk)).on('end', () => {
			if (isPush) api.pushes.push({ body: JSON.parse(text), authorization: request.headers.authorization })
			if (request.url === '/api/v1/revoke') api.revokes.push(JSON.parse(text))
			const answer = api.answer()
			if (answer) response.writeHead(answer[0], { 'Content-Type': 'application/json' }).end(JSON.stringify(answer[1]))
		})
		response.on('close', () => (api.ended += Number(isPush)))
	})
	await new Promise((listening) => server.listen(0, '127.0.0.1', listening))
	t.after(() => {
		server.closeAllConnections()
		server.close()
	})
	api.url = `http://127.0.0.1:${server.address().port}`
	return api
}
