// A logged-in user without a browser: makes REST calls with cookie and nonce, and posts beats as
// core's client does.
//
//	const editor = await logIn(site, 'editor')
//	const { status, body, headers } = await editor.rest('GET', '/wp-presence/v1/presence', { room: 'admin/online' })
//	const tick = await editor.beat({ 'presence-ping': { screen: 'dashboard' } })

export async function logIn(site, user) {
	const { login, password, id } = site.users[user]
	const answer = await fetch(`${site.url}/wp-login.php`, {
		method: 'POST', redirect: 'manual', headers: { cookie: 'wordpress_test_cookie=WP%20Cookie%20check' },
		body: new URLSearchParams({ log: login, pwd: password, testcookie: '1' }),
	})
	const cookie = answer.headers.getSetCookie().map((line) => line.split(';')[0]).join('; ')
	const page = await (await fetch(`${site.url}/wp-admin/profile.php`, { headers: { cookie } })).text()
	const nonce = await (await fetch(`${site.url}/wp-admin/admin-ajax.php?action=rest-nonce`, { headers: { cookie } })).text()
	const heartbeat = JSON.parse(page.match(/var heartbeatSettings = (\{.*?\});/)[1])
	return {
		id,
		cookie,
		nonce,
		ticket: page.match(/heartbeatSettings\.heartbeatd = (\{.*?\});/)?.[1],
		rest: (method, path, params = {}, headers = { cookie, 'x-wp-nonce': nonce }) => rest(site, method, path, params, headers),
		async beat(data, options) {
			return (await this.rawBeat(data, options)).json()
		},
		// rawBeat returns the response with its headers.
		rawBeat(data, { focus = true, screen = 'dashboard', conn, headers } = {}) {
			const form = new URLSearchParams({ ...fields(data), interval: '60', _nonce: heartbeat.nonce, action: 'heartbeat', screen_id: screen, has_focus: String(focus) })
			return fetch(`${site.url}/wp-admin/admin-ajax.php`, { method: 'POST', headers: { cookie, ...(conn && { 'Heartbeat-Connection': conn }), ...headers }, body: form })
		},
	}
}

// rest calls a route. params are sent in the query or the body, as the method requires.
export async function rest(site, method, path, params, headers = {}) {
	const url = new URL(`${site.url}/wp-json${path}`)
	const inBody = method === 'POST'
	if (!inBody) for (const [name, value] of Object.entries(params)) url.searchParams.set(name, value)
	const response = await fetch(url, {
		method, headers: { ...headers, ...(inBody ? { 'content-type': 'application/json' } : {}) }, body: inBody ? JSON.stringify(params) : undefined,
	})
	const text = await response.text()
	try {
		return { status: response.status, body: JSON.parse(text), headers: response.headers }
	} catch {
		throw new Error(`${method} ${path}: ${response.status} ${text.slice(0, 500)}`)
	}
}

// fields encodes a beat's data as jQuery does: data[handle][key]=value.
function fields(data) {
	const out = {}
	const write = (name, value) => {
		if (value && typeof value === 'object') for (const [key, item] of Object.entries(value)) write(`${name}[${key}]`, item)
		else out[name] = String(value)
	}
	write('data', data)
	return out
}
