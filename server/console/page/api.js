// Requests to this node, with the operator's key. The key stays in this tab.

const STORED = 'heartbeatd-key'
const TIMEOUT = 10_000

export const hasKey = () => sessionStorage.getItem(STORED) !== null
export const useKey = (key) => sessionStorage.setItem(STORED, key)
export const forgetKey = () => sessionStorage.removeItem(STORED)

// Refused is the error of a request that the node refuses.
export class Refused extends Error {
	constructor(status, message) {
		super(message)
		this.status = status
	}
}

// ask sends a request. The answer is a Response with a good status.
export async function ask(path, { method = 'GET', body } = {}) {
	const headers = hasKey() ? { Authorization: `Bearer ${bytes(sessionStorage.getItem(STORED))}` } : {}
	const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body), signal: AbortSignal.timeout(TIMEOUT), cache: 'no-store' })
	if (answer.ok) return answer
	const text = await answer.text()
	throw new Refused(answer.status, messageOf(text) || `status ${answer.status}`)
}

// bytes returns a text as fetch takes it for a header: a character for each of its bytes.
const bytes = (text) => String.fromCharCode(...new TextEncoder().encode(text))

// messageOf returns the message of an error of the API, or the text of another one.
function messageOf(text) {
	try {
		return String(JSON.parse(text).message)
	} catch {
		return text.trim().slice(0, 200)
	}
}
